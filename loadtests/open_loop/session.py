# SPDX-License-Identifier: Apache-2.0
"""What one generator process does in a run: it sends its share of the requests and measures what becomes of them."""

import gc
import os
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
import numpy.typing as npt
from gevent.event import Event
from locust.env import Environment

from loadtests.answers import AnswerCheck
from loadtests.errors import LoadTestError
from loadtests.measurements import Answered, Measurements, Message
from loadtests.open_loop.dispatcher import Arrival, Dispatcher, Source
from loadtests.open_loop.started import parsed_options
from loadtests.options import LoadOptions
from loadtests.payloads.tensors import EncodedRequest
from loadtests.timetable import Timetable
from loadtests.transports import GrpcTransport, RestTransport, Transport

Protocol = Literal["rest", "grpc"]

_SECOND: Final = 1_000_000_000
_MICROSECOND: Final = 1_000
#: Of the process, as "nice" counts it.
_PRIORITY: Final = -10
#: How many arrivals are drawn, or taken out of their arrays, at once.
_CHUNK: Final = 1_024


@dataclass(frozen=True)
class Kind:
    """Requests of one kind: those that differ in their data alone.

    Attributes:
        name: What figures of it are called, such as "rest json, 1 row".
        requests: What may be sent, encoded once for the whole run.
        transport: What they are sent by.
        check: What tells right answers from wrong ones.
    """

    name: str
    requests: tuple[EncodedRequest, ...]
    transport: Transport
    check: AnswerCheck


