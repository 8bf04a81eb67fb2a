# SPDX-License-Identifier: Apache-2.0
"""The body of an answer, read: JSON, JSON followed by raw tensors, or gRPC's message."""

from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING

import orjson

from loadtests.payloads.raw import from_raw
from loadtests.payloads.tensors import DATATYPES, ExpectedTensor, Value, flat

if TYPE_CHECKING:
    from tritonclient.grpc.service_pb2 import ModelInferResponse


class UnreadableAnswerError(Exception):
    """A body is no V2 answer; the text says why, the same for the same cause."""


@dataclass(frozen=True)
class InferenceAnswer:
    """What a server answered.

    Attributes:
        model: The model it names.
        version: The version of it; "" where it names none.
        outputs: The outputs by name. Values are Python's: booleans for BOOL, integers, floats for FP, texts for BYTES;
            a null is None.
    """

    model: str
    version: str
    outputs: dict[str, ExpectedTensor]


def read_rest(body: bytes, json_length: str | None) -> InferenceAnswer:
    """Return the answer in the body of a REST reply.

    Args:
        body: The body.
        json_length: The header Inference-Header-Content-Length, where there is one: raw tensors follow the JSON.

    Raises:
        UnreadableAnswerError: It is no V2 answer.
    """
    if json_length is not None and not (json_length.isdecimal() and int(json_length) <= len(body)):
        raise UnreadableAnswerError("the length of its JSON is wrong")
    end = len(body) if json_length is None else int(json_length)
    try:
        document = orjson.loads(body[:end])
    except orjson.JSONDecodeError as err:
        raise UnreadableAnswerError("not JSON") from err
    if not isinstance(document, dict) or not isinstance(document.get("outputs"), list):
        raise UnreadableAnswerError("no outputs")
    model, version = document.get("model_name"), document.get("model_version")
    if not isinstance(model, str):
        raise UnreadableAnswerError("no model_name")
    if not isinstance(version, str | None):
        raise UnreadableAnswerError("model_version is not a text")
    raw = memoryview(body)[end:]
    outputs = {}
    for tensor in document["outputs"]:
        output, raw = _rest_output(tensor, raw)
        outputs[output.name] = output
    if raw:
        raise UnreadableAnswerError("more raw data than its outputs take")
    return InferenceAnswer(model, version or "", outputs)


def read_grpc(body: bytes) -> InferenceAnswer:
    """Return the answer in a ``ModelInferResponse``.

    Raises:
        UnreadableAnswerError: It is none.
    """
    from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
    from tritonclient.grpc import service_pb2  # it brings grpc, which only those need who send by it

    try:
        message = service_pb2.ModelInferResponse.FromString(body)
    except DecodeError as err:
        raise UnreadableAnswerError("not a ModelInferResponse") from err
    outputs = {}
    for place, tensor in enumerate(message.outputs):
        values = _grpc_values(message, place)
        outputs[tensor.name] = _checked(tensor.name, tensor.datatype, tuple(tensor.shape), values)
    return InferenceAnswer(message.model_name, message.model_version, outputs)


def _rest_output(tensor: object, raw: memoryview) -> tuple[ExpectedTensor, memoryview]:
    """Return an output, and the raw data that are left for others."""
    match tensor:
        case {"name": str(name), "datatype": str(datatype), "shape": list(shape), "data": list(data)}:
            values = _json_values(name, datatype, flat(data))
        case {
            "name": str(name),
            "datatype": str(datatype),
            "shape": list(shape),
            "parameters": {"binary_data_size": int(size)},
        }:
            if not 0 <= size <= len(raw):
                raise UnreadableAnswerError("less raw data than its outputs take")
            values = _raw_values(name, datatype, bytes(raw[:size]))
            raw = raw[size:]
        case _:
            raise UnreadableAnswerError("an output without name, datatype, shape or data")
    return _checked(name, datatype, tuple(shape), values), raw


def _checked(name: str, datatype: str, shape: tuple[int, ...], values: tuple[Value, ...]) -> ExpectedTensor:
    if not all(type(length) is int and length >= 0 for length in shape):
        raise UnreadableAnswerError(f"{name} has no valid shape")
    if prod(shape) != len(values):
        raise UnreadableAnswerError(f"{name} has another number of values than its shape")
    return ExpectedTensor(name, datatype, shape, values)


def _json_values(name: str, datatype: str, values: list[object]) -> tuple[Value, ...]:
    if datatype.startswith("FP"):
        types: tuple[type, ...] = (float, int, type(None))
    else:
        types = {"BYTES": (str, type(None)), "BOOL": (bool,)}.get(datatype, (int,))
    if not all(type(value) in types for value in values):
        raise UnreadableAnswerError(f"{name} has values that are not {datatype}")
    return tuple(values)  # type: ignore[arg-type]  # each is of a type of Value


def _raw_values(name: str, datatype: str, data: bytes) -> tuple[Value, ...]:
    if datatype not in DATATYPES:
        raise UnreadableAnswerError(f"{name} has an unknown datatype")
    try:
        return from_raw(datatype, data)
    except ValueError as err:
        raise UnreadableAnswerError(f"{name} has raw data that are not {datatype}") from err


def _grpc_values(message: "ModelInferResponse", place: int) -> tuple[Value, ...]:
    tensor = message.outputs[place]
    if message.raw_output_contents:
        if place >= len(message.raw_output_contents):
            raise UnreadableAnswerError("less raw data than its outputs take")
        return _raw_values(tensor.name, tensor.datatype, message.raw_output_contents[place])
    contents = tensor.contents
    match tensor.datatype:
        case "BYTES":
            return tuple(text.decode(errors="surrogateescape") for text in contents.bytes_contents)
        case "BOOL" | "INT64" | "UINT64" | "FP32" | "FP64":
            return tuple(getattr(contents, f"{tensor.datatype.lower()}_contents"))
        case "INT8" | "INT16" | "INT32":
            return tuple(contents.int_contents)
        case "UINT8" | "UINT16" | "UINT32":
            return tuple(contents.uint_contents)
        case _:
            raise UnreadableAnswerError(f"{tensor.name} has a datatype that needs raw data")
