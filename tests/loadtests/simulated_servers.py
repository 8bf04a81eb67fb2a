# SPDX-License-Identifier: Apache-2.0
"""Servers whose true figures are known, simulated fast enough to judge hundreds of runs of each."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from loadtests.judging.evidence import Evidence

RATE = 100
#: What the body of a healthy server's latencies looks like: a median of 10 ms.
_MEDIAN_US = 10_000


@dataclass(frozen=True)
class Latencies:
    """Durations in microseconds, and how many there are of each."""

    counted: tuple[tuple[int, int], ...]

    def bins(self) -> tuple[tuple[int, int], ...]:
        return self.counted


@dataclass(frozen=True)
class SimulatedSecond:
    second: int
    requests: int
    failed: int
    latency: Latencies


@dataclass(frozen=True)
class Requests:
    """Of each request: when it was due in seconds, how long it took in seconds, and whether it failed."""

    due: NDArray[np.float64]
    took: NDArray[np.float64]
    failed: NDArray[np.bool_]


def evidence(requests: Requests) -> Evidence:
    """Return what a healthy generator would have recorded of these requests."""
    return Evidence(seconds=_seconds(requests), asked=len(requests.due), dropped=0, lag_p99_us=500, cpu=0.2, workers=1)


def independent(random: np.random.Generator, seconds: int) -> Requests:
    """Each request takes lognormal time, whatever the others do: the q-quantile is 10 ms * exp(0.5 z_q)."""
    due = _arrivals(random, seconds)
    return Requests(due, _body(random, len(due), 0.5), np.zeros(len(due), np.bool_))


def freezing(random: np.random.Generator, seconds: int, share: float, length: float, periodic: bool) -> Requests:
    """The server stands still now and then; what is due meanwhile waits until the end: ``share`` of the requests.

    The freezes begin at a steady pace of random phase, or independently of one another (Poisson).
    """
    due = _arrivals(random, seconds)
    if periodic:
        period = length / share
        starts = np.arange(-1, seconds / period + 1) * period + random.uniform(0, period)
    else:
        before = 10 * length
        starts = _arrivals(random, seconds + before, -np.log1p(-share) / length) - before
    left = np.zeros(len(due))
    for start in starts:
        meanwhile = slice(*np.searchsorted(due, [start, start + length]))
        left[meanwhile] = np.maximum(left[meanwhile], start + length - due[meanwhile])
    # A request that waits at all takes a second more, so that the share of long ones is the share of the time.
    return Requests(due, np.where(left > 0, 1 + left, _body(random, len(due), 0.2)), np.zeros(len(due), np.bool_))


def failing_in_bursts(
    random: np.random.Generator, seconds: int, share: float, mean: float = 0.5, failing: float = 0.5
) -> Requests:
    """In bursts of so many seconds on average half of the requests fail, or another part of them: ``share`` of all."""
    due = _arrivals(random, seconds)
    burst = share / failing
    is_burst = random.random() < burst
    in_burst = np.zeros(len(due), np.bool_)
    now = 0.0
    while now < seconds:
        until = now + random.exponential(mean if is_burst else mean * (1 - burst) / burst)
        in_burst[slice(*np.searchsorted(due, [now, until]))] = is_burst
        now, is_burst = until, not is_burst
    failed = in_burst & (random.random(len(due)) < failing)
    return Requests(due, _body(random, len(due), 0.2), failed)


def queueing(random: np.random.Generator, seconds: int) -> Requests:
    """One server, first come first served, busy 5/6 of the time (M/M/1): P(took > x) = exp(-20 x), x in seconds.

    Delays of neighbours are alike for about 1 / (sqrt(120) - sqrt(100))^2 = 1.1 s.
    """
    settling = 30
    due = _arrivals(random, seconds + settling)
    work = random.exponential(1 / (1.2 * RATE), len(due))
    # Lindley's recursion without a loop: the backlog is the sum of its steps less the lowest point it was at.
    steps = np.concatenate([[0.0], np.cumsum(work[:-1] - np.diff(due))])
    waited = steps - np.minimum.accumulate(steps)
    later = due >= settling
    return Requests((due - settling)[later], (waited + work)[later], np.zeros(int(later.sum()), np.bool_))


def _arrivals(random: np.random.Generator, seconds: float, rate: float = RATE) -> NDArray[np.float64]:
    return np.sort(random.uniform(0, seconds, random.poisson(rate * seconds)))


def _body(random: np.random.Generator, count: int, spread: float) -> NDArray[np.float64]:
    return random.lognormal(np.log(_MEDIAN_US / 1e6), spread, count)


def _seconds(requests: Requests) -> Sequence[SimulatedSecond]:
    # Three digits, as a histogram tells them, make few values of many.
    microseconds = np.maximum(1, requests.took * 1e6)
    unit = 10 ** np.maximum(0, np.floor(np.log10(microseconds)) - 2)
    rounded = (np.ceil(microseconds / unit) * unit).astype(np.int64)
    seconds = requests.due.astype(np.int64)
    edges = np.searchsorted(seconds, np.arange(seconds[-1] + 2))
    found = []
    for second, (start, end) in enumerate(pairwise(edges)):
        failed = requests.failed[start:end]
        values, counts = np.unique(rounded[start:end][~failed], return_counts=True)
        counted = tuple(zip(values.tolist(), counts.tolist(), strict=True))
        found.append(SimulatedSecond(second, int(end - start), int(failed.sum()), Latencies(counted)))
    return found
