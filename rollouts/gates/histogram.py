# SPDX-License-Identifier: Apache-2.0
"""Times to answer as a predictor's histogram has them: its bounds, its percentiles, and how many were slower."""

from bisect import bisect_left, bisect_right
from itertools import accumulate
from math import inf, isinf
from operator import itemgetter
from typing import Final

from rollouts.measurements.sums import Bunching, Sums
from rollouts.statistics.design_effect import design_effect
from rollouts.statistics.share import Share

#: The bounds of the predictors' histogram in seconds, ten to a factor of ten.
_STEPS: Final = (1, 1.25, 1.6, 2, 2.5, 3.15, 4, 5, 6.3, 8)
_LADDER: Final = (*(float(f"{step}e{power}") for power in range(-4, 1) for step in _STEPS), 10.0)
#: Of each bound, the one below; bins without requests are left out of the counts, so the counts do not tell.
_BELOW: Final = dict(zip((*_LADDER, inf), (0.0, *_LADDER), strict=True))


class Histogram:
    """The times to answer of one version in a window.

    Attributes:
        count: How many requests are in it.
        bounds: The finite bounds of all bins that have requests, above 0 and rising, in seconds.
    """

    def __init__(self, sums: Sums) -> None:
        """Read the counts of a version."""
        self._sums = sums
        self._lows: list[float] = []
        self._highs: list[float] = []
        self._counts: list[int] = []
        seen = 0.0
        for upper, count in sorted((float(upper), count) for upper, count in sums.counts.seconds.items()):
            # A bound that is none of the predictors' is told from the next lower one that has requests.
            self._lows.append(max(seen, _BELOW.get(upper, 0.0)))
            self._highs.append(upper)
            self._counts.append(count)
            seen = upper
        #: How many requests are in a bin or a lower one; 0 for none.
        self._cumulative = [0, *accumulate(self._counts)]
        bunched = sorted(((float(bound), bunching) for bound, bunching in sums.slower.items()), key=itemgetter(0))
        self._bunched = [bound for bound, _ in bunched]
        self._bunchings = [bunching for _, bunching in bunched]
        self._slower: dict[float, Share] = {}
        self.count = self._cumulative[-1]
        self.bounds = sorted({edge for edge in (*self._lows, *self._highs) if 0 < edge < inf})

    def percentile(self, percentile: float) -> float:
        """Return a percentile in seconds, interpolated within its bin: log-linear, in the lowest bin linear.

        Beyond the highest bound it is that bound.
        """
        rank = percentile / 100 * self.count
        place = bisect_left(self._cumulative, rank) - 1
        low, high = self._lows[place], self._highs[place]
        if isinf(high):
            return low
        part = (rank - self._cumulative[place]) / self._counts[place]
        return low * (high / low) ** part if low else high * part

    def slower(self, bound: float) -> Share:
        """Return the share of requests that took longer than one of the bounds."""
        if bound not in self._slower:
            self._slower[bound] = self._slower_than(bound)
        return self._slower[bound]

    def _slower_than(self, bound: float) -> Share:
        part = self.count - self._cumulative[bisect_right(self._highs, bound)]
        # Where none of them or all were slower, there is nothing that could have come in bunches.
        place = bisect_right(self._bunched, bound)
        bunching = self._bunchings[place - 1] if place else Bunching()
        effect = design_effect(
            part,
            self.count,
            blocks=self._sums.blocks,
            part_squares=bunching.squares,
            products=bunching.products,
            count_squares=self._sums.squares,
        )
        return Share(part, self.count, effect)
