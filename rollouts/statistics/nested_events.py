# SPDX-License-Identifier: Apache-2.0
"""How far numeric outputs lie apart that two versions count between different edges.

A version's bins lie between the deciles of its own training outputs, so those of a retrained one lie elsewhere and
cannot be compared bin by bin. But whatever is below one edge is below any higher one too: for a canary's edge e and
stable edges a <= e <= b,

    P_canary(below e) - P_stable(below b)         and         P_canary(not below e) - P_stable(not below a)

are each at most the difference of the two versions' probabilities of one and the same event, and so at most the total
variation distance. The error is divided over all the canary's edges and both directions. This finds what moves outputs
up or down by more than a bin; it does not see what happens within bins, and it can prove no limit to be kept.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from rollouts.statistics.increase import least_increase
from rollouts.statistics.share import Share
from rollouts.statistics.total_variation import Distance


class Bin(NamedTuple):
    """Values from ``low`` to below ``high``; those that are missing are from infinity on. ``weight`` is how many."""

    low: float
    high: float
    weight: float


class _Event(NamedTuple):
    canary: Share
    stable: Share

    @property
    def apart(self) -> float:
        return self.canary.value - self.stable.value


def nested_distance(canary: Sequence[Bin], stable: Sequence[Bin], error: float) -> Distance:
    """Return how far two versions' outputs lie apart at least.

    Args:
        canary: The bins of its outputs, rising, counts divided by the design effect.
        stable: Of the stable version, likewise. Each has some.
        error: The greatest probability that the lower bound is ever wrong.

    Returns:
        As measured: the largest difference of the cumulative shares at the canary's edges, the stable version's
        interpolated within its bins (Kolmogorov's distance).
    """
    events = list(_events(canary, stable))
    low = 0.0
    if events:
        likeliest = max(events, key=lambda event: event.apart)
        low = max(0.0, least_increase(likeliest.canary, likeliest.stable, error / len(events)))
    size = sum(each.weight for each in canary)
    apart = (abs(_below(canary, edge) / size - _interpolated(stable, edge)) for edge in _edges(canary))
    return Distance(max(max(apart, default=0.0), low), low, 1.0)


def _events(canary: Sequence[Bin], stable: Sequence[Bin]) -> Iterator[_Event]:
    counts = sum(each.weight for each in canary), sum(each.weight for each in stable)
    edges = _edges(stable)
    for edge in _edges(canary):
        below = _below(canary, edge)
        above_it, below_it = bisect_left(edges, edge), bisect_right(edges, edge) - 1
        if above_it < len(edges):
            yield _Event(Share(below, counts[0]), Share(_below(stable, edges[above_it]), counts[1]))
        if below_it >= 0:
            rest = counts[1] - _below(stable, edges[below_it])
            yield _Event(Share(counts[0] - below, counts[0]), Share(rest, counts[1]))


def _edges(bins: Sequence[Bin]) -> list[float]:
    """Return all edges but the lowest possible one, below which nothing is."""
    return sorted({edge for each in bins for edge in (each.low, each.high)} - {float("-inf")})


def _below(bins: Sequence[Bin], edge: float) -> float:
    return sum(each.weight for each in bins if each.high <= edge and each.low < edge)


def _interpolated(bins: Sequence[Bin], edge: float) -> float:
    """Return the share of values below an edge, as many of those in its bin as lie below it in proportion."""
    count = sum(each.weight for each in bins)
    inside = [each for each in bins if each.low < edge < each.high]
    part = sum(each.weight * _portion(each, edge) for each in inside)
    return (_below(bins, edge) + part) / count


def _portion(within: Bin, edge: float) -> float:
    if within.low == float("-inf") or within.high == float("inf"):
        return 0.5
    return (edge - within.low) / (within.high - within.low)
