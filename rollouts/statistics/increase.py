# SPDX-License-Identifier: Apache-2.0
"""How far the canary's share lies above the stable version's at least, at every look.

The bounds of the two versions' shares, one subtracted from the other, would do; but early in a step the stable version
has a handful of errors, and its upper bound lies at several times its share. The evidence against a pair of shares
gains from both at once instead: if canary and stable version have p and s, the product of what each bets against its
own share,

    (1 + 15 M_canary(p)) / 16 * (1 + M_stable(s)) / 2

has mean 1 as well (``bernoulli``, the versions' requests being others), and reaches 1/error with a probability of at
most ``error``. All pairs for which it does not are left, and the bound is the least p - s among them. Each version
keeps a part of its stake, so that what one has lost against a pair never takes all that the other has won; the stable
one keeps more, since a pair with its measured share then costs log 2 and no more. (Confidence sets of pairs of shares,
with bets on both jointly: Turner & Gruenwald, Statistics and Probability Letters 198, 2023.)
"""

from collections.abc import Callable
from math import exp, inf, log
from typing import Final

from rollouts.statistics.bernoulli import log_evidence_below, log_odds, lower_at, upper
from rollouts.statistics.share import Share, divided

#: What each version keeps of its stake.
_CANARY_KEEPS: Final = 1 / 16
_STABLE_KEEPS: Final = 1 / 2
#: A share that stands for 0 where its logarithm is asked for.
_LEAST: Final = 1e-12
_GOLDEN: Final = (5**0.5 - 1) / 2
#: These narrow the search to 1 % of its range; the least difference hardly varies there.
_ITERATIONS: Final = 9


def least_increase(canary: Share, stable: Share, error: float) -> float:
    """Return how far the canary's share lies above the stable version's at least, at all looks, but for ``error``."""
    if canary.effective is None or stable.effective is None or not canary.part:
        return -1.0
    if stable.part and (stable.part == stable.count or not canary.exceeds(stable.value, error)):
        # The bound is not above 0, so where it lies exactly decides nothing: these are simpler.
        errors = divided(error)
        return min(0.0, canary.lower(errors[0]) - stable.upper(errors[1]))
    canary_part, canary_count = canary.effective
    stable_part, stable_count = stable.effective
    needed = -log(error)

    def increase(stable_share: float) -> float:
        bet = log_evidence_below(stable_part, stable_count, log_odds(max(stable_share, _LEAST)))
        won = max(bet, 0.0) + log(_STABLE_KEEPS * exp(min(-bet, 0.0)) + (1 - _STABLE_KEEPS) * exp(min(bet, 0.0)))
        return lower_at(canary_part, canary_count, _to_win(needed - won)) - stable_share

    # Beyond this share of the stable version no share of the canary is left, not even one against which it lost all.
    highest = upper(stable_part, stable_count, error * _CANARY_KEEPS * (1 - _STABLE_KEEPS))
    return min(_least(increase, stable.value, highest), canary.value - highest)


def _to_win(evidence: float) -> float:
    """Return the evidence that the canary's bets must come to for the stake that it has in all to come to this much."""
    won = exp(evidence) - _CANARY_KEEPS
    return log(won / (1 - _CANARY_KEEPS)) if won > 0 else -inf


def _least(function: Callable[[float], float], low: float, high: float) -> float:
    """Return the least value of a function that falls and then rises, by golden-section search."""
    inner, outer = high - _GOLDEN * (high - low), low + _GOLDEN * (high - low)
    at_inner, at_outer = function(inner), function(outer)
    for _ in range(_ITERATIONS):
        if at_inner < at_outer:
            high, outer, at_outer = outer, inner, at_inner
            inner = high - _GOLDEN * (high - low)
            at_inner = function(inner)
        else:
            low, inner, at_inner = inner, outer, at_outer
            outer = low + _GOLDEN * (high - low)
            at_outer = function(outer)
    return min(at_inner, at_outer)
