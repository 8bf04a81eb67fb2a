# SPDX-License-Identifier: Apache-2.0
"""The saturation search: the highest rate at which a server holds, from runs that may each be wrong."""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from loadtests.errors import LoadTestError

#: If the first rate does not hold, the search goes down to a 64th of it.
_HALVINGS: Final = 6
#: Where runs contradict one another all the time the search ends, after some dozens of them.
_REPEATED_RATES: Final = 12
#: A generator that fell behind once may have been disturbed; twice, it is too slow.
_GENERATOR_TRIES: Final = 2


class Held(StrEnum):
    """What one run says about the server.

    Attributes:
        HELD: It held.
        FAILED: It did not.
        UNDECIDED: There were too few requests to tell.
        GENERATOR: The generator fell behind, which says nothing about the server.
    """

    HELD = "held"
    FAILED = "failed"
    UNDECIDED = "undecided"
    GENERATOR = "generator fell behind"


@dataclass(frozen=True)
class Attempt:
    """One run.

    Attributes:
        rate: Requests/s.
        outcome: What it says.
    """

    rate: float
    outcome: Held


@dataclass(frozen=True)
class Knee:
    """What a search has found; all rates are requests/s.

    Attributes:
        holds: The highest rate that held in the majority of its attempts, with no lower rate that failed in the
            majority of its own; None when there is none.
        low: The lower end of the interval: the highest rate that held in every attempt, with no failure below it; None
            when there is none.
        high: The upper end: the lowest rate that failed in every attempt, where none above it held; None when none was
            found.
        about: A sentence that says so, and if an end was not found, why.
        attempts: Every run, in order.
    """

    holds: float | None
    low: float | None
    high: float | None
    about: str
    attempts: tuple[Attempt, ...]


def find_knee(
    attempt: Callable[[float], Held], *, first: float, ceiling: float, resolution: float = 0.1, repeats: int = 3
) -> Knee:
    """Search for the highest rate that holds.

    The rate doubles until it does not hold any more, or halves until it does; then the gap is bisected in geometric
    steps. Near the knee a single run is a coin's toss: the rates that make the result are tried ``repeats`` times each,
    and where that changes what they say, the search goes on from there. An attempt in which the generator fell behind
    is no failure of the server, but no higher rate is tried.

    How sure the interval is, by simulation: where a run holds with probability Phi(log(knee / rate) / w), it had the
    knee in 95 of 100 searches for w = 0.05, in 90 for w = 0.1, and with five repeats in 98. Runs that may also be
    undecided, as those judged by confidence intervals are, make it wider and surer: 98 of 100. A search takes some 15
    to 20 runs.

    Args:
        attempt: Runs the server at a rate.
        first: The rate that is tried first.
        ceiling: The highest rate that may be tried.
        resolution: The gap between the rate that holds and the next one that was tried, as a share of the former.
        repeats: Attempts at each of the rates that make the result.

    Raises:
        LoadTestError: The search cannot be made with these numbers.
    """
    if not 0 < first <= ceiling < math.inf:
        raise LoadTestError(
            f"a search from {first:g} up to {ceiling:g} requests/s: it must begin above 0 and at most at its ceiling"
        )
    if not 0.001 <= resolution <= 1:  # noqa: PLR2004
        raise LoadTestError(f"a resolution of {resolution:g}: it must lie between 0.001 and 1")
    if repeats < 1:
        raise LoadTestError(f"{repeats} repeats: there must be at least one")
    search = _Search(first, ceiling, resolution, repeats)
    while (rate := search.next_rate()) is not None:
        search.add(Attempt(rate, attempt(rate)))
    return search.result()


