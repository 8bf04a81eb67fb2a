# SPDX-License-Identifier: Apache-2.0
"""A V2 REST server whose behaviour is known to a tenth of a millisecond: the yardstick for what measures servers.

``python -m tests.loadtests.known_server --delay 20ms`` serves the model ``known`` (y is the sum of each row of x),
prints ``{"port": N}`` and goes on until SIGTERM. Delays count from when a request was read to when its answer is
written; freezes, bursts of errors and the end count from the first inference. ``GET /inferences`` tells how many there
were. One thread and no library's timers:
epoll's own waits are whole milliseconds, so a timer of the kernel's (timerfd) wakes it.
"""

import argparse
import ctypes
import gc
import heapq
import math
import os
import random
import select
import signal
import socket
import struct
import sys
import time
from array import array
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import orjson

MODEL: Final = "known"
VERSION: Final = "1"

_REASONS: Final = {
    200: "OK",
    400: "Bad Request",
    404: "Not Found",
    429: "Too Many Requests",
    503: "Service Unavailable",
}
_SECOND: Final = 1_000_000_000
_BACKLOG: Final = 4096  # a freeze leaves every new connection to the kernel
_TIMER_SLACK: Final = 29  # prctl's PR_SET_TIMERSLACK: the kernel may wake a process 50 us late unless told otherwise
_ABSOLUTE: Final = 1  # timerfd's TFD_TIMER_ABSTIME


@dataclass(frozen=True)
class Behaviour:
    """What the server does.

    Attributes:
        delays: Delays in ns, and how much of the requests each gets.
        jitter: Median in ns and sigma of a lognormal delay that is added; None adds nothing.
        freeze: For how long it freezes at the end of each period, and the period, in ns; None never.
        errors: Share of requests that are refused at once.
        bursts: For how long it refuses every request at the end of each period, and the period, in ns; None never.
        error_code: Status of a refusal.
        wrong_every: Each so-many-th answer is wrong; 0 none.
        slots: How many requests it works on at a time, the others wait in line; 0 as many as come.
        die_after: After how many ns it ends without a word; None never.
    """

    delays: tuple[tuple[int, float], ...]
    jitter: tuple[int, float] | None
    freeze: tuple[int, int] | None
    errors: float
    bursts: tuple[int, int] | None
    error_code: int
    wrong_every: int
    slots: int
    die_after: int | None


@dataclass
class _Connection:
    socket: socket.socket
    received: bytearray = field(default_factory=bytearray)


