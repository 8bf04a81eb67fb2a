# SPDX-License-Identifier: Apache-2.0
"""Tensors as raw bytes: numbers little-endian and row-major, texts each behind its length in four bytes."""

import struct
from math import nan
from typing import Final

import numpy as np

from loadtests.errors import LoadTestError
from loadtests.payloads.tensors import NUMBERS, Tensor, Value

_LENGTH: Final = struct.Struct("<I")


def to_raw(tensor: Tensor) -> bytes:
    """Return a tensor's bytes.

    Raises:
        LoadTestError: A text is missing, which only JSON can say.
    """
    if tensor.datatype != "BYTES":
        values = [nan if value is None else value for value in tensor.data]
        return np.array(values, dtype=NUMBERS[tensor.datatype]).tobytes()
    parts = []
    for value in tensor.data:
        if value is None:
            raise LoadTestError(f'the input "{tensor.name}" has a missing text; only REST with JSON can send it')
        text = str(value).encode()
        parts += [_LENGTH.pack(len(text)), text]
    return b"".join(parts)


def from_raw(datatype: str, data: bytes) -> tuple[Value, ...]:
    """Return the values in a tensor's bytes; texts that are not UTF-8 keep their bytes as surrogates.

    Raises:
        ValueError: The bytes do not end with a value.
    """
    if datatype == "BYTES":
        return _texts(data)
    values = np.frombuffer(data, dtype=NUMBERS[datatype])
    return tuple((values != 0 if datatype == "BOOL" else values).tolist())


def _texts(data: bytes) -> tuple[Value, ...]:
    texts = []
    start = 0
    while start < len(data):
        if start + _LENGTH.size > len(data):
            raise ValueError("the last length is cut off")
        end = start + _LENGTH.size + _LENGTH.unpack_from(data, start)[0]
        if end > len(data):
            raise ValueError("the last text is cut off")
        texts.append(data[start + _LENGTH.size : end].decode(errors="surrogateescape"))
        start = end
    return tuple(texts)
