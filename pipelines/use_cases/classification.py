# SPDX-License-Identifier: Apache-2.0
"""The outcomes of a binary classifier and the figures that follow from them; NaN where there is nothing to count."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.base import BaseEstimator

from pipelines.use_cases.operating_point import scores_of

Flags = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]


def classified(
    model: BaseEstimator, X: Any, truth: Flags, positive: str | bool, index: "pd.Index[Any]", **more: Any
) -> pd.DataFrame:
    """Return a classifier's outcomes: ``truth``, ``score``, ``flagged``, and more columns for the slices.

    Args:
        model: Fitted, with ``predict`` and ``predict_proba``.
        X: The rows as it takes them.
        truth: Whether each is positive, (rows,).
        positive: The label that is looked for.
        index: What the rows are called.
        more: Further columns, (rows,).
    """
    columns = {"truth": truth, "score": scores_of(model, X, positive), "flagged": model.predict(X) == positive}
    return pd.DataFrame({**columns, **more}, index=index)


def average_precision(scores: Floats, truth: Flags) -> float:
    """Return the sum of (R_n - R_(n-1)) P_n over the distinct scores, highest first; both arrays are (rows,).

    R_n and P_n are recall and precision of the rows that score at least as much: scikit-learn's definition, without
    interpolation. NaN without a positive row.
    """
    if not truth.any():
        return float("nan")
    flagged, found = _counts_down(scores, truth)
    return float(np.sum(np.diff(found, prepend=0) * found / flagged) / found[-1])


def roc_auc(scores: Floats, truth: Flags) -> float:
    """Return the area under the ROC curve by the trapezoidal rule; both arrays are (rows,).

    That is the chance that a positive row scores above a negative one, ties counting half (Hanley and McNeil 1982).
    NaN without a positive or without a negative row.
    """
    if not truth.any() or truth.all():
        return float("nan")
    flagged, found = _counts_down(scores, truth)
    alarms = flagged - found
    steps = np.diff(alarms, prepend=0)
    return float(np.sum(steps * (found - np.diff(found, prepend=0) / 2)) / (found[-1] * alarms[-1]))


def brier_score(scores: Floats, truth: Flags) -> float:
    """Return the mean squared difference of probability and truth (Brier 1950); both arrays are (rows,)."""
    return float(np.mean((scores - truth) ** 2)) if len(scores) else float("nan")


def _counts_down(scores: Floats, truth: Flags) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return, for the distinct scores from the highest on, how many rows score as much, and how many are positive."""
    order = np.argsort(-scores, kind="stable")
    falling = scores[order]
    last = np.append(np.flatnonzero(np.diff(falling)), len(falling) - 1)
    return last + 1, np.cumsum(truth[order])[last]
