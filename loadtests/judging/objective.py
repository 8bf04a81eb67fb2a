# SPDX-License-Identifier: Apache-2.0
"""What a run shows about one objective of an SLO: its figure, its confidence interval, and whether it is kept.

"p99 at most 100 ms" says that at most 1 % of all requests take longer or fail, and a goodput says the same the other
way round. So each objective is about a share of bad requests. It passes when the whole confidence interval is within
the limit, and fails when all of it is outside.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Literal

import numpy as np

from loadtests.judging.design_effect import DesignEffect, design_effect
from loadtests.judging.evidence import Counts
from loadtests.judging.intervals import (
    exact_lower_share,
    exact_upper_share,
    lower_rank,
    lower_share,
    upper_rank,
    upper_share,
)
from loadtests.judging.slo import Goodput, quantile

#: More requests than this are not asked for.
_MOST_REQUESTS: Final = 100_000_000
#: A server that answers nothing in so many last seconds of a run is down.
SILENCE: Final = 2


class Outcome(StrEnum):
    """What a run shows."""

    PASS = "PASS"  # noqa: S105
    FAIL = "FAIL"
    INCONCLUSIVE = "INCONCLUSIVE"


@dataclass(frozen=True)
class Objective:
    """What became of one objective.

    Attributes:
        name: "p99 latency", "error rate", or "goodput within 100 ms".
        unit: Of the figures: microseconds, or a share of all requests.
        limit: At most that; a goodput at least that.
        measured: In the run; infinite for a percentile that lies among the requests never answered; None without any
            requests.
        low: The lower end of the confidence interval; None without requests.
        high: The upper end, infinite for never; None with too few requests to have one.
        effect: How many of the correlated requests told as much as one independent one would (the design effect).
        kept: Whether the measured figure is within the limit, be it shown or not.
        outcome: What the interval shows.
        more_requests: When INCONCLUSIVE: how many more would decide it, if what was seen stays so; None when no number
            up to 100 million does, or the run is of no use.
    """

    name: str
    unit: Literal["us", "share"]
    limit: float
    measured: float | None
    low: float | None
    high: float | None
    effect: float
    kept: bool
    outcome: Outcome
    more_requests: int | None


def percentile_objective(name: str, limit_us: int, counts: Counts, error: float) -> Objective:
    """Return what the requests show about a percentile.

    Args:
        name: Such as p99.
        limit_us: How long it may be, in microseconds.
        counts: The requests.
        error: The error of each end of the interval.
    """
    share = quantile(name)
    label = f"{name} latency"
    if not counts.total:
        return _unseen(label, "us", limit_us)
    bad = _slow(counts, limit_us, share, error)
    lower = lower_rank(counts.total, share, error, bad.effect.lower)
    upper = upper_rank(counts.total, share, error, bad.effect.upper)
    low = 0.0 if lower is None else counts.value_at_rank(lower)
    high = None if upper is None else counts.value_at_rank(upper)
    outcome = Outcome.INCONCLUSIVE
    if high is not None and high <= limit_us:
        outcome = Outcome.PASS
    elif low > limit_us:
        outcome = Outcome.FAIL
    return Objective(
        name=label,
        unit="us",
        limit=limit_us,
        measured=counts.value_at_rank(max(1, math.ceil(counts.total * share))),
        low=low,
        high=high,
        effect=bad.effect.plain,
        kept=bad.kept,
        outcome=outcome,
        more_requests=bad.more_requests() if outcome is Outcome.INCONCLUSIVE else None,
    )


def error_rate_objective(limit: float, counts: Counts, error: float) -> Objective:
    """Return what the requests show about the share of those that fail, which may be at most ``limit``.

    A server that dies in the last seconds is one event, too few for an interval to say anything. But a server that
    keeps the limit ends a run with a failure with a probability of at most ``limit``. Where that is within half of the
    error, a run that ends in silence fails, and the lower end of the interval has what remains of the error.
    """
    if not counts.total:
        return _unseen("error rate", "share", limit)
    failed = int(counts.failed.sum())
    effect = design_effect(counts.failed, counts.requests, error)
    spent = limit if limit <= error / 2 else 0.0
    bad = _BadShare(failed, counts.total, limit, error, effect, lower_share, upper_share, spent)
    is_down = spent > 0 and counts.silence >= SILENCE
    return Objective(
        name="error rate",
        unit="share",
        limit=limit,
        measured=bad.seen,
        low=bad.low(),
        high=bad.high(),
        effect=effect.plain,
        kept=bad.kept,
        outcome=Outcome.FAIL if is_down else bad.outcome,
        more_requests=None if is_down else bad.more_requests(),
    )


def goodput_objective(goodput: Goodput, counts: Counts, error: float) -> Objective:
    """Return what the requests show about the share of those that are answered rightly in time."""
    label = f"goodput within {duration_text(goodput.within)}"
    if not counts.total:
        return _unseen(label, "share", goodput.at_least)
    bad = _slow(counts, goodput.within, goodput.at_least, error, lower_share, upper_share)
    return Objective(
        name=label,
        unit="share",
        limit=goodput.at_least,
        measured=1 - bad.seen,
        low=1 - bad.high(),
        high=1 - bad.low(),
        effect=bad.effect.plain,
        kept=bad.kept,
        outcome=bad.outcome,
        more_requests=bad.more_requests(),
    )


def duration_text(microseconds: float) -> str:
    """Return a duration as a reader likes it: "250 us", "12.3 ms", "1.52 s", "never"."""
    if math.isinf(microseconds):
        return "never"
    # The unit is chosen by the rounded figure: 999.9 ms is told as 1 s.
    if float(f"{microseconds:.3g}") < 1_000:  # noqa: PLR2004
        return f"{float(f'{microseconds:.3g}'):g} us"
    if float(f"{microseconds / 1_000:.3g}") < 1_000:  # noqa: PLR2004
        return f"{float(f'{microseconds / 1_000:.3g}'):g} ms"
    return f"{float(f'{microseconds / 1_000_000:.3g}'):g} s"


_Bound = Callable[[float, float, float, float], float]


@dataclass(frozen=True)
class _BadShare:
    """How many of the requests were bad, and what that shows about the share of all requests."""

    bad: int
    count: int
    allowed: float
    error: float
    effect: DesignEffect
    lower: _Bound
    upper: _Bound
    spent: float = 0.0
    """The part of the lower bound's error that another test has."""

    @property
    def seen(self) -> float:
        return self.bad / self.count

    @property
    def kept(self) -> bool:
        return self.seen <= self.allowed

    @property
    def outcome(self) -> Outcome:
        if self.high() <= self.allowed:
            return Outcome.PASS
        return Outcome.FAIL if self.low() > self.allowed else Outcome.INCONCLUSIVE

    def low(self, count: int | None = None) -> float:
        count = self.count if count is None else count
        return self.lower(self.seen * count, count, self.error - self.spent, self.effect.lower)

    def high(self, count: int | None = None) -> float:
        count = self.count if count is None else count
        return self.upper(self.seen * count, count, self.error, self.effect.upper)

    def more_requests(self) -> int | None:
        """Return how many more decide if share and design effect stay as they are; None when decided, or none do."""
        if self._is_decided(self.count) or not self._is_decided(_MOST_REQUESTS):
            return None
        short, enough = self.count, _MOST_REQUESTS
        while enough - short > 1:
            middle = (short + enough) // 2
            if self._is_decided(middle):
                enough = middle
            else:
                short = middle
        return enough - self.count

    def _is_decided(self, count: int) -> bool:
        return self.high(count) <= self.allowed or self.low(count) > self.allowed


