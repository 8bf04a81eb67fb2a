# SPDX-License-Identifier: Apache-2.0
"""Raw tensors, as gRPC's ``raw_input_contents`` and REST's binary tensor extension carry them.

Numbers are little-endian and row-major. Each BYTES element is its length, four bytes little-endian, and its bytes.
"""

import struct
import sys
from math import prod
from typing import Final

import numpy as np
import numpy.typing as npt

from predictors.datatypes import DTYPES, Datatype
from predictors.errors import InvalidRequestError

_LENGTH: Final = struct.Struct("<I")
_SWAP: Final = sys.byteorder == "big"


def decode_raw(
    name: str, datatype: Datatype, shape: tuple[int, ...], data: bytes | memoryview
) -> npt.NDArray[np.generic]:
    """Return the tensor in raw bytes; nothing is allocated before their length is found right.

    Args:
        name: The tensor's name, for errors.
        datatype: What the request declared.
        shape: Its declared shape.
        data: Its bytes. The array may share their memory and is not to be written to.

    Raises:
        InvalidRequestError: Too few or too many bytes, or BYTES that are not UTF-8.
    """
    if datatype == "BYTES":
        return _decode_texts(name, shape, memoryview(data))
    dtype = DTYPES[datatype]
    needed = prod(shape) * dtype.itemsize
    if len(data) != needed:
        raise InvalidRequestError(
            f'input "{name}" has {len(data)} bytes of data, {datatype} of shape {list(shape)} needs {needed}'
        )
    if datatype == "BOOL" and max(bytes(data), default=0) > 1:
        raise InvalidRequestError(f'input "{name}" (BOOL) takes bytes of 0 or 1')
    array = np.frombuffer(data, dtype=dtype)
    return (array.byteswap() if _SWAP else array).reshape(shape)


def encode_raw(array: npt.NDArray[np.generic]) -> bytes:
    """Return the raw bytes of a tensor; texts are UTF-8, a missing one is empty."""
    if array.dtype == object:
        parts: list[bytes] = []
        for value in array.ravel().tolist():
            text = b"" if value is None else str(value).encode()
            parts += (_LENGTH.pack(len(text)), text)
        return b"".join(parts)
    return np.ascontiguousarray(array.byteswap() if _SWAP else array).tobytes()


def _decode_texts(name: str, shape: tuple[int, ...], data: memoryview) -> npt.NDArray[np.generic]:
    count = prod(shape)
    texts: list[str] = []
    place = 0
    # Each element takes four bytes at least, so an absurd shape ends here and not in an allocation.
    while place < len(data) and len(texts) < count:
        start = place + _LENGTH.size
        if start > len(data):
            break
        place = start + _LENGTH.unpack_from(data, start - _LENGTH.size)[0]
        if place > len(data):
            break
        texts.append(text_of(name, bytes(data[start:place])))
    if len(texts) != count or place != len(data):
        raise InvalidRequestError(
            f'input "{name}" has data that is not {count} BYTES elements, each four bytes of length and its bytes'
        )
    return np.array(texts, dtype=object).reshape(shape)


def text_of(name: str, value: bytes) -> str:
    """Return a BYTES element as text; InvalidRequestError when it is not UTF-8."""
    try:
        return value.decode()
    except UnicodeDecodeError as err:
        raise InvalidRequestError(f'input "{name}" (BYTES) has an element that is not UTF-8') from err
