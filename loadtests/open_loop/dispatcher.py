# SPDX-License-Identifier: Apache-2.0
"""The open loop: each request leaves when it is due, whatever became of those before it.

A closed loop waits for an answer before it asks again, so that a server which stands still is asked once, and one long
latency is all that is seen (coordinated omission; G. Tene, *How NOT to Measure Latency*). Here the arrivals that fall
into a standstill are sent into it, each counts from the time it was due, and so the standstill is measured.
"""

import heapq
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import gevent
from gevent.event import Event
from gevent.pool import Group

from loadtests.open_loop.timer import make_timer


@dataclass(frozen=True, slots=True)
class Arrival:
    """One request to come.

    Attributes:
        due_ns: When it is due, by ``time.monotonic_ns()``.
        second: The same in whole seconds from the start of the run.
        draw: 64 random bits that decide which request it is.
    """

    due_ns: int
    second: int
    draw: int


class Source:
    """A sequence of arrivals in the order of time, and what is done with each when it is due."""

    def __init__(self, arrivals: Iterator[Arrival], send: Callable[[Arrival], None]) -> None:
        self.send = send
        self.over = Event()
        self._arrivals = arrivals

    def next(self) -> Arrival | None:
        """Return the next arrival; None where there is none, or none is wanted any more."""
        arrival = None if self.over.is_set() else next(self._arrivals, None)
        if arrival is None:
            self.over.set()
        return arrival

    def stop(self) -> None:
        """Let no more arrivals of this source be sent."""
        self.over.set()


class Dispatcher:
    """Sends what sources have due, each in a greenlet of its own, from one greenlet that does nothing else."""

    def __init__(self, most_in_flight: int, drop: Callable[[Arrival], None]) -> None:
        """Remember the limits.

        Args:
            most_in_flight: How many requests may be under way at once.
            drop: Told of each arrival that is not sent because that many are.
        """
        self._most = most_in_flight
        self._drop = drop
        self._in_flight = Group()
        self._timer = make_timer()
        self._next: list[tuple[int, int, Arrival, Source]] = []
        self._added = 0
        self._filled = Event()
        self._loop = gevent.spawn(self._run)

    def add(self, source: Source) -> None:
        """Send what this source has due, from now on."""
        self._push(source)
        self._filled.set()
        self._timer.disturb()

    def wait_until_answered(self, seconds: float | None = None) -> bool:
        """Wait for the answers of all that was sent; return whether they came in that time."""
        return bool(self._in_flight.join(timeout=seconds))

    def close(self) -> None:
        """Send nothing more, and forget the requests that are still under way."""
        self._loop.kill()
        self._in_flight.kill()
        self._timer.close()

    def _run(self) -> None:
        while True:
            if not self._next:
                self._filled.clear()
                self._filled.wait()
            due_ns = self._next[0][0]
            if time.monotonic_ns() < due_ns:
                self._timer.wait_until(due_ns)
                continue  # something else may be due earlier by now
            _, _, arrival, source = heapq.heappop(self._next)
            if not source.over.is_set():
                self._send(source, arrival)
            self._push(source)
            # Whoever has fallen behind lets the requests leave and answers come in nevertheless.
            gevent.sleep(0)

    def _send(self, source: Source, arrival: Arrival) -> None:
        if len(self._in_flight) >= self._most:
            self._drop(arrival)
        else:
            self._in_flight.spawn(source.send, arrival)

    def _push(self, source: Source) -> None:
        arrival = source.next()
        if arrival is not None:
            self._added += 1
            heapq.heappush(self._next, (arrival.due_ns, self._added, arrival, source))
