# SPDX-License-Identifier: Apache-2.0
"""The gates on latency: a percentile of the canary, in itself and as a multiple of the stable version's.

Both are proven at bounds of the histogram, each 1.25 to 1.27 times the one below: a limit between two bounds is proven
to be broken at the one above it, and a ratio where the canary's percentile lies above a bound that is as many times one
that the stable version's does not exceed. So a breach that is smaller than the step from bound to bound may stay
unproven, however long one looks. What was measured is interpolated within the bins.
"""

from math import inf
from typing import Final

from rollouts.gates.figures import milliseconds, number
from rollouts.gates.histogram import Histogram
from rollouts.gates.result import GateResult, not_compared, nothing_yet, outcome_of
from rollouts.statistics import percentile as percentiles
from rollouts.statistics.share import divided

LATENCY: Final = "latency"
LATENCY_RATIO: Final = "latency:ratio"

_MILLISECONDS: Final = 1000.0
#: Quotients of bounds are not told apart where they are equal but for the rounding of floats.
_EQUAL: Final = 1e-9


def judge_latency(canary: Histogram, stable: Histogram, percentile: float, limit: float, error: float) -> GateResult:
    """Return the word of the gate on the percentile itself; its figures are milliseconds.

    Args:
        canary: The times of its answers.
        stable: Those of the stable version.
        percentile: Above 0, below 100.
        limit: The most milliseconds that the canary's percentile may be.
        error: The greatest probability that a kept limit is ever taken for a broken one.
    """
    if not canary.count:
        return nothing_yet(LATENCY, limit)
    low, high = (bound * _MILLISECONDS for bound in _bounds(canary, percentile, error))
    measured = canary.percentile(percentile)
    beside = f", stable {milliseconds(stable.percentile(percentile))}" if stable.count else ""
    return GateResult(
        gate=LATENCY,
        # The percentile lies above the lower bound, not at it.
        outcome=outcome_of(
            violated=low >= limit * (1 - _EQUAL),
            holds=high <= limit * (1 + _EQUAL),
            within=measured * _MILLISECONDS <= limit,
        ),
        measured=measured * _MILLISECONDS,
        low=low,
        high=None if high == inf else high,
        limit=limit,
        text=(
            f"latency: p{percentile:g} {milliseconds(measured)} of {canary.count:,} requests{beside}; "
            f"at most {number(limit)} ms"
        ),
    )


def judge_latency_ratio(
    canary: Histogram, stable: Histogram, percentile: float, limit: float, error: float
) -> GateResult:
    """Return the word of the gate on the canary's percentile as a multiple of the stable version's.

    Args:
        canary: The times of its answers.
        stable: Those of the stable version.
        percentile: Above 0, below 100.
        limit: The greatest multiple.
        error: The greatest probability that a kept limit is ever taken for a broken one.
    """
    if not canary.count:
        return nothing_yet(LATENCY_RATIO, limit)
    if not stable.count:
        return not_compared(LATENCY_RATIO, limit)
    errors = divided(error)
    lowest, highest = _bounds(canary, percentile, errors[0])
    stable_lowest, stable_highest = _bounds(stable, percentile, errors[1])
    low, high = lowest / stable_highest, highest / stable_lowest if stable_lowest else inf
    measured = canary.percentile(percentile), stable.percentile(percentile)
    ratio = measured[0] / measured[1]
    return GateResult(
        gate=LATENCY_RATIO,
        outcome=outcome_of(
            violated=low >= limit * (1 - _EQUAL), holds=high <= limit * (1 + _EQUAL), within=ratio <= limit
        ),
        measured=ratio,
        low=low,
        high=None if high == inf else high,
        limit=limit,
        text=(
            f"latency: p{percentile:g} {milliseconds(measured[0])} of {canary.count:,} requests, {number(ratio)} times "
            f"the stable {milliseconds(measured[1])} of {stable.count:,}; at most {number(limit)} times"
        ),
    )


def _bounds(histogram: Histogram, percentile: float, error: float) -> tuple[float, float]:
    """Return what a percentile is above and what it is at most, in seconds, each but for ``error``."""
    low = percentiles.lower(histogram.bounds, histogram.slower, percentile, error)
    return low, percentiles.upper(reversed(histogram.bounds), histogram.slower, percentile, error)
