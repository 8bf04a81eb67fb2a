# SPDX-License-Identifier: Apache-2.0
"""A V2 inference answer: from output arrays to a body's bytes."""

from collections.abc import Mapping
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
import orjson

from predictors.datatypes import Datatype
from predictors.signature import Signature, Tensors
from predictors.v2.binary import encode_raw
from predictors.v2.request import InferRequest

_OPTIONS: Final = orjson.OPT_SERIALIZE_NUMPY
#: Texts, and float16, which orjson does not know.
_AS_LIST: Final = "Oe"
#: What Python's own numbers hold exactly: a short list of them is written faster than an array.
_AS_LIST_WHEN_FEW: Final = "d?bBhHiIlLqQ"
_FEW: Final = 64


class Answer(NamedTuple):
    """The body of an answer.

    Attributes:
        body: JSON, followed by the raw bytes of binary outputs.
        json_length: The length of the JSON part when there are such; None when all of it is JSON.
    """

    body: bytes
    json_length: int | None


class ResponseWriter:
    """Writes the answers of one model version."""

    def __init__(self, model_name: str, model_version: str, signature: Signature) -> None:
        self._head = {"model_name": model_name, "model_version": model_version}
        self._datatypes: Mapping[str, Datatype] = {spec.name: spec.datatype for spec in signature.outputs}

    def write(self, request: InferRequest, outputs: Tensors) -> Answer:
        """Return the answer, with the outputs that the request asked for, in its order."""
        document: dict[str, object] = dict(self._head)
        if request.id is not None:
            document["id"] = request.id
        names = self._datatypes if request.outputs is None else request.outputs
        if not request.binary:
            document["outputs"] = [self._tensor(name, outputs[name]) for name in names]
            return Answer(orjson.dumps(document, option=_OPTIONS), None)
        tensors: list[dict[str, object]] = []
        raw: list[bytes] = []
        for name in names:
            tensor = self._tensor(name, outputs[name])
            if name in request.binary:
                raw.append(encode_raw(outputs[name]))
                del tensor["data"]
                tensor["parameters"] = {"binary_data_size": len(raw[-1])}
            tensors.append(tensor)
        document["outputs"] = tensors
        head = orjson.dumps(document, option=_OPTIONS)
        return Answer(b"".join((head, *raw)), len(head))

    def _tensor(self, name: str, array: npt.NDArray[np.generic]) -> dict[str, object]:
        return {
            "name": name,
            "datatype": self._datatypes[name],
            "shape": array.shape,
            "data": json_data(array),
        }


def error_body(message: str) -> bytes:
    """Return the JSON body of a refusal: ``{"error": message}``."""
    return orjson.dumps({"error": message})


def json_data(array: npt.NDArray[np.generic]) -> object:
    """Return the array's values, flat and row-major, as something orjson writes with OPT_SERIALIZE_NUMPY."""
    if array.dtype.char in _AS_LIST or (array.size <= _FEW and array.dtype.char in _AS_LIST_WHEN_FEW):
        return array.tolist() if array.ndim == 1 else array.ravel().tolist()
    return np.ascontiguousarray(array).reshape(-1)
