# SPDX-License-Identifier: Apache-2.0
"""From a fitted scikit-learn estimator to the numbers and words that its outputs are computed from."""

from typing import Any, Final, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import sparse
from sklearn import linear_model, svm
from sklearn.base import BaseEstimator, is_classifier
from sklearn.model_selection import FixedThresholdClassifier
from sklearn.pipeline import Pipeline

from predictors.linear.document import (
    BinaryClassification,
    LinearDocument,
    LinearMap,
    MulticlassClassification,
    Regression,
)
from predictors.linear.errors import NotLinearError
from predictors.linear.scaling import scaling_steps
from predictors.linear.text import text_features
from predictors.model_inputs import Layout
from predictors.onnx.operating_point import OperatingPoint, unwrapped
from predictors.signature import Signature

_LOGISTIC: Final = (linear_model.LogisticRegression, linear_model.LogisticRegressionCV)

_CLASSIFIERS: Final = (
    *_LOGISTIC,
    linear_model.Perceptron,
    linear_model.RidgeClassifier,
    linear_model.RidgeClassifierCV,
    linear_model.SGDClassifier,
    svm.LinearSVC,
)

_REGRESSORS: Final = (
    linear_model.ARDRegression,
    linear_model.BayesianRidge,
    linear_model.ElasticNet,
    linear_model.ElasticNetCV,
    linear_model.HuberRegressor,
    linear_model.Lars,
    linear_model.LarsCV,
    linear_model.Lasso,
    linear_model.LassoCV,
    linear_model.LassoLars,
    linear_model.LassoLarsCV,
    linear_model.LassoLarsIC,
    linear_model.LinearRegression,
    linear_model.MultiTaskElasticNet,
    linear_model.MultiTaskElasticNetCV,
    linear_model.MultiTaskLasso,
    linear_model.MultiTaskLassoCV,
    linear_model.OrthogonalMatchingPursuit,
    linear_model.OrthogonalMatchingPursuitCV,
    linear_model.QuantileRegressor,
    linear_model.Ridge,
    linear_model.RidgeCV,
    linear_model.SGDRegressor,
    linear_model.TheilSenRegressor,
    svm.LinearSVR,
)

#: A score above zero, as a threshold that counts itself.
_ABOVE_ZERO: Final = float(np.nextafter(0.0, 1.0))


def convert(estimator: BaseEstimator, signature: Signature, layout: Layout) -> LinearDocument:
    """Return the document of a linear model; whether it is equal is still to be proven.

    Args:
        estimator: The fitted estimator: a linear model, alone or as the end of a Pipeline, with or without a
            threshold or a search around it.
        signature: The tensors it takes and gives.
        layout: What it was fitted on.

    Raises:
        NotLinearError: It is none of those that a direct scorer computes.
    """
    core, point = unwrapped(estimator)
    *before, last = _flat(core)
    inside, cut = _without_cut(last)
    before, model = [*before, *inside[:-1]], inside[-1]
    if type(model) not in (*_CLASSIFIERS, *_REGRESSORS):
        raise NotLinearError(f"{type(model).__name__} is not one of the linear models that a direct scorer computes")
    task = _classification(model, point, cut) if is_classifier(model) else Regression()
    linear = _linear_map(model)
    if layout == "texts":
        return LinearDocument(text=text_features(before, signature.inputs), linear=linear, task=task)
    steps = scaling_steps(before, signature.inputs)
    return LinearDocument(columns_first=layout == "frame", steps=steps, linear=linear, task=task)


def _flat(estimator: Any) -> list[Any]:
    if not isinstance(estimator, Pipeline):
        return [estimator]
    steps = [step for _, step in estimator.steps if step not in (None, "passthrough")]
    return [part for step in steps for part in _flat(step)]


class _Cut(NamedTuple):
    """A threshold on scores: the class that is said from it on, and its value."""

    positive: Any
    threshold: float


def _without_cut(last: Any) -> tuple[list[Any], _Cut | None]:
    """Return the steps within a fixed threshold on scores; those on probabilities are unwrapped already."""
    if not isinstance(last, FixedThresholdClassifier):
        return [last], None
    inner, point = unwrapped(last.estimator_)
    if point is not None:
        raise NotLinearError("it has a threshold behind another one")
    threshold = 0.0 if last.threshold == "auto" else float(last.threshold)
    return _flat(inner), _Cut(last.pos_label, threshold)


def _linear_map(model: Any) -> LinearMap:
    if sparse.issparse(model.coef_):
        raise NotLinearError("its coefficients are sparse")
    coefficients = np.asarray(model.coef_)
    matrix = np.atleast_2d(coefficients)
    intercepts = np.asarray(model.intercept_)
    if {coefficients.dtype, intercepts.dtype} != {np.dtype(np.float64)}:
        raise NotLinearError(f"its coefficients are {coefficients.dtype}; direct scorers compute in float64")
    if not (np.isfinite(coefficients).all() and np.isfinite(intercepts).all()):
        raise NotLinearError("its coefficients are not finite")
    return LinearMap(
        coefficients=matrix.tolist(),
        intercepts=np.broadcast_to(intercepts, (len(matrix),)).tolist(),
        vector=coefficients.ndim == 1,
        order="C" if matrix.flags.c_contiguous else "F",
    )


def _classification(
    model: Any, point: OperatingPoint | None, cut: _Cut | None
) -> BinaryClassification | MulticlassClassification:
    classes = np.asarray(model.classes_)
    dtype, labels = _labels(classes)
    if len(classes) > 2:  # noqa: PLR2004
        return MulticlassClassification(labels=labels, labels_dtype=dtype, probabilities=_of_several(model))
    if len(classes) != 2 or len(np.atleast_2d(model.coef_)) != 1:  # noqa: PLR2004
        raise NotLinearError("it has neither two classes and one score, nor a score for each class")
    if point is None:
        backwards = cut is not None and cut.positive is not None and bool(classes[0] == cut.positive)
        return BinaryClassification(
            labels=labels[::-1] if backwards else labels,
            labels_dtype=dtype,
            observed="negative_score" if backwards else "score",
            threshold=_ABOVE_ZERO if cut is None else cut.threshold,
            probabilities="logistic" if _is_logistic(model) else None,
        )
    if not _is_logistic(model):
        raise NotLinearError("its threshold is on probabilities that it has otherwise than by the logistic function")
    dtype, labels = _labels(point.labels)
    return BinaryClassification(
        labels=labels,
        labels_dtype=dtype,
        observed="second_probability" if point.column == 1 else "first_probability",
        threshold=point.threshold,
        probabilities="logistic",
    )


def _of_several(model: Any) -> Literal["softmax", "one_vs_rest"] | None:
    if isinstance(model, _LOGISTIC):
        return "softmax"
    return "one_vs_rest" if _is_logistic(model) else None


def _is_logistic(model: Any) -> bool:
    if isinstance(model, linear_model.SGDClassifier) and model.loss == "modified_huber":
        raise NotLinearError("its probabilities are made of the modified Huber loss")
    return hasattr(model, "predict_proba")


def _labels(classes: npt.NDArray[np.generic]) -> tuple[str, list[Any]]:
    dtype = np.dtype(object) if classes.dtype.kind in "UST" else classes.dtype
    labels = classes.tolist()
    if dtype.kind not in "Obiuf" or (dtype.kind == "O" and not all(type(label) is str for label in labels)):
        raise NotLinearError("its labels are neither texts nor plain numbers")
    return dtype.name, labels