class Session:
    """One process's part of one run."""

    def __init__(
        self, environment: Environment, options: LoadOptions, number: int, timetable: Timetable | None
    ) -> None:
        """Start the dispatcher; nothing is sent before ``play``.

        Args:
            environment: Locust's.
            options: Of the load test.
            number: Which of the run's processes this is, from 0 on.
            timetable: This process's share of the arrivals; None where every user brings its own.
        """
        self.measurements = Measurements()
        self.options = options
        #: Set when the run has begun.
        self.playing = Event()
        #: Of each class of users: its requests, encoded, by name.
        self.kinds: dict[type, dict[str, Kind]] = {}
        self._number = number
        self._environment = environment
        self._timetable = timetable
        self._warmup_ns = round(options.warmup * _SECOND)
        self._origin_ns = 0
        self._most = options.in_flight(timetable)
        self._dispatcher = Dispatcher(self._most, self._drop)
        self._transports: dict[Protocol, Transport] = {}
        self._sources: list[Source] = []
        self._users = 0
        self._share = self._arrivals(timetable) if timetable is not None else None
        self._started = (0.0, 0.0)

    def play(self, origin_ns: int) -> None:
        """Let the timetable begin at that moment of ``time.monotonic_ns()``."""
        self._origin_ns = origin_ns
        self._started = (time.monotonic(), time.process_time())
        # Beside a server that takes all of a small machine, requests would leave late; some users may not ask for this.
        with suppress(PermissionError):
            os.setpriority(os.PRIO_PROCESS, 0, _PRIORITY)
        # What is there by now stays: the collector need not look at it again and again, which takes milliseconds.
        gc.collect()
        gc.freeze()
        self.playing.set()

    def arrivals(self, rate: float) -> Iterator[Arrival]:
        """Return what one more user is to bring: the timetable, which all share, or a stream of its own.

        Args:
            rate: Arrivals/s of the user's own stream, which is Poisson and has no end: the same for the same seed,
                number of process and number of user.
        """
        if self._share is not None:
            return self._share
        self._users += 1
        return self._stream(rate, np.random.default_rng([self.options.seed, self._number, self._users]))

    @property
    def tags(self) -> frozenset[str]:
        """What ``--tags`` names."""
        return frozenset(parsed_options(self._environment).tags or ())

    def transport(self, protocol: Protocol) -> Transport:
        """Return what sends requests by that protocol; one for the whole process.

        Raises:
            LoadTestError: The host is no address.
        """
        if protocol not in self._transports:
            self._transports[protocol] = self._connect(protocol)
        return self._transports[protocol]

    def add(self, source: Source) -> None:
        """Send what this source has due, from now on."""
        self._sources.append(source)
        self._dispatcher.add(source)

    def send(self, arrival: Arrival, kind: Kind) -> None:
        """Send one request, wait for its answer, and record both; runs in a greenlet of its own."""
        request = kind.requests[arrival.draw % len(kind.requests)]
        sent = time.monotonic_ns()
        reply = kind.transport.send(request)
        answered = time.monotonic_ns()
        version, problem, code = "", None, reply.code
        if reply.ok:
            answer = kind.check.read(request, reply)
            version, problem = answer.version, answer.problem
            if problem is not None:
                code = "wrong answer"
        latency_ns = answered - arrival.due_ns
        self._record(
            arrival,
            Answered(
                second=arrival.second,
                name=kind.name,
                code=code,
                ok=reply.ok and problem is None,
                version=version,
                lag_us=(sent - arrival.due_ns) // _MICROSECOND,
                service_us=(answered - sent) // _MICROSECOND,
                latency_us=latency_ns // _MICROSECOND,
            ),
        )
        self._environment.events.request.fire(
            request_type="gRPC" if request.protocol == "grpc" else "REST",
            name=kind.name,
            response_time=latency_ns / 1e6,
            response_length=len(reply.body),
            exception=None if reply.ok and problem is None else problem or code,
            context={"version": version, "service_ms": (answered - sent) / 1e6},
        )

    def take_cell(self) -> Message | None:
        """Return a part of what was measured until now; None where there is none that is worth it yet."""
        return self.measurements.take_cell((time.monotonic_ns() - self._origin_ns) // _SECOND)

    def wait_until_over(self) -> None:
        """Return once every arrival of the timetable was sent and answered, or timed out."""
        for source in self._sources:
            source.over.wait()
        self._dispatcher.wait_until_answered()

    def processor_share(self) -> float:
        """Return how much of one core this process has used since the timetable began, 1 being all of it."""
        started, used = self._started
        elapsed = time.monotonic() - started
        return (time.process_time() - used) / elapsed if started and elapsed > 0 else 0.0

    def close(self, seconds: float) -> None:
        """End the run here: no more arrivals; requests under way have that many seconds to be answered."""
        for source in self._sources:
            source.stop()
        self._dispatcher.wait_until_answered(seconds)
        self._dispatcher.close()
        for transport in self._transports.values():
            transport.close()
        gc.unfreeze()

    def _connect(self, protocol: Protocol) -> Transport:
        options = self.options
        if protocol == "rest":
            if not self._environment.host:
                raise LoadTestError("say where the server is: --host http://HOST:PORT")
            return RestTransport(
                self._environment.host, connections=self._most, timeout=options.timeout, connect_to=options.connect_to
            )
        if options.grpc_host is None:
            raise LoadTestError("say where gRPC is served: --grpc-host HOST:PORT")
        return GrpcTransport(options.grpc_host, timeout=options.timeout, connect_to=options.connect_to)

    def _arrivals(self, timetable: Timetable) -> Iterator[Arrival]:
        for start in range(0, len(timetable.due_ns), _CHUNK):
            chunk = slice(start, start + _CHUNK)
            yield from self._absolute(timetable.due_ns[chunk], timetable.draws[chunk])

    def _stream(self, rate: float, random: np.random.Generator) -> Iterator[Arrival]:
        start = time.monotonic_ns() - self._origin_ns
        while True:
            due = start + np.cumsum(random.exponential(_SECOND / rate, size=_CHUNK)).astype(np.int64)
            yield from self._absolute(due, random.integers(0, 2**64, size=_CHUNK, dtype=np.uint64))
            start = int(due[-1])

    def _absolute(self, due: npt.NDArray[np.int64], draws: npt.NDArray[np.uint64]) -> Iterator[Arrival]:
        for due_ns, draw in zip(due.tolist(), draws.tolist(), strict=True):
            yield Arrival(self._origin_ns + due_ns, due_ns // _SECOND, draw)

    def _record(self, arrival: Arrival, answered: Answered) -> None:
        if arrival.due_ns - self._origin_ns >= self._warmup_ns:
            self.measurements.add(answered)

    def _drop(self, arrival: Arrival) -> None:
        if arrival.due_ns - self._origin_ns >= self._warmup_ns:
            self.measurements.drop(arrival.second)


def wall_to_monotonic(wall: float) -> int:
    """Return the moment of ``time.monotonic_ns()`` at which the wall clock shows that many seconds."""
    return time.monotonic_ns() + round((wall - time.time()) * _SECOND)
