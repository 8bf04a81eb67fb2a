# SPDX-License-Identifier: Apache-2.0
"""The threshold that scikit-learn's meta-estimators put behind a binary classifier, and the classifier inside."""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import FixedThresholdClassifier, TunedThresholdClassifierCV
from sklearn.pipeline import Pipeline


class OperatingPoint(NamedTuple):
    """From which probability on a row gets which label.

    Attributes:
        column: The column of the probabilities that is looked at.
        threshold: The smallest probability that counts.
        labels: The label below it, and from it on.
    """

    column: int
    threshold: float
    labels: npt.NDArray[np.generic]


def unwrapped(estimator: BaseEstimator) -> tuple[BaseEstimator, OperatingPoint | None]:
    """Return the fitted estimator without what only stands around it, and the threshold if there was one.

    That is a search around its best estimator, a frozen frame, a threshold of probabilities, and the idle steps of a
    Pipeline. Nothing is copied or changed: a Pipeline becomes a new one of the same fitted steps, or its only step.
    """
    if hasattr(estimator, "best_estimator_"):
        return unwrapped(estimator.best_estimator_)
    if isinstance(estimator, FrozenEstimator):
        return unwrapped(estimator.estimator)
    if isinstance(estimator, Pipeline):
        *before, (name, last) = [step for step in estimator.steps if step[1] not in (None, "passthrough")]
        inner, point = unwrapped(last)
        return (Pipeline([*before, (name, inner)]) if before else inner), point
    if isinstance(estimator, FixedThresholdClassifier | TunedThresholdClassifierCV):
        inner, _ = unwrapped(estimator.estimator_)
        if estimator.response_method != "decision_function" and hasattr(inner, "predict_proba"):
            return inner, _point(estimator)
    return estimator, None


def _point(estimator: Any) -> OperatingPoint:
    fixed = isinstance(estimator, FixedThresholdClassifier)
    threshold = estimator.threshold if fixed else estimator.best_threshold_
    positive = estimator.pos_label if fixed else estimator._curve_scorer._get_pos_label()
    classes = np.asarray(estimator.classes_)
    column = 1 if positive is None else int(np.flatnonzero(classes == positive)[0])
    return OperatingPoint(
        column=column,
        threshold=0.5 if threshold == "auto" else float(threshold),
        labels=classes[[1 - column, column]],
    )
