# SPDX-License-Identifier: Apache-2.0
"""V2 tensors and inference requests, as they are meant and as they are sent."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal, Protocol

Value = bool | int | float | str | None

#: Of each datatype of numbers: its letter in numpy, and its size in bytes. BYTES alone is not among them.
NUMBERS: Final[Mapping[str, str]] = {
    "BOOL": "|u1",
    "UINT8": "|u1",
    "UINT16": "<u2",
    "UINT32": "<u4",
    "UINT64": "<u8",
    "INT8": "|i1",
    "INT16": "<i2",
    "INT32": "<i4",
    "INT64": "<i8",
    "FP16": "<f2",
    "FP32": "<f4",
    "FP64": "<f8",
}

DATATYPES: Final = (*NUMBERS, "BYTES")

#: How far numbers of an answer may lie from those that are known, relative to the larger one.
TOLERANCE: Final = 1e-6


@dataclass(frozen=True)
class Tensor:
    """An input.

    Attributes:
        name: Its name.
        datatype: One of ``DATATYPES``.
        shape: Its dimensions, the first one the rows.
        data: Its values, flat and row-major: booleans for BOOL, integers, floats for FP, texts for BYTES. None is a
            missing value: NaN, or a missing text.
    """

    name: str
    datatype: str
    shape: tuple[int, ...]
    data: tuple[Value, ...]


@dataclass(frozen=True)
class ExpectedTensor:
    """An output as it must come, or as it came; ``data`` is None where only the shape is known."""

    name: str
    datatype: str
    shape: tuple[int, ...]
    data: tuple[Value, ...] | None


@dataclass(frozen=True)
class InferenceRequest:
    """What is asked of a model.

    Attributes:
        inputs: The inputs.
        rows: How many rows the model is asked about.
        expected: The outputs where they are known; an answer may have others too.
        tolerance: How far their numbers may be off, relative to the larger one; whole numbers not at all.
    """

    inputs: tuple[Tensor, ...]
    rows: int
    expected: tuple[ExpectedTensor, ...] | None = None
    tolerance: float = TOLERANCE


@dataclass(frozen=True, eq=False)
class EncodedRequest:
    """A request ready to be sent; compared and hashed by identity, so that it can be a key at no cost.

    Attributes:
        protocol: How it travels.
        path: The path of its URL, or gRPC's method.
        headers: Its own headers of HTTP.
        body: Its bytes.
        request: What it asks.
        binary: Whether tensors are raw bytes instead of JSON.
        model: The model that is asked.
        version: Its version; None: whichever is served.
    """

    protocol: Literal["rest", "grpc"]
    path: str
    headers: Mapping[str, str]
    body: bytes
    request: InferenceRequest
    binary: bool
    model: str
    version: str | None = None


class Encoder(Protocol):
    """Makes the bytes of a request."""

    def __call__(self, request: InferenceRequest, model: str, version: str | None = None) -> EncodedRequest:
        """Return the request to that model, and to that version of it unless it is None."""


def flat(data: object) -> list[object]:
    """Return the values of nested lists in their order; a value alone is a list of one."""
    if not isinstance(data, list):
        return [data]
    if not any(isinstance(value, list) for value in data):
        return data
    return [value for part in data for value in flat(part)]
