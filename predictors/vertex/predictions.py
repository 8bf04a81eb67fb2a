# SPDX-License-Identifier: Apache-2.0
"""Vertex AI's answers: from output arrays to one prediction for each instance, with the numbers that V2 would write."""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import orjson

from predictors.signature import Signature, Tensors

#: Texts, what Python's own values hold exactly, and float16, which orjson does not know.
_IN_PYTHON: Final = "OedO?bBhHiIlLqQ"


class PredictionWriter:
    """Writes the answers of one model: the bare value where it has one output, else objects keyed by their names."""

    def __init__(self, signature: Signature) -> None:
        self._names = [spec.name for spec in signature.outputs]

    def write(self, rows: int, outputs: Tensors) -> bytes:
        """Return the body of an answer.

        Args:
            rows: How many instances the request had.
            outputs: The model's outputs for them. One that is not made of rows is told with every instance.
        """
        columns = [_column(outputs[name], rows) for name in self._names]
        if len(columns) == 1:
            return orjson.dumps({"predictions": columns[0]})
        return orjson.dumps({"predictions": [dict(zip(self._names, row, strict=True)) for row in zip(*columns)]})  # noqa: B905 (of one length)


def _column(array: npt.NDArray[np.generic], rows: int) -> Sequence[Any]:
    values = _values(array)
    return values if array.shape[:1] == (rows,) else [values] * rows


def _values(array: npt.NDArray[np.generic]) -> Any:
    if array.dtype.char in _IN_PYTHON:
        return array.tolist()
    # A float32 is written with fewer digits than the float64 that Python would make of it.
    return orjson.loads(orjson.dumps(np.ascontiguousarray(array), option=orjson.OPT_SERIALIZE_NUMPY))
