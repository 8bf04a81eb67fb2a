# SPDX-License-Identifier: Apache-2.0
"""Calibration: whether of the rows given a probability p a share of p is positive."""

from dataclasses import dataclass
from math import sqrt
from statistics import NormalDist
from typing import Final

import numpy as np
import numpy.typing as npt

from pipelines.evaluation.bootstrap import LEVEL, Interval

BINS: Final = 10


@dataclass(frozen=True)
class CalibrationBin:
    """The rows whose probability lies in one part of [0, 1].

    Attributes:
        low: Its lower end, included.
        high: Its upper end, included in the last bin only.
        rows: How many.
        score: Their mean probability.
        share: The share of them that is positive.
        interval: The 95 % interval of that share (Wilson 1927).
    """

    low: float
    high: float
    rows: int
    score: float
    share: float
    interval: Interval


@dataclass(frozen=True)
class Calibration:
    """How far probabilities can be taken at their word.

    Attributes:
        bins: Those that have rows, in rising order.
        expected_error: The mean over the rows of |share - score| of their bin, in [0, 1] (Naeini, Cooper and
            Hauskrecht, *Obtaining Well Calibrated Probabilities Using Bayesian Binning*, 2015).
        brier_score: The mean squared difference of probability and truth (Brier 1950).
        reference: The Brier score of who always says the share of positive rows.
    """

    bins: tuple[CalibrationBin, ...]
    expected_error: float
    brier_score: float
    reference: float


def calibration(scores: npt.NDArray[np.float64], truth: npt.NDArray[np.bool_], bins: int = BINS) -> Calibration:
    """Return the calibration of probabilities in bins of equal width.

    Args:
        scores: Probabilities of the positive label, (rows,), at least one.
        truth: Whether each row is positive, (rows,).
        bins: How many parts [0, 1] is cut into.
    """
    places = np.minimum((scores * bins).astype(np.int64), bins - 1)
    filled = tuple(_bin(place, bins, scores[places == place], truth[places == place]) for place in np.unique(places))
    error = sum(each.rows * abs(each.share - each.score) for each in filled) / len(scores)
    share = float(truth.mean())
    return Calibration(
        bins=filled,
        expected_error=float(error),
        brier_score=float(np.mean((scores - truth) ** 2)),
        reference=share * (1 - share),
    )


def wilson_interval(positive: int, rows: int, level: float = LEVEL) -> Interval:
    """Return Wilson's score interval of a share (Wilson, *Probable Inference*, 1927).

    Args:
        positive: How many of the rows are.
        rows: At least one.
        level: The probability with which such intervals cover.
    """
    z = NormalDist().inv_cdf((1 + level) / 2)
    share, weight = positive / rows, z * z / rows
    middle = (share + weight / 2) / (1 + weight)
    reach = z * sqrt(share * (1 - share) / rows + weight / (4 * rows)) / (1 + weight)
    # With none or all of the rows one end is the share itself, which rounding may miss.
    return min(max(middle - reach, 0.0), share), max(min(middle + reach, 1.0), share)


def _bin(place: int, bins: int, scores: npt.NDArray[np.float64], truth: npt.NDArray[np.bool_]) -> CalibrationBin:
    return CalibrationBin(
        low=float(place / bins),
        high=float((place + 1) / bins),
        rows=len(scores),
        score=float(scores.mean()),
        share=float(truth.mean()),
        interval=wilson_interval(int(truth.sum()), len(truth)),
    )
