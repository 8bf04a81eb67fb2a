# SPDX-License-Identifier: Apache-2.0
"""What a classifier would do at other thresholds: its ROC and its precision-recall curve, in few points."""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

MOST_POINTS: Final = 50


@dataclass(frozen=True)
class CurvePoint:
    """What comes of one threshold, from which on rows are flagged.

    Attributes:
        threshold: Finite.
        recall: The share of the positive rows that are flagged: the true positive rate.
        false_positive_rate: The share of the negative rows that are flagged.
        precision: The share of the flagged rows that are positive; 1 where none is flagged.
    """

    threshold: float
    recall: float
    false_positive_rate: float
    precision: float


def curve(scores: Floats, truth: Flags, most: int = MOST_POINTS) -> tuple[CurvePoint, ...]:
    """Return points of both curves from the highest threshold, where nothing is flagged, to the lowest, where all is.

    Corners of the ROC curve are kept before points on its straight parts; where there are too many, they are thinned
    evenly, the first and the last left in.

    Args:
        scores: (rows,).
        truth: Whether each row is positive, (rows,), with both kinds among them.
        most: How many points at most.
    """
    order = np.argsort(-scores, kind="stable")
    falling = scores[order]
    last = np.append(np.flatnonzero(np.diff(falling)), len(falling) - 1)
    found = np.concatenate(([0], np.cumsum(truth[order])[last]))
    alarms = np.concatenate(([0], last + 1)) - found
    thresholds = np.concatenate(([np.nextafter(falling[0], np.inf)], falling[last]))
    kept = _thinned(_corners(found, alarms), most)
    return tuple(
        CurvePoint(
            threshold=float(thresholds[place]),
            recall=float(found[place] / found[-1]),
            false_positive_rate=float(alarms[place] / alarms[-1]),
            precision=float(found[place] / (found[place] + alarms[place])) if place else 1.0,
        )
        for place in kept.tolist()
    )


def _corners(found: npt.NDArray[np.int64], alarms: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Return the places where the ROC curve changes its direction, and its ends."""
    up, right = np.diff(found), np.diff(alarms)
    turns = up[1:] * right[:-1] != up[:-1] * right[1:]
    return np.flatnonzero(np.concatenate(([True], turns, [True])))


def _thinned(places: npt.NDArray[np.int64], most: int) -> npt.NDArray[np.int64]:
    if len(places) <= most:
        return places
    return places[np.linspace(0, len(places) - 1, most).round().astype(np.int64)]
