# SPDX-License-Identifier: Apache-2.0
"""One process that answers: REST by uvicorn and gRPC on one event loop, until a signal asks it to stop."""

import asyncio
import contextlib
import logging
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final

import uvicorn
import uvloop
from threadpoolctl import threadpool_limits

from predictors.served_model import ServedModel
from predictors.serving.endpoint import Endpoint
from predictors.serving.fair_accept import FairListener
from predictors.serving.lifecycle import Lifecycle, Phase
from predictors.serving.management import Management
from predictors.serving.metrics.exposition import Metrics
from predictors.serving.metrics.log_results import LogResults
from predictors.serving.metrics.meter import Meter
from predictors.serving.models import Models
from predictors.serving.ports import Ports
from predictors.serving.prediction_log.log import PredictionLog
from predictors.serving.rest.contracts import app_for
from predictors.serving.rest.fast_http import fast_http
from predictors.serving.rest.inference import RestInference
from predictors.serving.rest.v1_app import V1App
from predictors.serving.scoring_queue import ScoringQueue
from predictors.serving.settings import Settings

if TYPE_CHECKING:
    from predictors.vertex.contract import Contract

_log = logging.getLogger(__name__)

#: After this many seconds without a request a connection is closed: longer than a gateway keeps an idle one.
KEEP_ALIVE_SECONDS = 75
#: How long a thread may hold the interpreter while another one waits for it. A scoring thread lets go of it hundreds of
#: times in one call of a model, and waits as long for the event loop each time that one is busy (Python's own: 5 ms).
_SWITCH_SECONDS: Final = 0.0005
#: At the end: how long a thread may take to notice that nobody waits for it any more.
_LAST_SECONDS: Final = 1.0


@dataclass(frozen=True, slots=True)
class Served:
    """A model with what is counted of it.

    Attributes:
        model: The loaded model.
        meter: Its counters, shared by all workers.
    """

    model: ServedModel
    meter: Meter


class Server:
    """Answers for loaded models, in one process."""

    def __init__(
        self,
        settings: Settings,
        ports: Ports,
        *,
        reload: Callable[[str], ServedModel],
        prediction_log: PredictionLog | None = None,
        log_results: LogResults | None = None,
        supervisor: int | None = None,
        contract: "Contract | None" = None,
    ) -> None:
        """Prepare to serve.

        Args:
            settings: How to serve.
            ports: The ports, already taken.
            reload: Loads a model again by its name, from where it was loaded at the start.
            prediction_log: Where sampled predictions go; None samples none.
            log_results: What becomes of them, over all workers.
            supervisor: A file descriptor that becomes readable when the process that forked this one is gone.
            contract: What Vertex AI asks of it; None where it is not there.
        """
        self._settings = settings
        self._ports = ports
        self._reload = reload
        self._prediction_log = prediction_log
        self._log_results = log_results
        self._supervisor = supervisor
        self._contract = contract
        self._lifecycle = Lifecycle()
        # OpenMP keeps its limit for each thread that calls it, so each of these sets its own.
        self._executor = ThreadPoolExecutor(
            settings.scoring_threads, thread_name_prefix="scoring", initializer=threadpool_limits, initargs=(1,)
        )

    def run(self, served: Sequence[Served]) -> None:
        """Serve these models; returns when the server was asked to stop and has answered what was in flight."""
        if self._prediction_log is not None:
            self._prediction_log.start()
        endpoints = [self._endpoint(one.model, one.meter) for one in served]
        models = Models(endpoints, self._load_again if self._settings.model_repository else None)
        sys.setswitchinterval(_SWITCH_SECONDS)
        uvloop.run(self._run(models))
        if self._prediction_log is not None:
            self._prediction_log.close(self._settings.shutdown_seconds)
        self._end_threads()

    def _end_threads(self) -> None:
        """End the process itself where a thread does not: Python would wait for it however long it takes."""
        ending = threading.Thread(target=self._executor.shutdown, daemon=True)
        ending.start()
        ending.join(_LAST_SECONDS)
        if ending.is_alive():
            _log.error("a model is still scoring requests whose time is over; ending without them")
            logging.shutdown()
            os._exit(0)

    async def _run(self, models: Models) -> None:
        asked = _Asked()
        asked.listen(self._supervisor)
        one_of_several = self._supervisor is not None
        management = Management(models, self._lifecycle, self._executor)
        rest = _Rest(self._rest_config(models, management), one_of_several=one_of_several)
        grpc_server = None
        if self._ports.grpc is not None:
            from predictors.serving.grpc.service import GrpcServer

            grpc_server = GrpcServer(models, management, self._executor, self._settings)
            await grpc_server.start(self._ports.grpc, one_of_several=one_of_several)
        serving = asyncio.create_task(rest.serve(sockets=[self._ports.http]))
        stopping = asyncio.create_task(asked.to_stop.wait())
        await asyncio.wait({serving, stopping}, return_when=asyncio.FIRST_COMPLETED)
        self._lifecycle.phase = Phase.DRAINING
        if grpc_server is not None:
            grpc_server.drain()
        if not asked.at_once.is_set() and self._settings.drain_seconds:
            _log.info("draining for %g s", self._settings.drain_seconds)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(asked.at_once.wait(), self._settings.drain_seconds)
        rest.should_exit = True
        if grpc_server is not None and self._ports.grpc is not None:
            # Closed as soon as it is stopped: who still comes is refused, instead of waiting for the end.
            asyncio.get_running_loop().call_soon(self._ports.grpc.close)
            await grpc_server.stop(self._settings.shutdown_seconds)
        await serving
        asked.ignore(self._supervisor)
        # The end is near: a signal that asks for it once more must not be the end of a clean exit.
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})

    def _rest_config(self, models: Models, management: Management) -> uvicorn.Config:
        settings = self._settings
        app = app_for(
            self._contract,
            self._executor,
            max_body_bytes=settings.max_body_bytes,
            inline_body_bytes=settings.inline_body_bytes,
        )(
            models,
            self._lifecycle,
            management,
            RestInference(
                self._executor,
                max_body_bytes=settings.max_body_bytes,
                inline_body_bytes=settings.inline_body_bytes,
            ),
            Metrics(models.ready.values, self._log_results),
            max_body_bytes=settings.max_body_bytes,
            v1=V1App(models),
        )
        return uvicorn.Config(
            app,
            http=fast_http(models.ready, self._lifecycle, inline_body_bytes=settings.inline_body_bytes),
            ws="none",
            lifespan="off",
            access_log=False,
            log_config=None,
            server_header=False,
            timeout_graceful_shutdown=max(1, round(settings.shutdown_seconds)),
            timeout_keep_alive=KEEP_ALIVE_SECONDS,
        )

    def _endpoint(self, model: ServedModel, meter: Meter) -> Endpoint:
        settings = self._settings
        queue = ScoringQueue(
            model,
            meter,
            self._executor,
            threads=settings.scoring_threads,
            max_queue=settings.max_queue,
            max_batch_rows=settings.max_batch_rows,
        )
        return Endpoint(
            model,
            meter,
            queue,
            deadline_seconds=settings.deadline_seconds,
            prediction_log=self._prediction_log,
        )

    def _load_again(self, name: str) -> Endpoint:
        model = self._reload(name)
        return self._endpoint(model, Meter(model))


