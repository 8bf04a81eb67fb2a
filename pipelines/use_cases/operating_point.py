# SPDX-License-Identifier: Apache-2.0
"""The operating point of a binary classifier: a threshold chosen on validation rows, and kept in the model."""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import FixedThresholdClassifier
from sklearn.pipeline import Pipeline

from pipelines.errors import PipelineError

Flags = npt.NDArray[np.bool_]


def lowest_threshold(scores: npt.NDArray[np.float64], holds: Callable[[Flags], bool]) -> float:
    """Return the lowest threshold at which a rule holds for the rows that score at least as much.

    The thresholds tried lie halfway between neighbouring scores. On these rows that is the same as the score above;
    elsewhere a score that differs in its last bits does not change sides.

    Args:
        scores: The rows' scores, (rows,).
        holds: Whether the rule holds when these rows are flagged, (rows,).

    Raises:
        PipelineError: It holds at none of them.
    """
    distinct = np.unique(scores)
    for threshold in (distinct[:-1] + distinct[1:]) / 2:
        if holds(scores >= threshold):
            return float(threshold)
    raise PipelineError(
        "no threshold keeps the rule of the operating point: the model does not separate the labels of the validation "
        "rows enough; look at their labels and columns"
    )


def false_positive_rate(flagged: Flags, positive: Flags) -> float:
    """Return the share of the negative rows that are flagged, NaN when there is none; both are (rows,)."""
    return float((flagged & ~positive).sum() / (~positive).sum()) if not positive.all() else float("nan")


def precision(flagged: Flags, positive: Flags) -> float:
    """Return the share of the flagged rows that are positive, 0 when none is flagged; both are (rows,)."""
    return float((flagged & positive).sum() / max(flagged.sum(), 1))


def recall(flagged: Flags, positive: Flags) -> float:
    """Return the share of the positive rows that are flagged, NaN when there is none; both are (rows,)."""
    return float((flagged & positive).sum() / positive.sum()) if positive.any() else float("nan")


def scores_of(model: Pipeline, rows: Any, positive: str | bool) -> npt.NDArray[np.float64]:
    """Return the probability of the positive class for each row, (rows,)."""
    probabilities: npt.NDArray[np.float64] = model.predict_proba(rows)
    return probabilities[:, model.classes_.tolist().index(positive)]


def threshold_of(model: Any) -> float | None:
    """Return the threshold that ``with_threshold`` has put into a model; None for any other model."""
    last = model[-1] if isinstance(model, Pipeline) else model
    return float(last.threshold) if isinstance(last, FixedThresholdClassifier) else None


def with_threshold(model: Pipeline, threshold: float, positive: str | bool) -> Pipeline:
    """Return the fitted pipeline, whose ``predict`` says ``positive`` from that probability on; nothing is refitted."""
    *before, (name, classifier) = model.steps
    fixed = FixedThresholdClassifier(
        FrozenEstimator(classifier), threshold=threshold, pos_label=positive, response_method="predict_proba"
    )
    # Its fit passes rows on to the frozen classifier, which ignores them; of the classes it wants to see both.
    placeholder = np.zeros((len(classifier.classes_), classifier.n_features_in_))
    return Pipeline([*before, (name, fixed.fit(placeholder, classifier.classes_))])
