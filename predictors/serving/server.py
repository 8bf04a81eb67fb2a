# SPDX-License-Identifier: Apache-2.0
"""KServe's model server with V2 inference answered ahead of its app, on ports that are already taken."""

import asyncio
import contextlib
import logging
import signal
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NoReturn

import grpc
import kserve
import uvicorn
import uvloop
from fastapi import Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from kserve.errors import InvalidInput, ModelNotFound
from kserve.protocol.grpc.grpc_predict_v2_pb2_grpc import add_GRPCInferenceServiceServicer_to_server
from kserve.protocol.grpc.interceptors import ExceptionToStatusInterceptor
from kserve.protocol.grpc.servicer import InferenceServicer
from kserve.protocol.model_repository_extension import ModelRepositoryExtension
from kserve.protocol.rest.server import RESTServer
from starlette.exceptions import HTTPException
from threadpoolctl import threadpool_limits

from predictors.errors import fault_sentence
from predictors.predictor import Predictor
from predictors.served_model import ServedModel
from predictors.serving.fast_http import fast_http
from predictors.serving.ports import Ports
from predictors.serving.settings import Settings
from predictors.serving.v2_app import V2App


class Server(kserve.ModelServer):  # type: ignore[misc]  # KServe ships no types
    """Serves loaded models until a signal asks it to stop, or its supervisor is gone."""

    def __init__(self, settings: Settings, ports: Ports, *, supervisor: int | None = None) -> None:
        """Prepare to serve.

        Args:
            settings: How to serve.
            ports: The ports, already taken.
            supervisor: A file descriptor that becomes readable when the process that forked this one is gone.
        """
        super().__init__(
            http_port=ports.http_port,
            grpc_port=ports.grpc or 0,
            workers=1,
            enable_grpc=ports.grpc is not None,
            enable_latency_logging=False,
        )
        self.model_repository_extension = _ClosedRepository(model_registry=self.registered_models)
        kserve.logging.logger.addFilter(_ClientFaults())
        self._settings = settings
        self._ports = ports
        self._supervisor = supervisor
        # OpenMP keeps its limit for each thread that calls it, so each of these sets its own.
        self._executor = ThreadPoolExecutor(
            settings.scoring_threads, thread_name_prefix="scoring", initializer=threadpool_limits, initargs=(1,)
        )

    def start(self, models: Sequence[ServedModel]) -> None:
        """Serve these models; returns when the server was asked to stop and has answered what was in flight."""
        for model in models:
            self.register_model(Predictor(model, executor=self._executor))
        uvloop.run(self._run(models))
        self._executor.shutdown()

    async def _run(self, models: Sequence[ServedModel]) -> None:
        rest = _Rest(self._rest_config(models))
        grpc_server = await self._start_grpc() if self._ports.grpc is not None else None

        def stop() -> None:
            rest.should_exit = True

        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop)
        if self._supervisor is not None:
            loop.add_reader(self._supervisor, stop)
        await rest.serve(sockets=[self._ports.http])
        if self._supervisor is not None:
            loop.remove_reader(self._supervisor)
        if grpc_server is not None:
            await grpc_server.stop(self._settings.shutdown_seconds)

    def _rest_config(self, models: Sequence[ServedModel]) -> uvicorn.Config:
        # KServe mounts its routes on a FastAPI app of its own module; what it answers goes on being answered there.
        RESTServer(
            "kserve.model_server:app", self.dataplane, self.model_repository_extension, self.http_port
        ).create_application()
        app = kserve.model_server.app
        app.add_exception_handler(HTTPException, _http_error)
        app.add_exception_handler(RequestValidationError, _validation_error)
        v2 = V2App(
            app,
            models,
            max_body_bytes=self._settings.max_body_bytes,
            inline_body_bytes=self._settings.inline_body_bytes,
            executor=self._executor,
        )
        return uvicorn.Config(
            v2,
            http=fast_http(models, inline_body_bytes=self._settings.inline_body_bytes),
            access_log=False,
            log_config=None,
            server_header=False,
            timeout_graceful_shutdown=max(1, round(self._settings.shutdown_seconds)),
            timeout_keep_alive=75,
        )

    async def _start_grpc(self) -> grpc.aio.Server:
        limit = self._settings.max_body_bytes
        server = grpc.aio.server(
            interceptors=(ExceptionToStatusInterceptor(),),
            options=[("grpc.max_send_message_length", -1), ("grpc.max_receive_message_length", limit)],
        )
        servicer = InferenceServicer(self.dataplane, self.model_repository_extension)
        add_GRPCInferenceServiceServicer_to_server(servicer, server)
        host = f"[{self._settings.host}]" if ":" in self._settings.host else self._settings.host
        server.add_insecure_port(f"{host}:{self._ports.grpc}")
        await server.start()
        return server


class _ClosedRepository(ModelRepositoryExtension):  # type: ignore[misc]  # as above
    """Refuses to load and unload models over the network: what is served was decided, and verified, at the start."""

    async def load(self, model_name: str) -> NoReturn:
        raise InvalidInput(f'model "{model_name}" is not loaded over the network: this server\'s models are fixed')

    async def unload(self, model_name: str) -> NoReturn:
        raise InvalidInput(f'model "{model_name}" is not unloaded over the network: this server\'s models are fixed')


class _ClientFaults(logging.Filter):
    """Drops KServe's tracebacks of a client's faults: the client is told, and its operator can do nothing."""

    def filter(self, record: logging.LogRecord) -> bool:
        return not (record.exc_info and isinstance(record.exc_info[1], (InvalidInput, ModelNotFound)))


class _Rest(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        # The signals end REST and gRPC together, so the model server handles them.
        yield


async def _http_error(_: Request, error: Any) -> JSONResponse:
    return JSONResponse({"error": str(error.detail)}, error.status_code, headers=error.headers)


async def _validation_error(_: Request, error: Any) -> JSONResponse:
    return JSONResponse({"error": fault_sentence(error.errors()[0])}, 400)