class Server:
    """The server; ``record`` is what it did, on CLOCK_MONOTONIC, which all processes of a machine share."""

    def __init__(self, behaviour: Behaviour, listener: socket.socket, seed: int) -> None:
        self._behaviour = behaviour
        self._listener = listener
        self._random = random.Random(seed)
        self._poll = select.epoll()
        self._timer = _Timer()
        self._connections: dict[int, _Connection] = {}
        # (when to answer, tie breaker, connection, when it was read, status, answer), the soonest first.
        self._answers: list[tuple[int, int, _Connection, int, int, bytes]] = []
        self._slots = [0] * behaviour.slots
        self._first: int | None = None
        self._number = self._inferences = 0
        self._ended = False
        # A signal does not end epoll's wait, this does.
        self._end = os.eventfd(0)
        #: Of each inference: when it was read, when answered (0: never), and the status.
        self.requests: list[tuple[int, int, int]] = []
        #: Start and end of each freeze.
        self.freezes: list[tuple[int, int]] = []

    def end(self) -> None:
        """Serve no longer."""
        self._ended = True
        os.eventfd_write(self._end, 1)

    def serve(self) -> None:
        """Serve until told to end, or until it dies."""
        self._poll.register(self._listener.fileno(), select.EPOLLIN)
        self._poll.register(self._timer.fileno, select.EPOLLIN)
        self._poll.register(self._end, select.EPOLLIN)
        while not self._ended:
            self._freeze_when_due()
            if self._is_dead():
                return
            self._answer_what_is_due()
            self._timer.set(self._next_event())
            for number, _ in self._poll.poll():
                if number == self._timer.fileno:
                    self._timer.clear()
                elif number == self._listener.fileno():
                    self._accept()
                elif number != self._end:
                    self._read(self._connections[number])
                    self._answer_what_is_due()

    def record(self) -> dict[str, Any]:
        """Return what it did, as JSON holds it."""
        waiting = [(read, 0, status) for _, _, _, read, status, _ in self._answers]
        return {"freezes": self.freezes, "requests": sorted(self.requests + waiting)}

    def _freeze_when_due(self) -> None:
        if self._first is None or self._behaviour.freeze is None:
            return
        length, period = self._behaviour.freeze
        start = time.monotonic_ns()
        into = (start - self._first) % period
        if into >= period - length:
            end = start + period - into
            time.sleep((end - start) / _SECOND)
            self.freezes.append((start, time.monotonic_ns()))

    def _is_dead(self) -> bool:
        after = self._behaviour.die_after
        return after is not None and self._first is not None and time.monotonic_ns() >= self._first + after

    def _next_event(self) -> int:
        """Return when there is something to do, whatever comes from outside; 0 for never."""
        events = [self._answers[0][0]] if self._answers else []
        if self._first is not None:
            if self._behaviour.freeze is not None:
                length, period = self._behaviour.freeze
                now = time.monotonic_ns()
                into = (now - self._first) % period
                events.append(now - into + period - length if into < period - length else now)
            if self._behaviour.die_after is not None:
                events.append(self._first + self._behaviour.die_after)
        return min(events, default=0)

    def _accept(self) -> None:
        while True:
            try:
                accepted, _ = self._listener.accept()
            except BlockingIOError:
                return
            accepted.setblocking(False)
            accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._connections[accepted.fileno()] = _Connection(accepted)
            self._poll.register(accepted.fileno(), select.EPOLLIN)

    def _read(self, connection: _Connection) -> None:
        try:
            received = connection.socket.recv(1 << 18)
        except BlockingIOError:
            return
        except ConnectionError:
            received = b""
        if not received:
            del self._connections[connection.socket.fileno()]
            connection.socket.close()  # which takes it out of the epoll
            return
        connection.received += received
        while (request := _take_request(connection.received)) is not None:
            self._number += 1
            self._plan(connection, *request)

    def _plan(self, connection: _Connection, method: str, path: str, head: bytes, body: bytes) -> None:
        """Decide what to answer, and when."""
        now = time.monotonic_ns()
        parts = path.partition("?")[0].strip("/").split("/")
        if parts == ["inferences"]:
            self._send(connection, _response(200, orjson.dumps(self._inferences)))
            return
        if method != "POST" or parts[:3] != ["v2", "models", MODEL] or parts[-1] != "infer":
            self._send(connection, _response(*_about(method, parts)))
            return
        if self._first is None:
            self._first = now
        self._inferences += 1
        status, wait = self._behaviour.error_code, 0
        answer: bytes | tuple[bytes, bytes] = _error("the server refuses this one, as it was told to")
        if not self._refuses(now):
            every = self._behaviour.wrong_every
            status, answer = _infer(head, body, 1.0 if every and self._inferences % every == 0 else 0.0)
            wait = self._delay()
        due = now + wait
        if self._slots and status == 200:  # a refusal takes none
            due = max(heapq.heappop(self._slots), now) + wait
            heapq.heappush(self._slots, due)
        heapq.heappush(self._answers, (due, self._number, connection, now, status, _response(status, answer)))

    def _refuses(self, now: int) -> bool:
        if self._behaviour.bursts is not None and self._first is not None:
            length, period = self._behaviour.bursts
            if (now - self._first) % period >= period - length:
                return True
        return self._random.random() < self._behaviour.errors

    def _delay(self) -> int:
        delays, shares = zip(*self._behaviour.delays, strict=True)
        delay: int = self._random.choices(delays, shares)[0]
        if self._behaviour.jitter is not None:
            median, sigma = self._behaviour.jitter
            delay += round(self._random.lognormvariate(math.log(median), sigma))
        return delay

    def _answer_what_is_due(self) -> None:
        while self._answers and self._answers[0][0] <= time.monotonic_ns():
            _, _, connection, read, status, answer = heapq.heappop(self._answers)
            sent = self._send(connection, answer)
            self.requests.append((read, time.monotonic_ns() if sent else 0, status))

    def _send(self, connection: _Connection, answer: bytes) -> bool:
        try:
            # An answer is far smaller than a socket's buffer, which an earlier answer does not fill.
            connection.socket.sendall(answer)
        except OSError:  # the client has left
            return False
        return True