def _slow(  # noqa: PLR0917
    counts: Counts,
    limit_us: int,
    share: float,
    error: float,
    lower: _Bound = exact_lower_share,
    upper: _Bound = exact_upper_share,
) -> _BadShare:
    """Return the share of requests beyond a limit, of which at least ``share`` should be within it."""
    bad = counts.bad(limit_us)
    effect = design_effect(bad, counts.requests, error)
    # Where few or none are beyond the limit, how they come in bunches shows better in the slowest requests there are:
    # the variance of a percentile is that of the share beyond its own value (Woodruff, JASA 47, 1952).
    slowest = counts.bad(counts.value_at_rank(max(1, math.ceil(counts.total * share))) - 1)
    bunched = design_effect(slowest, counts.requests, error).upper
    if not bad.any():
        # Requests that are all within the limit tell at least as much as one request of each second.
        bunched = min(bunched, counts.total / np.count_nonzero(counts.requests))
    upper_effect = max(effect.upper, bunched)
    effect = DesignEffect(effect.plain, effect.lower, upper_effect)
    return _BadShare(int(bad.sum()), counts.total, 1 - share, error, effect, lower, upper)


def _unseen(name: str, unit: Literal["us", "share"], limit: float) -> Objective:
    return Objective(name, unit, limit, None, None, None, 1.0, False, Outcome.INCONCLUSIVE, None)
