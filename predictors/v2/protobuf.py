# SPDX-License-Identifier: Apache-2.0
"""V2 inference in protobuf: from a message's bytes to a valid request, and from output arrays to a message's bytes."""

from typing import Any, Final

import numpy as np
import numpy.typing as npt
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

from predictors.datatypes import Datatype
from predictors.errors import InvalidRequestError
from predictors.signature import Signature, Tensors
from predictors.v2.binary import encode_raw, text_of
from predictors.v2.messages import ModelInferRequest, ModelInferResponse
from predictors.v2.request import InferRequest, RequestReader, timeout_of
from predictors.v2.tensor import TensorReader

#: Where the typed contents of a datatype stand; FP16 has none, so it travels as raw contents only.
_CONTENTS: Final[dict[Datatype, str]] = {
    "BOOL": "bool_contents",
    "INT8": "int_contents",
    "INT16": "int_contents",
    "INT32": "int_contents",
    "INT64": "int64_contents",
    "UINT8": "uint_contents",
    "UINT16": "uint_contents",
    "UINT32": "uint_contents",
    "UINT64": "uint64_contents",
    "FP32": "fp32_contents",
    "FP64": "fp64_contents",
    "BYTES": "bytes_contents",
}


def parse_message(message_type: Any, body: bytes) -> Any:
    """Return the message in a body; InvalidRequestError when it holds none of that type."""
    try:
        return message_type.FromString(body)
    except DecodeError as err:
        raise InvalidRequestError(f"the message is no {message_type.DESCRIPTOR.full_name}") from err


def parse_infer(body: bytes) -> Any:
    """Return the ``ModelInferRequest`` in a body, its tensors still to be checked; raises as ``parse_message``."""
    return parse_message(ModelInferRequest, body)


def read_infer(reader: RequestReader, message: Any) -> InferRequest:
    """Return the request in a ``ModelInferRequest``; its outputs come back raw when its inputs came so.

    Args:
        reader: Knows what the model takes.
        message: The message; raw arrays share its memory.

    Raises:
        InvalidRequestError: The message does not fit the model's signature.
    """
    inputs, raw = message.inputs, message.raw_input_contents
    if not inputs:
        raise InvalidRequestError('"inputs" must be a list with one object for each input tensor')
    if raw and len(raw) != len(inputs):
        raise InvalidRequestError(
            f'"raw_input_contents" must have one element for each input: {len(raw)} for {len(inputs)}'
        )
    arrays: dict[str, npt.NDArray[np.generic]] = {}
    for place, tensor in enumerate(inputs):
        of_input = reader.tensor(tensor.name, arrays)
        if raw:
            if tensor.HasField("contents") and tensor.contents.ByteSize():
                raise InvalidRequestError(f'input "{of_input.name}" has "contents", and "raw_input_contents" too')
            arrays[of_input.name] = of_input.read_raw(tensor.datatype, list(tensor.shape), raw[place])
        else:
            arrays[of_input.name] = _read_typed(of_input, tensor)
    asked = [{"name": output.name} for output in message.outputs] or None
    names, binary = reader.outputs(asked, all_binary=bool(raw))
    timeout = _timeout(message.parameters) if message.parameters else None
    complete = reader.complete(arrays)
    return InferRequest(message.id or None, complete, reader.rows(complete), names, binary, timeout)


def write_infer(name: str, version: str, signature: Signature, request: InferRequest, outputs: Tensors) -> bytes:
    """Return the ``ModelInferResponse`` with the outputs that the request asked for, in its order.

    Args:
        name: The model's name.
        version: Its version.
        signature: Its tensors.
        request: The request.
        outputs: All outputs of the model.
    """
    message = ModelInferResponse(model_name=name, model_version=version)
    if request.id is not None:
        message.id = request.id
    datatypes = {spec.name: spec.datatype for spec in signature.outputs}
    names = request.outputs or tuple(datatypes)
    # One tensor that has no typed contents makes all of them raw: a message is the one or the other.
    raw = bool(request.binary) or any(datatypes[name] not in _CONTENTS for name in names)
    for output in names:
        array, datatype = outputs[output], datatypes[output]
        tensor = message.outputs.add(name=output, datatype=datatype, shape=array.shape)
        if raw:
            message.raw_output_contents.append(encode_raw(array))
        else:
            getattr(tensor.contents, _CONTENTS[datatype]).extend(_values(array))
    body: bytes = message.SerializeToString()
    return body


def _read_typed(reader: TensorReader, tensor: Any) -> npt.NDArray[np.generic]:
    datatype = reader.check_datatype(tensor.datatype)
    shape = reader.check_shape(list(tensor.shape))
    place = _CONTENTS.get(datatype)
    if place is None:
        raise InvalidRequestError(f'input "{reader.name}" ({datatype}) has no typed contents; send it as raw ones')
    for field, _ in tensor.contents.ListFields():
        if field.name != place:
            raise InvalidRequestError(
                f'input "{reader.name}" ({datatype}) takes its values in "{place}", the request has "{field.name}"'
            )
    values = getattr(tensor.contents, place)
    if datatype == "BYTES":
        return reader.from_values([text_of(reader.name, value) for value in values], shape)
    return reader.from_values(list(values), shape)


def _timeout(parameters: Any) -> float | None:
    if "timeout" not in parameters:
        return None
    parameter = parameters["timeout"]
    kind = parameter.WhichOneof("parameter_choice")
    return None if kind is None else timeout_of(getattr(parameter, kind))


def _values(array: npt.NDArray[np.generic]) -> list[Any]:
    values: list[Any] = array.ravel().tolist()
    if array.dtype == object:
        return [b"" if value is None else str(value).encode() for value in values]
    return values
