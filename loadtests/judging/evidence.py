# SPDX-License-Identifier: Apache-2.0
"""What a verdict rests on: what became of the requests, second by second, and how well the generator did."""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

#: How late requests may leave at the 99th percentile, in microseconds, unless told otherwise.
MAX_LAG: Final = 10_000
#: The share of a core above which a generator process is not trusted to be on time.
MAX_CPU: Final = 0.9


class Durations(Protocol):
    """Counts of durations, such as ``Histogram``."""

    def bins(self) -> Iterable[tuple[int, int]]:
        """Return durations in microseconds, in order, and how many there are of each."""


class Second(Protocol):
    """What became of the requests that were due in one second of the run."""

    @property
    def second(self) -> int:
        """Which second, counted from any origin."""

    @property
    def requests(self) -> int:
        """How many were sent."""

    @property
    def failed(self) -> int:
        """How many of them were not answered rightly."""

    @property
    def latency(self) -> Durations:
        """Of those that were answered rightly: from due to answered."""


@dataclass(frozen=True)
class Evidence:
    """What a run measured; the warm-up is in none of it.

    Attributes:
        seconds: What became of the requests, by the second in which they were due, in order.
        asked: How many requests the timetable holds.
        dropped: How many of them were not sent, because too many were under way.
        lag_p99_us: How late requests left at the 99th percentile.
        cpu: The share of a core that the busiest generator process used, 1 being all of it.
        workers: How many generator processes there were.
        interrupted: Whether the run was ended before its timetable was.
    """

    seconds: Sequence[Second]
    asked: int
    dropped: int
    lag_p99_us: int
    cpu: float
    workers: int
    interrupted: bool = False

    def ways_behind(self, max_lag_us: int = MAX_LAG) -> Iterator[str]:
        """Yield a sentence for each sign that the generator fell behind, so that the figures are not the server's."""
        recorded = sum(one.requests for one in self.seconds)
        if self.lag_p99_us > max_lag_us:
            yield (
                f"the generator fell behind: requests left {self.lag_p99_us / 1000:.3g} ms late at the 99th percentile "
                f"(limit {max_lag_us / 1000:.3g} ms)"
            )
        if self.dropped:
            yield (
                f"{_told(self.dropped, 'arrival was', 'arrivals were')} dropped: too many requests were under way; use "
                "a lower rate or a shorter --timeout"
            )
        if self.cpu > MAX_CPU:
            yield (
                f"a generator process used {self.cpu:.0%} of a core (limit {MAX_CPU:.0%}): use --workers "
                f"{self.workers + 1} or a lower rate".replace("%", " %")
            )
        lost = self.asked - recorded - self.dropped
        if self.interrupted:
            yield f"the run was interrupted: {lost:,} of the {self.asked:,} requests asked for were not made"
        elif lost > 0:
            yield (
                f"{_told(lost, 'request', 'requests')} of the {self.asked:,} asked for left no record: a generator "
                "process ended early or was lost"
            )


class Counts:
    """The requests of a run as arrays, to count those that took longer than any limit."""

    def __init__(self, seconds: Sequence[Second]) -> None:
        first = min((one.second for one in seconds), default=0)
        length = max((one.second for one in seconds), default=-1) - first + 1
        self.requests = np.zeros(length, np.int64)
        """Of each second of the run, how many were due in it."""
        self.failed = np.zeros(length, np.int64)
        """Of each second of the run, how many of these were not answered rightly."""
        rows: list[tuple[int, int, int]] = []
        for one in seconds:
            self.requests[one.second - first] += one.requests
            self.failed[one.second - first] += one.failed
            rows += ((duration, count, one.second - first) for duration, count in one.latency.bins())
        table = np.array(rows, np.int64).reshape(-1, 3)
        self._durations, self._counts, self._seconds = table[np.argsort(table[:, 0], kind="stable")].T
        self._up_to = np.cumsum(self._counts)

    @cached_property
    def total(self) -> int:
        """How many requests there were."""
        return int(self.requests.sum())

    @cached_property
    def silence(self) -> int:
        """In how many seconds, up to the end of the run, every request failed."""
        answered = np.flatnonzero(self.requests > self.failed)
        return len(self.requests) - (int(answered[-1]) + 1 if len(answered) else 0)

    def bad(self, limit_us: float) -> NDArray[np.int64]:
        """Return how many requests of each second took longer than the limit, or failed."""
        start = np.searchsorted(self._durations, limit_us, side="right")
        slow = np.zeros_like(self.failed)
        np.add.at(slow, self._seconds[start:], self._counts[start:])
        return slow + self.failed

    def value_at_rank(self, rank: int) -> float:
        """Return the rank-th shortest latency, from 1, in microseconds; infinite among the requests that failed."""
        place = int(np.searchsorted(self._up_to, rank))
        return float(self._durations[place]) if place < len(self._durations) else math.inf


def _told(count: int, one: str, more: str) -> str:
    return f"{count:,} {one if count == 1 else more}"
