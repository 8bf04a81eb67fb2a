# SPDX-License-Identifier: Apache-2.0
"""Confidence bounds of a percentile and of a share, from counts of requests that may be correlated.

Each bound is one-sided: it is wrong with a probability of at most ``error``; an interval of level 1 - alpha has two of
them, each with an error of alpha / 2. Correlated requests tell less than as many independent ones: ``effect`` is the
design effect (see ``design_effect``), and all counts are divided by it before the formulas of independent requests are
applied (Korn & Graubard, Survey Methodology 24, 1998). With an effect of 1 the bounds are exact.
"""

from collections.abc import Callable
from math import sqrt

from scipy.special import betainc, betaincinv, ndtri


def lower_rank(count: int, quantile: float, error: float, effect: float = 1.0) -> int | None:
    """Return the largest rank l such that the l-th smallest of all is at most the quantile, but for ``error``.

    For independent requests P(X_(l) <= q) = P(B >= l), where B, how many are at most q, is binomial with ``count``
    trials of probability ``quantile`` (David & Nagaraja, Order Statistics, 2003, section 7.1; Conover, Practical
    Nonparametric Statistics, 1999, section 3.2). P(B <= k) is the regularized incomplete beta function
    I_(1-quantile)(count - k, k + 1), which takes counts that are no whole numbers.

    Args:
        count: How many requests there are.
        quantile: From 0 to 1, exclusive: 0.99 for p99.
        error: The greatest probability that the bound is wrong.
        effect: The design effect, 1 or more.

    Returns:
        The rank, from 1 to ``count``; None when there are too few requests for one.
    """

    def holds(rank: int) -> bool:
        above = (count - rank + 1) / effect
        return bool(betainc(above, (rank - 1) / effect + 1, 1 - quantile) <= error)

    # P(B < rank) grows with the rank: the last rank that holds is the one before the first that does not.
    first = _first(lambda rank: not holds(rank), 1, count + 1)
    return first - 1 if first > 1 else None


def upper_rank(count: int, quantile: float, error: float, effect: float = 1.0) -> int | None:
    """Return the smallest rank u such that the u-th smallest of all is at least the quantile, but for ``error``.

    P(q <= X_(u)) = P(B <= u - 1), with the B, the sources, the arguments and the result of ``lower_rank``. It takes
    count >= log(error) / log(quantile) requests: with fewer, the largest of all may still be below the quantile.
    """

    def holds(rank: int) -> bool:
        return bool(betainc((count - rank) / effect + 1, rank / effect, 1 - quantile) >= 1 - error)

    first = _first(holds, 1, count + 1)
    return first if first <= count else None


def lower_share(part: float, count: float, error: float, effect: float = 1.0) -> float:
    """Return what the true share is at least, but for ``error``: the lesser of Wilson's and Clopper-Pearson's bound.

    Wilson's alone is too bold where few were seen: after 1 of n it says that the share is at least 0.18 / n, and at
    that share 1 or more is seen in one run of six (Brown, Cai & DasGupta, Statistical Science 16, 2001, on these
    spikes). Clopper-Pearson's is exact, but not the wider one everywhere.

    Args:
        part: How many of the requests have the property.
        count: How many requests there are, at least one.
        error: The greatest probability that the bound is wrong.
        effect: The design effect, 1 or more.
    """
    return min(wilson(part, count, error, effect)[0], exact_lower_share(part, count, error, effect))


def upper_share(part: float, count: float, error: float, effect: float = 1.0) -> float:
    """Return what the true share is at most, but for ``error``; the counterpart of ``lower_share``."""
    return max(wilson(part, count, error, effect)[1], exact_upper_share(part, count, error, effect))


def wilson(part: float, count: float, error: float, effect: float = 1.0) -> tuple[float, float]:
    """Return Wilson's score interval of a share (JASA 22, 1927), with ``error`` on each side.

    It holds each share s whose own normal approximation has the seen one within: |seen - s| <= z sqrt(s (1 - s) / n).
    """
    size, seen = count / effect, part / count
    z = -float(ndtri(error))
    middle = seen + z * z / (2 * size)
    half = z * sqrt(seen * (1 - seen) / size + (z / (2 * size)) ** 2)
    scale = 1 + z * z / size
    return max(0.0, (middle - half) / scale), min(1.0, (middle + half) / scale)


def exact_lower_share(part: float, count: float, error: float, effect: float = 1.0) -> float:
    """Return Clopper-Pearson's lower bound of a share (Biometrika 26, 1934): where P(seeing as many) is ``error``."""
    if part <= 0:
        return 0.0
    return float(betaincinv(part / effect, (count - part) / effect + 1, error))


def exact_upper_share(part: float, count: float, error: float, effect: float = 1.0) -> float:
    """Return Clopper-Pearson's upper bound of a share: where P(seeing as few) is ``error``."""
    if part >= count:
        return 1.0
    return float(betaincinv(part / effect + 1, (count - part) / effect, 1 - error))


def _first(holds: Callable[[int], bool], low: int, high: int) -> int:
    """Return the first number of [low, high) from which on ``holds`` is true; ``high`` when there is none."""
    while low < high:
        middle = (low + high) // 2
        if holds(middle):
            high = middle
        else:
            low = middle + 1
    return low
