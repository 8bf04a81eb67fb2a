# SPDX-License-Identifier: Apache-2.0
"""Bootstrap intervals of figures that follow from outcomes: rows are drawn again, with replacement, by a seed.

Source of the formulas: B. Efron and R. J. Tibshirani, *An Introduction to the Bootstrap*, 1993, chapters 13 and 14.
"""

import warnings
from collections.abc import Callable, Iterator, Mapping
from statistics import NormalDist
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Interval = tuple[float, float]
Metrics = Callable[[pd.DataFrame], Mapping[str, float | int]]

RESAMPLES: Final = 1_000
LEVEL: Final = 0.95

#: Rows are left out in so many groups at most: the acceleration of means is the same as of single rows.
_GROUPS: Final = 200
#: A figure that more of the resamples than this do not have is too rare for an interval.
_MOST_UNDEFINED: Final = 0.05
_NORMAL: Final = NormalDist()


def drawn(rows: int, seed: int, resamples: int = RESAMPLES) -> Iterator[Ints]:
    """Yield, for each resample, the places of its rows, (rows,); the same for the same seed."""
    random = np.random.default_rng(seed)
    return (random.integers(0, rows, size=rows) for _ in range(resamples))


def intervals(metrics: Metrics, outcomes: pd.DataFrame, seed: int, resamples: int = RESAMPLES) -> dict[str, Interval]:
    """Return the 95 % BCa intervals of those figures that have one.

    Counts have none. Nor has a figure where the resamples say nothing of it: undefined in more than one of twenty of
    them, or nearly always on one side of it, as the share of distinct items is, which drawing twice can only lower.

    Args:
        metrics: Gives the figures of outcomes, or of any of their rows: NaN where they do not say.
        outcomes: One row for each unit that is drawn, at least one.
        seed: Of the draws.
        resamples: How many.
    """
    figures = {name: value for name, value in metrics(outcomes).items() if isinstance(value, float)}
    if not figures:
        return {}
    replicates = replicated(metrics, outcomes, drawn(len(outcomes), seed, resamples), figures)
    left_out = replicated(metrics, outcomes, _without_groups(len(outcomes), seed), figures)
    found = {
        name: bca_interval(value, replicates[:, place], left_out[:, place])
        for place, (name, value) in enumerate(figures.items())
    }
    return {name: interval for name, interval in found.items() if interval is not None}


def replicated(metrics: Metrics, outcomes: pd.DataFrame, places: Iterator[Ints], names: Mapping[str, float]) -> Floats:
    """Return the figures of these names for each selection of the rows, (selections, names)."""
    with warnings.catch_warnings():
        # Where a resample lacks a label, many metrics warn; it is counted as undefined instead.
        warnings.simplefilter("ignore")
        figures = (metrics(outcomes.take(chosen)) for chosen in places)
        return np.array([[float(each[name]) for name in names] for each in figures])


def bca_interval(estimate: float, replicates: Floats, left_out: Floats, level: float = LEVEL) -> Interval | None:
    """Return the bias-corrected and accelerated interval (equations 14.9 to 14.15); None where there is none.

    Args:
        estimate: The figure of all rows.
        replicates: Those of the resamples, (resamples,).
        left_out: Those without one row, or without one of many groups of rows, (groups,).
        level: The probability with which such intervals cover.
    """
    defined = replicates[np.isfinite(replicates)]
    if not np.isfinite(estimate) or len(defined) < (1 - _MOST_UNDEFINED) * len(replicates):
        return None
    below = float(np.mean(defined < estimate) + np.mean(defined == estimate) / 2)
    if not 1 / len(defined) <= below <= 1 - 1 / len(defined):
        return None
    bias, acceleration = _NORMAL.inv_cdf(below), _acceleration(left_out[np.isfinite(left_out)])
    ends = ((1 - level) / 2, (1 + level) / 2)
    low, high = np.quantile(defined, [_corrected(end, bias, acceleration) for end in ends])
    return float(low), float(high)


def percentile_interval(replicates: Floats, level: float = LEVEL) -> Interval | None:
    """Return the percentile interval (equation 13.5); None where too many of the resamples are undefined."""
    defined = replicates[np.isfinite(replicates)]
    if len(defined) < (1 - _MOST_UNDEFINED) * len(replicates):
        return None
    low, high = np.quantile(defined, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def _without_groups(rows: int, seed: int) -> Iterator[Ints]:
    groups = np.array_split(np.random.default_rng(seed).permutation(rows), min(rows, _GROUPS))
    return (np.setdiff1d(np.arange(rows), group) for group in groups if len(group) < rows)


def _acceleration(left_out: Floats) -> float:
    if not len(left_out):
        return 0.0
    deviations = left_out.mean() - left_out
    spread = float(np.sum(deviations**2))
    return float(np.sum(deviations**3)) / (6 * spread**1.5) if spread > 0 else 0.0


def _corrected(end: float, bias: float, acceleration: float) -> float:
    moved = bias + _NORMAL.inv_cdf(end)
    return _NORMAL.cdf(bias + moved / (1 - acceleration * moved))
