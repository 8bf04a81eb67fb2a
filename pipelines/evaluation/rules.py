# SPDX-License-Identifier: Apache-2.0
"""Whether a challenger takes the champion's place: rules over figures, and nothing else."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from pipelines.evaluation.comparison import Comparison, Cost

#: The rule that decided.
Ground = Literal["first", "below floor", "better", "cheaper", "same", "worse", "equal", "not proven"]

#: An equal challenger must be smaller by that share of the champion's size.
CHEAPER_BY: Final = 0.1


@dataclass(frozen=True)
class Decision:
    """Whether to promote, and why.

    Attributes:
        promote: Whether the challenger becomes the champion.
        ground: The rule that decided.
        sentence: The reason with its numbers, for people.
    """

    promote: bool
    ground: Ground
    sentence: str


def decide_first(metrics: Mapping[str, float | int], floors: Mapping[str, float]) -> Decision:
    """Return whether a model that has no champion before it may serve: each floor must be reached.

    Args:
        metrics: Its figures; one that is missing reaches no floor.
        floors: The least value by metric; higher is better.
    """
    missed = [
        f"{name} is {metrics[name]:.4g} and must be {floor:g}" if name in metrics else f"{name} has no value"
        for name, floor in floors.items()
        if not (name in metrics and metrics[name] >= floor)
    ]
    if missed:
        return Decision(False, "below floor", f"not promoted: the first model misses its floor: {'; '.join(missed)}")
    reached = ", ".join(f"{name} {metrics[name]:.4g} >= {floor:g}" for name, floor in floors.items())
    return Decision(True, "first", f"promoted: the first model reaches its floors ({reached or 'it has none'})")


def decide(comparison: Comparison, equal_within: float) -> Decision:
    """Return whether a challenger takes the champion's place.

    It does when the interval of the difference lies above 0, or when all of the interval lies within the margin and
    the challenger is smaller by a tenth at least.

    Args:
        comparison: Both on the same rows.
        equal_within: The margin of the primary metric within which two models are equal.
    """
    figures = _figures(comparison)
    ours, theirs = comparison.challenger_cost, comparison.champion_cost
    if comparison.interval is None:
        return Decision(False, "not proven", f"kept: the test rows are too few to compare: {figures}")
    low, high = comparison.interval
    equal = -equal_within <= low and high <= equal_within
    if low > 0:
        return Decision(True, "better", f"promoted: the challenger is better: {figures}")
    if equal and ours.size <= (1 - CHEAPER_BY) * theirs.size:
        return Decision(True, "cheaper", f"promoted: the challenger is equal and {_saving(ours, theirs)}: {figures}")
    ground, why = _kept(comparison, equal_within, equal=equal)
    return Decision(False, ground, f"kept: the challenger {why}: {figures}")


def _kept(comparison: Comparison, equal_within: float, *, equal: bool) -> tuple[Ground, str]:
    if comparison.identical:
        return "same", "answers just as the champion does"
    if comparison.interval is not None and comparison.interval[1] < 0:
        return "worse", "is worse"
    if equal:
        sizes = f"{comparison.challenger_cost.size:,} bytes against {comparison.champion_cost.size:,}"
        return "equal", f"is equal within {equal_within:g} and not cheaper by a tenth ({sizes})"
    return "not proven", "is not proven better"


def _figures(comparison: Comparison) -> str:
    told = f"{comparison.metric} {comparison.challenger:.4f} against {comparison.champion:.4f}"
    if comparison.interval is None:
        return f"{told} on {comparison.rows:,} rows"
    low, high = comparison.interval
    span = f"95 % interval {low:+.4f} to {high:+.4f}"
    return f"{told} on {comparison.rows:,} rows, difference {comparison.difference:+.4f} ({span})"


def _saving(ours: Cost, theirs: Cost) -> str:
    return f"{1 - ours.size / theirs.size:.0%} smaller ({ours.size:,} bytes against {theirs.size:,})"
