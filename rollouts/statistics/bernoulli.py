# SPDX-License-Identifier: Apache-2.0
"""Bounds of a share that hold at every look: confidence sequences of a Bernoulli probability.

Robbins (Annals of Mathematical Statistics 41, 1970) bets on other shares than the true one: for k of n and a supposed
share p,

    M_n(p) = integral of (t/p)^k ((1-t)/(1-p))^(n-k) f(t) dt

has mean 1 at every n where p is true, whatever density f the bets t have. By Ville's inequality (1939) it ever reaches
1/error with a probability of at most ``error``, so all p with M_n(p) < 1/error are a set that holds the truth at all n
at once (Howard, Ramdas, McAuliffe & Sekhon, Annals of Statistics 49, 2021, section 3.2).

A bound is one-sided, and so are its bets: a lower bound refutes p by bets on shares above p alone. Their density is

    f(t) = t^-1 (1-t)^-1/2 / Z(p)   for p < t < 1,   Z(p) = 2 artanh sqrt(1-p)

the beta distribution's with parameters 0 and 1/2, cut off at p, which makes it a proper one. It is nearly uniform in
log t: whether p is 0.5 % or 5 %, a share some times as great is bet on as much. M_n(p) <= 1 on average for all shares
below p too, so the bound refutes them as well. The upper bound of a share is that of its complement, mirrored.

Bets that are the same for all p, Jeffreys' beta(1/2, 1/2), need a tenth more requests to show that 5 % are more than
0.5 %, and put the upper bound of none of 3,000 at 0.38 % instead of 0.27 % (error 0.001).

Counts need not be whole numbers: correlated requests are divided by their design effect first.
"""

from math import exp, inf, log, log1p, sqrt
from typing import Final

from scipy.optimize import brentq
from scipy.special import betaincc, betaln

#: Shares nearer to 0 or 1 than 1e-17 are not told from them.
_FARTHEST: Final = 39.0
#: Of the logarithm of the odds; bounds are rounded away from what was measured by so much.
_TOLERANCE: Final = 1e-5


def lower(part: float, count: float, error: float) -> float:
    """Return what a share is at least, at all looks, but for ``error``.

    Args:
        part: How many of the requests have the property.
        count: How many there are.
        error: The greatest probability that the bound is ever above the share.
    """
    return lower_at(part, count, -log(error))


def upper(part: float, count: float, error: float) -> float:
    """Return what a share is at most, at all looks, but for ``error``; the counterpart of ``lower``."""
    return _share(-_lower_odds(count - part, count, -log(error)))


def lower_at(part: float, count: float, evidence: float) -> float:
    """Return the least share against which there is less evidence than this, see ``log_evidence_above``."""
    return _share(_lower_odds(part, count, evidence))


def log_odds(share: float) -> float:
    """Return log(share / (1 - share)).

    Raises:
        ValueError: The share is not between 0 and 1.
    """
    if not 0 < share < 1:
        raise ValueError(f"{share} is not a share between 0 and 1")
    return log(share) - log1p(-share)


def log_evidence_above(part: float, count: float, odds: float) -> float:
    """Return log M_n(p), the evidence that a share is above p.

    Args:
        part: How many of the requests have the property.
        count: How many there are.
        odds: log(p / (1 - p)).

    Returns:
        Refuted with error e are the p with log(1/e) and more. It falls as p rises, and is below 0 from the measured
        share on at the latest.
    """
    log_share, log_rest = -_log1p_exp(-odds), -_log1p_exp(odds)
    share, rest = exp(log_share), exp(log_rest)
    if part <= 0:
        return -inf
    bets = 2 * log1p(sqrt(rest)) - log_share
    inside = float(betaincc(part, count - part + 0.5, share))
    if not inside:
        return -inf
    supposed = part * log_share + (count - part) * log_rest
    return float(betaln(part, count - part + 0.5)) + log(inside) - log(bets) - supposed


def log_evidence_below(part: float, count: float, odds: float) -> float:
    """Return the evidence that a share is below p; the counterpart of ``log_evidence_above``."""
    return log_evidence_above(count - part, count, -odds)


def _lower_odds(part: float, count: float, needed: float) -> float:
    def missing(odds: float) -> float:
        return log_evidence_above(part, count, odds) - needed

    if part <= 0:
        return -inf
    above = min(_FARTHEST, log(part / (count - part))) if part < count else _FARTHEST
    # There is never evidence against the measured share, but less than this may be asked for.
    if needed <= 0 and missing(above) >= 0:
        return above
    # About as far as the normal approximation's bound lies, which saves half the search.
    step = sqrt(2 * max(needed, 1.0) * (1 / part + 1 / max(count - part, 1.0)))
    below = max(-_FARTHEST, above - step)
    while missing(below) < 0:
        if below == -_FARTHEST:
            return -inf
        above, step = below, 2 * step
        below = max(-_FARTHEST, above - step)
    return float(brentq(missing, below, above, xtol=_TOLERANCE)) - _TOLERANCE


def _share(odds: float) -> float:
    return exp(-_log1p_exp(-odds))


def _log1p_exp(value: float) -> float:
    """Return log(1 + exp(value))."""
    return value + log1p(exp(-value)) if value > 0 else log1p(exp(value))
