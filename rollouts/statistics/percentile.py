# SPDX-License-Identifier: Apache-2.0
"""Bounds of a percentile from a histogram, at every look.

The percentile lies above a bound of the histogram if and only if more than 1 - percentile / 100 of the requests do, so
a bound of it is the last one at which that is proven. Shares fall from bound to bound: where it is wrongly proven at
any bound, it is at the one next to the percentile too. So the error of all bounds together is that of a single one
(inverting a test, as order statistics do it for a single look: David & Nagaraja, Order Statistics, 2003, section 7.1;
for all looks Howard & Ramdas, Bernoulli 28, 2022). Design effects may differ from bound to bound and disturb the order,
so a bound counts only together with all those before it.
"""

from collections.abc import Callable, Iterable
from math import inf

from rollouts.statistics.share import Share

#: The share of the requests that were slower than a bound.
Slower = Callable[[float], Share]


def lower(bounds: Iterable[float], slower: Slower, percentile: float, error: float) -> float:
    """Return what a percentile is above, but for ``error``; 0 where nothing is proven.

    Args:
        bounds: Of the histogram, rising.
        slower: The share of requests beyond each of them.
        percentile: Above 0, below 100.
        error: The greatest probability that the percentile is ever no higher.
    """
    beyond = 1 - percentile / 100
    return _last(bounds, lambda bound: slower(bound).exceeds(beyond, error), 0.0)


def upper(bounds: Iterable[float], slower: Slower, percentile: float, error: float) -> float:
    """Return what a percentile is at most, but for ``error``; infinite where nothing is proven.

    It takes the arguments of ``lower``, but the bounds falling.
    """
    beyond = 1 - percentile / 100
    return _last(bounds, lambda bound: slower(bound).falls_below(beyond, error), inf)


def _last(bounds: Iterable[float], is_proven: Callable[[float], bool], nothing: float) -> float:
    """Return the last bound up to which all are proven."""
    found = nothing
    for bound in bounds:
        if not is_proven(bound):
            break
        found = bound
    return found
