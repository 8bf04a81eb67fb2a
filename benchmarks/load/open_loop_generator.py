# SPDX-License-Identifier: Apache-2.0
"""The open loop's generator, a program: it reads what to do from standard input and writes what came of it.

Kept-alive connections carry one request at a time. Requests leave when they are due; one that finds every connection
busy waits for the next that comes free, and its latency goes on counting.
"""

import asyncio
import base64
import math
import sys
from collections import deque
from typing import Any, Final, cast

import orjson
import uvloop

from benchmarks.figures import percentile

_TICK_SECONDS: Final = 0.001
#: How long answers are waited for after the last request.
_PATIENCE_SECONDS: Final = 10
_MOST_REQUESTS: Final = 2_000_000


class _Connection(asyncio.Protocol):
    """One kept-alive connection, with at most one request under way."""

    def __init__(self, generator: "_Generator") -> None:
        self._generator = generator
        self._buffer = b""
        self._due: float | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._generator.free(self)

    def send(self, wire: bytes, due: float) -> None:
        self._due = due
        self._transport.write(wire)

    def data_received(self, data: bytes) -> None:
        self._buffer = self._buffer + data if self._buffer else data
        head, found, body = self._buffer.partition(b"\r\n\r\n")
        if not found or len(body) < _content_length(head):
            return
        self._buffer = b""
        due, self._due = self._due, None
        self._generator.answered(int(head[9:12]), due)
        if b"connection: close" not in head.lower():
            self._generator.free(self)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 (why it went does not matter)
        self._generator.lost(self, under_way=self._due is not None)


class _Generator:
    """Sends by the schedule over a pool of connections and keeps what comes back."""

    def __init__(self, *, port: int, wire: str, rate: float, seconds: float, connections: int, slow_ms: float) -> None:
        self._port = port
        self._wire = base64.b64decode(wire)
        self._rate = rate
        self._connections = connections
        self._slow = slow_ms
        self._count = min(math.ceil(rate * seconds), _MOST_REQUESTS)
        self._free: deque[_Connection] = deque()
        self._waiting: deque[float] = deque()
        self._latencies: dict[int, list[float]] = {}
        self._delays: list[float] = []
        self._unanswered = 0
        self._begin = 0.0
        self._last = 0.0
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self) -> dict[str, Any]:
        self._loop = asyncio.get_running_loop()
        await asyncio.gather(*(self._connect() for _ in range(self._connections)))
        self._begin = self._loop.time() + _TICK_SECONDS
        sent = 0
        while sent < self._count:
            now = self._loop.time()
            while sent < self._count and (due := self._begin + sent / self._rate) <= now:
                self._send(due)
                sent += 1
            await asyncio.sleep(_TICK_SECONDS)
        deadline = self._loop.time() + _PATIENCE_SECONDS
        while self._open() and self._loop.time() < deadline:
            await asyncio.sleep(_TICK_SECONDS)
        return self._result()

    def free(self, connection: _Connection) -> None:
        """Take back a connection, or give it the request that waited longest."""
        if self._waiting:
            self._send_on(connection, self._waiting.popleft())
        else:
            self._free.append(connection)

    def answered(self, status: int, due: float | None) -> None:
        """Keep the latency of an answer."""
        if due is not None:
            self._last = self._loop.time()
            self._latencies.setdefault(status, []).append((self._last - due) * 1e3)

    def lost(self, connection: _Connection, *, under_way: bool) -> None:
        """Replace a connection that the server closed."""
        self._unanswered += under_way
        if connection in self._free:
            self._free.remove(connection)
        task = self._loop.create_task(self._connect())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _connect(self) -> None:
        await self._loop.create_connection(lambda: _Connection(self), "127.0.0.1", self._port)

    def _send(self, due: float) -> None:
        if self._free:
            self._send_on(self._free.popleft(), due)
        else:
            self._waiting.append(due)

    def _send_on(self, connection: _Connection, due: float) -> None:
        self._delays.append((self._loop.time() - due) * 1e3)
        connection.send(self._wire, due)

    def _open(self) -> int:
        return self._count - self._unanswered - sum(map(len, self._latencies.values()))

    def _result(self) -> dict[str, Any]:
        return {
            "scheduled": self._count,
            "seconds": max(self._count / self._rate, self._last - self._begin),
            "unanswered": self._unanswered + self._open(),
            "send_delay_p99": percentile(self._delays, 0.99),
            "by_status": {str(status): self._summary(taken) for status, taken in self._latencies.items()},
        }

    def _summary(self, taken: list[float]) -> dict[str, float]:
        return {
            "answers": len(taken),
            "p50": percentile(taken, 0.5),
            "p99": percentile(taken, 0.99),
            "worst": max(taken),
            "slow": sum(latency > self._slow for latency in taken),
        }


def _content_length(head: bytes) -> int:
    lower = head.lower()
    place = lower.find(b"\r\ncontent-length:")
    if place < 0:
        return 0
    return int(lower[place + 17 :].split(b"\r\n", 1)[0])


if __name__ == "__main__":
    generator = _Generator(**orjson.loads(sys.stdin.buffer.read()))
    sys.stdout.buffer.write(orjson.dumps(uvloop.run(generator.run())))
