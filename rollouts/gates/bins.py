# SPDX-License-Identifier: Apache-2.0
"""The bins of one output of two versions, in order, as their labels tell it."""

import re
from collections.abc import Iterable, Mapping
from math import inf
from typing import Final

from rollouts.statistics.nested_events import Bin

#: As predictors name the bins of numbers: ``[-inf, 0.1)``, ``[0.1, 2.5)``, ``[2.5, +inf)``.
_INTERVAL: Final = re.compile(r"\[(\S+), (\S+)\)")
_MISSING: Final = "missing"


def ordered(labels: Iterable[str]) -> list[str]:
    """Return labels in the order of their intervals, other ones behind by name, so that counts have no say in it."""
    return sorted(labels, key=lambda label: (_interval(label) or (inf, inf), label))


def are_same(canary: Mapping[str, int], stable: Mapping[str, int]) -> bool:
    """Return whether two versions count between the same edges, as far as the bins that were hit tell."""
    mine, others = (_intervals(counts) for counts in (canary, stable))
    return not any(one != other and one[0] < other[1] and other[0] < one[1] for one in mine for other in others)


def intervals(counts: Mapping[str, int], weight: float) -> list[Bin]:
    """Return the counts of intervals as bins of numbers, each count times a weight; missing values come last."""
    bins = [
        Bin(*(_interval(label) or (inf, inf)), count * weight)
        for label, count in counts.items()
        if _interval(label) or label == _MISSING
    ]
    return sorted(bins)


def _intervals(counts: Mapping[str, int]) -> list[tuple[float, float]]:
    return [found for label in counts if (found := _interval(label)) is not None]


def _interval(label: str) -> tuple[float, float] | None:
    found = _INTERVAL.fullmatch(label)
    if found is None:
        return None
    try:
        return float(found[1]), float(found[2])
    except ValueError:
        # A category that happens to look like an interval.
        return None