class _Search:
    """All that was tried, and what it leaves to try."""

    def __init__(self, first: float, ceiling: float, resolution: float, repeats: int) -> None:
        self._first = first
        self._ceiling = ceiling
        self._step = 1 + resolution
        self._repeats = repeats
        self._attempts: list[Attempt] = []
        self._outcomes: dict[float, list[Held]] = {}
        far = math.log2(ceiling / first) + _HALVINGS
        fine = math.log2(math.log(2) / math.log(self._step) + 1)
        self._most = math.ceil(far + fine) + _REPEATED_RATES * repeats

    def add(self, made: Attempt) -> None:
        self._attempts.append(made)
        self._outcomes.setdefault(made.rate, []).append(made.outcome)

    def next_rate(self) -> float | None:
        """Return the rate to try next; None when there is nothing left to learn."""
        if not self._outcomes:
            return self._first
        if len(self._attempts) >= self._most:
            return None
        for wanted in (self._unclear, self._beyond, self._between, self._again, self._outside):
            rate = wanted()
            if rate is not None:
                return rate
        return None

    def result(self) -> Knee:
        return Knee(self._holds(), self._low(), self._high(), self._about(), tuple(self._attempts))

    def _unclear(self) -> float | None:
        """Return a rate that must be tried again before anything can be concluded from it."""
        holds = self._holds() or 0.0
        unclear = [rate for rate in self._outcomes if rate > holds and self._verdict(rate) is None]
        if all(set(self._outcomes[rate]) == {Held.UNDECIDED} for rate in unclear) and self._beyond() is not None:
            return None  # a higher rate has more requests, and may tell about these as well
        return min(unclear, default=None)

    def _beyond(self) -> float | None:
        """Return a rate far from those that were tried, as long as they do not enclose the knee."""
        lowest, highest = min(self._outcomes), max(self._outcomes)
        if not self._rates(Held.FAILED, Held.GENERATOR):
            return min(2 * highest, self._ceiling) if highest < self._ceiling else None
        if self._holds() is None:
            return max(lowest / 2, self._floor) if lowest > self._floor else None
        return None

    def _between(self) -> float | None:
        """Return the middle of a gap that is too wide: above the rate that holds, or below the one that fails."""
        holds, fails = self._holds(), min(self._rates(Held.FAILED), default=None)
        if holds is None:
            return None
        gaps = [(holds, self._next_above(holds))]
        if fails is not None and fails > holds:
            gaps.append((max(rate for rate in self._outcomes if rate < fails), fails))
        wide = [math.sqrt(low * high) for low, high in gaps if high is not None and high > low * self._step]
        return wide[0] if wide else None

    def _again(self) -> float | None:
        """Return a rate that makes the result and was not tried often enough."""
        holds = self._holds()
        for rate in (holds, self._next_above(holds or 0.0), self._low(), self._high()):
            if rate is None:
                continue
            told = len(_about_server(self._outcomes[rate]))
            if told < self._repeats and len(self._outcomes[rate]) - told < _GENERATOR_TRIES:
                return rate
        return None

    def _outside(self) -> float | None:
        """Return a rate just outside those that were tried, where an end of the interval is missing."""
        lowest, highest = min(self._outcomes), max(self._outcomes)
        if self._holds() is not None and self._low() is None and lowest > self._floor:
            return max(lowest / self._step, self._floor)
        if self._high() is None and not self._rates(Held.GENERATOR) and highest < self._ceiling:
            return min(highest * self._step, self._ceiling)
        return None

    def _verdict(self, rate: float) -> Held | None:
        """Return what the majority of a rate's attempts says; None while that is open."""
        told = _about_server(self._outcomes[rate])
        for outcome in (Held.HELD, Held.FAILED):
            if told.count(outcome) * 2 > len(told):
                return outcome
        behind = len(self._outcomes[rate]) - len(told)
        if behind >= _GENERATOR_TRIES:
            return Held.UNDECIDED if told else Held.GENERATOR
        return Held.UNDECIDED if len(told) >= self._repeats else None

    def _rates(self, *verdicts: Held) -> list[float]:
        return [rate for rate in self._outcomes if self._verdict(rate) in verdicts]

    def _holds(self) -> float | None:
        failing = min(self._rates(Held.FAILED), default=math.inf)
        return max((rate for rate in self._rates(Held.HELD) if rate < failing), default=None)

    def _low(self) -> float | None:
        failed = min(self._with(Held.FAILED), default=math.inf)
        return max((rate for rate in self._always(Held.HELD) if rate < failed), default=None)

    def _high(self) -> float | None:
        held = max(self._with(Held.HELD), default=0.0)
        return min((rate for rate in self._always(Held.FAILED) if rate > held), default=None)

    def _always(self, outcome: Held) -> list[float]:
        return [rate for rate, outcomes in self._outcomes.items() if set(_about_server(outcomes)) == {outcome}]

    def _with(self, outcome: Held) -> list[float]:
        return [rate for rate, outcomes in self._outcomes.items() if outcome in outcomes]

    @property
    def _floor(self) -> float:
        return self._first / 2**_HALVINGS

    def _next_above(self, rate: float) -> float | None:
        return min((other for other in self._outcomes if other > rate), default=None)

    def _about(self) -> str:
        if len(self._attempts) >= self._most:
            return f"{self._about_rates()}; after {self._most} runs that is still not settled: let each last longer"
        return self._about_rates()

    def _about_rates(self) -> str:
        holds, low, high = self._holds(), self._low(), self._high()
        if holds is None:
            return self._about_none()
        if high is None:
            return f"it holds {_told(holds)} requests/s; {self._about_no_failure()}"
        if low is None:
            return (
                f"it holds {_told(holds)} requests/s in most runs: at no rate in all, and never from {_told(high)} on"
            )
        return f"it holds {_told(holds)} requests/s: always up to {_told(low)}, never from {_told(high)} on"

    def _about_none(self) -> str:
        if failed := self._with(Held.FAILED):
            return f"it does not hold at {_told(min(failed))} requests/s, the lowest rate that was judged"
        if self._with(Held.UNDECIDED):
            return "no run had enough requests to tell: let each last longer, or begin at a higher rate"
        return (
            f"the generator fell behind even at {_told(min(self._outcomes))} requests/s, which says nothing about the "
            "server: give the generator more cores and workers"
        )

    def _about_no_failure(self) -> str:
        if behind := self._rates(Held.GENERATOR):
            return f"the generator fell behind at {_told(min(behind))}, before the server did: more workers go further"
        if max(self._outcomes) >= self._ceiling:
            return f"the ceiling of {_told(self._ceiling)} came before the rate at which it never does"
        return "no run above had enough requests to tell: let each last longer"


def _about_server(outcomes: Iterable[Held]) -> list[Held]:
    return [outcome for outcome in outcomes if outcome is not Held.GENERATOR]


def _told(rate: float) -> str:
    return f"{rate:,.0f}" if rate >= 100 else f"{rate:.3g}"  # noqa: PLR2004 (three digits)
