# SPDX-License-Identifier: Apache-2.0
"""The scorer that always works: the scikit-learn object itself."""

from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
from scipy import sparse
from sklearn.base import BaseEstimator, is_classifier, is_regressor

from predictors.errors import PackingError
from predictors.model_inputs import Layout, Rows, assemble
from predictors.signature import Tensors, TensorSpec


class EstimatorScorer:
    """Calls the fitted estimator's own methods.

    A classifier gives ``label`` and, where it has them, ``probabilities`` (one tensor ``probabilities_<i>`` for each
    target of several); a regressor ``prediction``; a clusterer or outlier detector ``label``; a transformer
    ``output``. Labels are what ``predict`` says, never an argmax of our own: a tuned threshold is thus honoured.
    """

    name: ClassVar[str] = "estimator"
    inline: ClassVar[bool] = False

    def __init__(self, estimator: BaseEstimator, inputs: tuple[TensorSpec, ...], layout: Layout) -> None:
        self._specs = inputs
        self._layout = layout
        self._methods = _output_methods(estimator)

    def score(self, inputs: Tensors) -> Tensors:
        """Return the estimator's outputs, (rows,) or (rows, columns)."""
        return self.score_rows(assemble(inputs, self._specs, self._layout))

    def score_rows(self, rows: Rows) -> dict[str, npt.NDArray[np.generic]]:
        """Return the outputs for rows that already are as the estimator takes them."""
        outputs: dict[str, npt.NDArray[np.generic]] = {}
        for name, method in self._methods:
            result = method(rows)
            if isinstance(result, list):
                outputs.update({f"{name}_{place}": _dense(part) for place, part in enumerate(result)})
            else:
                outputs[name] = _dense(result)
        return outputs


def _output_methods(estimator: BaseEstimator) -> list[tuple[str, Any]]:
    if is_classifier(estimator):
        methods = [("label", estimator.predict)]
        if hasattr(estimator, "predict_proba"):
            methods.append(("probabilities", estimator.predict_proba))
        return methods
    if is_regressor(estimator):
        return [("prediction", estimator.predict)]
    if hasattr(estimator, "predict"):
        return [("label", estimator.predict)]
    if hasattr(estimator, "transform"):
        return [("output", estimator.transform)]
    raise PackingError(
        f"{type(estimator).__name__} has neither predict nor transform; a model must have one to answer requests"
    )


def _dense(result: Any) -> npt.NDArray[np.generic]:
    array = np.asarray(result.toarray() if sparse.issparse(result) else result)
    return array.astype(object) if array.dtype.kind in "UST" else array
