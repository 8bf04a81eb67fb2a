# SPDX-License-Identifier: Apache-2.0
"""A steady load through the gateway while something happens: every request of the schedule is accounted for."""

import asyncio
import threading
import time
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol

#: How a request ends that was answered as it should be.
RIGHT = "right"

_MOST_FAILURES = 20
_MOST_REQUESTS = 100_000
_PATIENCE_SECONDS = 60


class Client(Protocol):
    """What sends a load's requests, inside the load's own event loop."""

    async def open(self) -> None:
        """Connect."""

    async def ask(self) -> str:
        """Send one request and return ``RIGHT``, or what came instead."""

    async def close(self) -> None:
        """Disconnect."""


@dataclass
class Outcome:
    """What came of a load's requests.

    Attributes:
        answers: How many requests came to each end.
        failures: The first failures: seconds since the load began, and what came.
        slowest: The longest answer, in seconds from the moment its request was due.
    """

    answers: Counter[str] = field(default_factory=Counter)
    failures: list[tuple[float, str]] = field(default_factory=list)
    slowest: float = 0.0

    @property
    def count(self) -> int:
        """How many requests have come to an end."""
        return self.answers.total()

    def failed(self) -> dict[str, int]:
        """Return what went wrong and how often; empty when nothing did."""
        return {end: count for end, count in self.answers.items() if end != RIGHT}


@contextmanager
def steady_load(client: Client, *, rate: float) -> Iterator[Outcome]:
    """Send requests in an open loop at a fixed rate while the block runs, then wait for the last answers.

    Args:
        client: What sends each of them.
        rate: Requests a second.
    """
    with _in_the_background(lambda outcome, stop: _at_a_rate(client, rate, outcome, stop)) as outcome:
        yield outcome


@contextmanager
def busy_load(client: Client, *, in_flight: int) -> Iterator[Outcome]:
    """Keep a number of requests in flight while the block runs, each followed by the next when it is answered.

    Args:
        client: What sends each of them.
        in_flight: How many.
    """
    with _in_the_background(lambda outcome, stop: _in_flight(client, in_flight, outcome, stop)) as outcome:
        yield outcome


@contextmanager
def _in_the_background(load: Callable[[Outcome, threading.Event], Coroutine[Any, Any, None]]) -> Iterator[Outcome]:
    outcome, stop = Outcome(), threading.Event()
    thread = threading.Thread(target=lambda: asyncio.run(load(outcome, stop)), daemon=True)
    thread.start()
    try:
        yield outcome
    finally:
        stop.set()
        thread.join(_PATIENCE_SECONDS)
        if thread.is_alive():
            raise TimeoutError("the load's last requests did not end")


async def _at_a_rate(client: Client, rate: float, outcome: Outcome, stop: threading.Event) -> None:
    await client.open()
    begin = time.monotonic()
    tasks: set[asyncio.Task[None]] = set()
    for number in range(_MOST_REQUESTS):
        due = begin + number / rate
        await asyncio.sleep(max(0.0, due - time.monotonic()))
        if stop.is_set():
            break
        task = asyncio.create_task(_one(client, due, begin, outcome))
        tasks.add(task)
        task.add_done_callback(tasks.discard)
    await asyncio.gather(*tasks)
    await client.close()


async def _in_flight(client: Client, in_flight: int, outcome: Outcome, stop: threading.Event) -> None:
    await client.open()
    begin = time.monotonic()

    async def one_after_the_other() -> None:
        while not stop.is_set() and outcome.count < _MOST_REQUESTS:
            await _one(client, time.monotonic(), begin, outcome)

    await asyncio.gather(*(one_after_the_other() for _ in range(in_flight)))
    await client.close()


async def _one(client: Client, due: float, begin: float, outcome: Outcome) -> None:
    end = await client.ask()
    now = time.monotonic()
    outcome.slowest = max(outcome.slowest, now - due)
    outcome.answers[end] += 1
    if end != RIGHT and len(outcome.failures) < _MOST_FAILURES:
        outcome.failures.append((round(due - begin, 2), end))
