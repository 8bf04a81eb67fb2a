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
#: What Python's own values hold exactly: a short list of them is written faster than an array.
_EXACT_IN_PYTHON: Final = "dO?bBhHiIlLqQ"
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
        self._one_row = _OneRow(self._head, signature)

    def write(self, request: InferRequest, outputs: Tensors) -> Answer:
        """Return the answer, with the outputs that the request asked for, in its order."""
        if request.rows == 1 and request.id is None and request.outputs is None and not request.binary:
            body = self._one_row.write(outputs)
            if body is not None:
                return Answer(body, None)
        document: dict[str, object] = dict(self._head)
        if request.id is not None:
            document["id"] = request.id
        names = self._datatypes if request.outputs is None else request.outputs
        tensors: list[dict[str, object]] = []
        raw: list[bytes] = []
        for name in names:
            array = outputs[name]
            tensor: dict[str, object] = {"name": name, "datatype": self._datatypes[name], "shape": array.shape}
            if name in request.binary:
                raw.append(encode_raw(array))
                tensor["parameters"] = {"binary_data_size": len(raw[-1])}
            else:
                tensor["data"] = json_data(array)
            tensors.append(tensor)
        document["outputs"] = tensors
        head = orjson.dumps(document, option=_OPTIONS)
        return Answer(b"".join((head, *raw)), len(head)) if request.binary else Answer(head, None)


class _OneRow:
    """Writes the whole answer to a request of one row, of which all but the values is known beforehand."""

    def __init__(self, head: Mapping[str, object], signature: Signature) -> None:
        self._parts: list[tuple[str, tuple[int, ...], bytes]] = []
        before = orjson.dumps(head)[:-1] + b',"outputs":['
        for spec in signature.outputs:
            shape = (1, *spec.shape[1:])
            tensor = {"name": spec.name, "datatype": spec.datatype, "shape": shape}
            self._parts.append((spec.name, shape, before + orjson.dumps(tensor)[:-1] + b',"data":'))
            before = b"},"

    def write(self, outputs: Tensors) -> bytes | None:
        """Return the body; None where an output has another shape after all."""
        parts: list[bytes] = []
        for name, shape, before in self._parts:
            array = outputs[name]
            if array.shape != shape:
                return None
            parts.append(before)
            if array.dtype.char in _EXACT_IN_PYTHON:
                parts.append(orjson.dumps(array.tolist() if len(shape) == 1 else array.ravel().tolist()))
            else:
                parts.append(orjson.dumps(json_data(array), option=_OPTIONS))
        parts.append(b"}]}")
        return b"".join(parts)


def error_body(message: str) -> bytes:
    """Return the JSON body of a refusal: ``{"error": message}``."""
    return orjson.dumps({"error": message})


def json_data(array: npt.NDArray[np.generic]) -> object:
    """Return the array's values, flat and row-major, as something orjson writes with OPT_SERIALIZE_NUMPY."""
    if array.dtype.char in _AS_LIST or (array.size <= _FEW and array.dtype.char in _EXACT_IN_PYTHON):
        return array.tolist() if array.ndim == 1 else array.ravel().tolist()
    return np.ascontiguousarray(array).reshape(-1)