class _Timer:
    """A timer of the kernel's on CLOCK_MONOTONIC, which epoll can wait for."""

    def __init__(self) -> None:
        self._library = ctypes.CDLL(None, use_errno=True)
        self._library.prctl(_TIMER_SLACK, 1, 0, 0, 0)
        self.fileno: int = self._library.timerfd_create(time.CLOCK_MONOTONIC, os.O_NONBLOCK)
        if self.fileno < 0:
            raise OSError(ctypes.get_errno(), "timerfd_create")
        self._set = 0

    def set(self, when: int) -> None:
        """Wake at a time in ns, at once when it has passed; 0 is never."""
        if when != self._set:
            told = struct.pack("4q", 0, 0, when // _SECOND, when % _SECOND)
            self._library.timerfd_settime(self.fileno, _ABSOLUTE, told, None)
            self._set = when

    def clear(self) -> None:
        """Take note that it has gone off."""
        self._set = 0
        try:
            os.read(self.fileno, 8)
        except BlockingIOError:
            return


def _take_request(received: bytearray) -> tuple[str, str, bytes, bytes] | None:
    """Cut a whole request off the front: method, path, head in lower case, body; None when there is none yet."""
    end = received.find(b"\r\n\r\n")
    if end < 0:
        return None
    head = bytes(received[:end])
    names = head.lower()
    start = end + 4
    length = int(_header(names, b"content-length") or 0)
    if len(received) < start + length:
        return None
    method, path, _ = head.partition(b"\r\n")[0].decode().split(" ", 2)
    body = bytes(received[start : start + length])
    del received[: start + length]
    return method, path, names, body


def _header(head: bytes, name: bytes) -> bytes | None:
    _, found, rest = head.partition(b"\r\n" + name + b":")
    return rest.partition(b"\r\n")[0].strip() if found else None


def _about(method: str, parts: list[str]) -> tuple[int, bytes]:
    """Answer what is not an inference by ``known``."""
    tensors = {"inputs": [{"name": "x", "datatype": "FP64", "shape": [-1, -1]}]}
    match method, parts:
        case "GET", ["v2", "health", "live"]:
            document: dict[str, Any] = {"live": True}
        case "GET", ["v2", "health", "ready"]:
            document = {"ready": True}
        case "GET", ["v2", "models", name, "ready"] if name == MODEL:
            document = {"name": MODEL, "ready": True}
        case "GET", ["v2", "models", name] if name == MODEL:
            outputs = [{"name": "y", "datatype": "FP64", "shape": [-1]}]
            document = {"name": MODEL, "versions": [VERSION], "platform": "known", **tensors, "outputs": outputs}
        case _, ["v2", "models", name, *_] if name != MODEL:
            return 404, _error(f'no model "{name}" is served here; there is: {MODEL}')
        case _:
            return 404, _error("no such path")
    return 200, orjson.dumps(document)


def _infer(head: bytes, body: bytes, off: float) -> tuple[int, tuple[bytes, bytes] | bytes]:
    """Answer a V2 request, in JSON or, where its input comes so, with binary tensors; ``off`` makes it wrong."""
    try:
        json_length = int(_header(head, b"inference-header-content-length") or len(body))
        document = orjson.loads(body[:json_length])
        (x,) = document["inputs"]
        rows, columns = x["shape"]
        binary = "binary_data_size" in x.get("parameters", {})
        data = array("d", body[json_length:]) if binary else _flat(x["data"])
        if (x["name"], x["datatype"], len(data)) != ("x", "FP64", rows * columns):
            return 400, _error("one FP64 input x of shape [rows, columns] is wanted")
    except (ValueError, KeyError, TypeError):
        return 400, _error("no V2 request")
    y = [math.fsum(data[row * columns : (row + 1) * columns]) + off for row in range(rows)]
    output: dict[str, Any] = {"name": "y", "datatype": "FP64", "shape": [rows]}
    answer = {"model_name": MODEL, "model_version": VERSION, "id": document.get("id", ""), "outputs": [output]}
    if not binary:
        output["data"] = y
        return 200, orjson.dumps(answer)
    tail = array("d", y).tobytes()
    output["parameters"] = {"binary_data_size": len(tail)}
    return 200, (orjson.dumps(answer), tail)


def _flat(data: list[Any]) -> list[float]:
    return [value for row in data for value in row] if data and isinstance(data[0], list) else data


def _error(text: str) -> bytes:
    return orjson.dumps({"error": text})


def _response(status: int, answer: bytes | tuple[bytes, bytes]) -> bytes:
    kind, more = "application/json", ""
    if isinstance(answer, tuple):
        kind, more = "application/octet-stream", f"Inference-Header-Content-Length: {len(answer[0])}\r\n"
        answer = b"".join(answer)
    first = f"HTTP/1.1 {status} {_REASONS.get(status, 'Error')}\r\n"
    return f"{first}Content-Type: {kind}\r\n{more}Content-Length: {len(answer)}\r\n\r\n".encode() + answer


def _nanoseconds(text: str) -> int:
    """Read ``20ms`` or ``1.5s``."""
    for unit, length in (("us", 1_000), ("ms", 1_000_000), ("s", _SECOND)):
        if text.endswith(unit) and text.removesuffix(unit)[-1:].isdigit():
            return round(float(text.removesuffix(unit)) * length)
    raise argparse.ArgumentTypeError(f"{text} is no duration such as 20ms or 1.5s")


def _delays(text: str) -> tuple[tuple[int, float], ...]:
    """Read ``20ms`` or ``5ms:0.8,50ms:0.2``."""
    parts = [part.partition(":") for part in text.split(",")]
    return tuple((_nanoseconds(delay), float(share or 1)) for delay, _, share in parts)


def _part_of_period(text: str) -> tuple[int, int]:
    """Read ``1.5s/10s``."""
    length, _, period = text.partition("/")
    return _nanoseconds(length), _nanoseconds(period)


def _jitter(text: str) -> tuple[int, float]:
    """Read ``lognormal:5ms:0.5``: the median, and the sigma."""
    kind, median, sigma = text.split(":")
    if kind != "lognormal":
        raise argparse.ArgumentTypeError(f"{kind} is no jitter known here; there is lognormal:MEDIAN:SIGMA")
    return _nanoseconds(median), float(sigma)


def main() -> None:
    """Serve until SIGTERM or its own end; write the record then."""
    parser = argparse.ArgumentParser(description=__doc__)
    options: list[tuple[str, Callable[[str], Any], Any]] = [
        ("--port", int, 0),
        ("--delay", _delays, _delays("1ms")),
        ("--jitter", _jitter, None),
        ("--freeze", _part_of_period, None),
        ("--errors", float, 0.0),
        ("--error-bursts", _part_of_period, None),
        ("--error-code", int, 503),
        ("--wrong-every", int, 0),
        ("--slots", int, 0),
        ("--die-after", _nanoseconds, None),
        ("--seed", int, 0),
        ("--record", Path, None),
    ]
    for name, read, default in options:
        parser.add_argument(name, type=read, default=default)
    told = parser.parse_args()
    behaviour = Behaviour(
        delays=told.delay,
        jitter=told.jitter,
        freeze=told.freeze,
        errors=told.errors,
        bursts=told.error_bursts,
        error_code=told.error_code,
        wrong_every=told.wrong_every,
        slots=told.slots,
        die_after=told.die_after,
    )
    listener = socket.create_server(("127.0.0.1", told.port), backlog=_BACKLOG)
    listener.setblocking(False)
    server = Server(behaviour, listener, told.seed)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: server.end())
    # The interpreter's own pauses would be part of what is measured.
    gc.freeze()
    gc.disable()
    print(orjson.dumps({"port": listener.getsockname()[1]}).decode(), flush=True)
    server.serve()
    # Whatever has connected finds the server dead, as it would with a process that was killed.
    record = server.record()
    if told.record is not None:
        told.record.write_bytes(orjson.dumps(record))
    sys.stdout.flush()
    os._exit(0)


if __name__ == "__main__":
    main()
