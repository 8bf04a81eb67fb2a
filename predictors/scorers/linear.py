# SPDX-License-Identifier: Apache-2.0
"""The scorer of linear models on numbers: numpy alone, bit for bit what scikit-learn computes."""

from collections.abc import Callable
from functools import partial
from math import isfinite
from typing import Any, ClassVar, Final, TypeAlias

import numpy as np
import numpy.typing as npt

from predictors.errors import ArtifactError
from predictors.linear.document import LinearDocument, ScalingStep
from predictors.scorers.linear_outputs import linear_outputs
from predictors.signature import Tensors, TensorSpec

_Rows: TypeAlias = npt.NDArray[Any]

_OPERATIONS: Final[dict[str, Callable[[_Rows, _Rows], _Rows]]] = {
    "subtract": np.subtract,
    "divide": np.divide,
    "multiply": np.multiply,
    "add": np.add,
}


class LinearScorer:
    """Scales rows as the model's scalers do, multiplies them with its coefficients, and reads off its outputs.

    The products are numpy's own matrix products of arrays laid out as scikit-learn lays them out, so that BLAS adds
    in the same order.
    """

    name: ClassVar[str] = "linear"
    inline: ClassVar[bool] = True

    def __init__(self, document: LinearDocument, inputs: tuple[TensorSpec, ...]) -> None:
        """Lay out the model's numbers.

        Args:
            document: The model.
            inputs: Its input tensors: one matrix, or one tensor for each column.

        Raises:
            ArtifactError: They have another number of columns than the model has coefficients.
        """
        linear = document.linear
        columns = sum(len(spec.columns) for spec in inputs)
        if columns != len(linear.coefficients[0]):
            raise ArtifactError(
                f"linear.json: it has {len(linear.coefficients[0])} coefficients, the signature {columns} columns"
            )
        self._rows = _row_reader(inputs, columns_first=document.columns_first)
        self._steps = [_operation(step) for step in document.steps]
        self._clips = any(step.operation == "clip" for step in document.steps)
        matrix = np.array(linear.coefficients, dtype=np.float64, order=linear.order)
        self._weights = matrix[0] if linear.vector else matrix.T
        self._intercepts = np.array([linear.intercepts], dtype=np.float64)
        self._intercept = linear.intercepts[0]
        self._has_one_score = len(linear.intercepts) == 1
        self._outputs = linear_outputs(document)
        self._of_score = self._outputs.of_score

    def score(self, inputs: Tensors) -> Tensors:
        """Return the model's outputs, (rows,) or (rows, columns).

        Args:
            inputs: The signature's input tensors.

        Raises:
            ValueError: There is no row, or a value that is missing, infinite, or so after scaling.
        """
        rows = self._rows(inputs)
        if self._clips and not np.isfinite(rows).all():
            raise ValueError("the rows have a value that is missing or infinite")
        scaled = rows
        for operation, values in self._steps:
            scaled = operation(scaled, values)
        product = scaled @ self._weights
        if self._has_one_score and len(rows) == 1:
            score = product.item() + self._intercept
            if not isfinite(score):
                _require_finite(scaled)
            return self._of_score(score)
        if not len(rows):
            raise ValueError("there are no rows")
        scores = product.reshape(len(rows), -1) + self._intercepts
        # The sum of a single row is faster than isfinite, and is not finite where one of its scores is not.
        if not (isfinite(sum(scores[0].tolist())) if len(rows) == 1 else np.isfinite(scores).all()):
            _require_finite(scaled)
        return self._outputs.of_scores(scores)


def _operation(step: ScalingStep) -> tuple[Callable[[_Rows, _Rows], _Rows], _Rows]:
    if step.operation == "clip":
        return _clip, np.array(step.values, dtype=np.float64)
    # One row of its own, since two arrays of the same shape spare numpy the broadcasting.
    return _OPERATIONS[step.operation], np.array([step.values], dtype=np.float64)


def _clip(rows: _Rows, limits: _Rows) -> _Rows:
    return np.clip(rows, limits[0], limits[1])


def _require_finite(rows: _Rows) -> None:
    # Whatever is not finite in a row makes its score so too; large finite numbers also may.
    if not np.isfinite(rows).all():
        raise ValueError("the rows have a value that is missing or infinite, or too large to be scaled")


def _row_reader(inputs: tuple[TensorSpec, ...], *, columns_first: bool) -> Callable[[Tensors], _Rows]:
    names = [spec.name for spec in inputs]
    if len(inputs[0].shape) > 1:
        return partial(_matrix_by_columns if columns_first else _matrix, names[0])
    return partial(_columns, names, columns_first)


def _matrix(name: str, inputs: Tensors) -> _Rows:
    return inputs[name]


def _matrix_by_columns(name: str, inputs: Tensors) -> _Rows:
    return np.asfortranarray(inputs[name])


def _columns(names: list[str], columns_first: bool, inputs: Tensors) -> _Rows:
    columns = [inputs[name] for name in names]
    if len(columns[0]) == 1:
        return np.array([[column.item() for column in columns]], dtype=np.float64)
    rows = np.empty((len(columns[0]), len(columns)), order="F" if columns_first else "C")
    for place, column in enumerate(columns):
        rows[:, place] = column
    return rows