class _Asked:
    """What signals ask: SIGTERM to drain and stop, SIGINT, or a second one, to stop at once.

    Attributes:
        to_stop: Set when the server is to stop.
        at_once: Set when it is not to wait for clients to hear of it.
    """

    def __init__(self) -> None:
        self.to_stop = asyncio.Event()
        self.at_once = asyncio.Event()

    def listen(self, supervisor: int | None) -> None:
        """Listen to the signals, and to the end of the supervisor."""
        loop = asyncio.get_running_loop()
        # Who signals a process group reaches the worker and its supervisor, which passes it on: that is one signal.
        loop.add_signal_handler(signal.SIGTERM, self._drain if supervisor is None else self.to_stop.set)
        loop.add_signal_handler(signal.SIGINT, self._stop)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM, signal.SIGINT})
        if supervisor is not None:
            loop.add_reader(supervisor, self._stop)

    def ignore(self, supervisor: int | None) -> None:
        """Stop listening to the supervisor."""
        if supervisor is not None:
            asyncio.get_running_loop().remove_reader(supervisor)

    def _drain(self) -> None:
        if self.to_stop.is_set():
            self.at_once.set()
        self.to_stop.set()

    def _stop(self) -> None:
        self.at_once.set()
        self.to_stop.set()


class _Rest(uvicorn.Server):
    """uvicorn, without signals of its own; one of several workers takes its fair share of connections only."""

    def __init__(self, config: uvicorn.Config, *, one_of_several: bool) -> None:
        super().__init__(config)
        self._one_of_several = one_of_several

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        if not self._one_of_several:
            await super().startup(sockets)
            return
        await super().startup(sockets=[])
        protocol: Callable[..., asyncio.Protocol] = self.config.http_protocol_class
        make_protocol = partial(
            protocol, config=self.config, server_state=self.server_state, app_state=self.lifespan.state
        )
        self.servers = [FairListener(listening, make_protocol) for listening in sockets or ()]  # type: ignore[misc]

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        # The signals end REST and gRPC together, so the server above handles them.
        yield
