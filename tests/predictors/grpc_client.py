# SPDX-License-Identifier: Apache-2.0
"""A client that sends bytes over gRPC's own channel, for tests: nothing between the test and the wire checks them."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import grpc
import numpy as np
import numpy.typing as npt

from predictors.v2.binary import encode_raw
from predictors.v2.messages import SERVICE, ModelInferRequest, ModelInferResponse, message_class

#: Longer than any answer takes; a test that reaches it fails with DEADLINE_EXCEEDED.
SECONDS = 60


class GrpcClient:
    """Asks one server."""

    def __init__(self, channel: grpc.Channel) -> None:
        self.channel = channel

    def send(self, path: str, body: bytes, *, timeout: float = SECONDS, **options: Any) -> bytes:
        """Return the bytes of the answer; grpc.RpcError for any status but OK."""
        ask = self.channel.unary_unary(path, bytes, bytes)
        answer: bytes = ask(body, timeout=timeout, wait_for_ready=True, **options)
        return answer

    def call(self, method: str, **fields: Any) -> Any:
        """Return the answer of one of the service's methods."""
        body = message_class(f"{method}Request")(**fields).SerializeToString()
        return message_class(f"{method}Response").FromString(self.send(f"/{SERVICE}/{method}", body))

    def infer(self, message: Any, **options: Any) -> Any:
        """Return the answer to a ModelInferRequest, or to bytes in its place."""
        body = message if isinstance(message, bytes) else message.SerializeToString()
        return ModelInferResponse.FromString(self.send(f"/{SERVICE}/ModelInfer", body, **options))

    def refusal(self, message: Any, **options: Any) -> tuple[grpc.StatusCode, str]:
        """Return status and sentence of an inference request that must fail."""
        try:
            answer = self.infer(message, **options)
        except grpc.RpcError as err:
            return err.code(), err.details() or ""
        raise AssertionError(f"it was answered: {answer}")

    def outcome(self, message: Any, **options: Any) -> grpc.StatusCode:
        """Return the status of an inference request, whatever it is."""
        try:
            self.infer(message, **options)
        except grpc.RpcError as err:
            code: grpc.StatusCode = err.code()
            return code
        return grpc.StatusCode.OK


@contextmanager
def grpc_client(port: int, **options: int) -> Iterator[GrpcClient]:
    """Connect to a server on this machine; the options are the channel's, with ``_`` for the dots after ``grpc.``."""
    sizes = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]
    told = [(f"grpc.{name}", value) for name, value in options.items()]
    with grpc.insecure_channel(f"127.0.0.1:{port}", options=[*sizes, *told]) as channel:
        yield GrpcClient(channel)


def raw_request(model: str, inputs: dict[str, tuple[str, npt.NDArray[Any]]], **fields: Any) -> Any:
    """Return a ModelInferRequest with raw contents: names to datatypes and arrays."""
    message = ModelInferRequest(model_name=model, **fields)
    for name, (datatype, array) in inputs.items():
        message.inputs.add(name=name, datatype=datatype, shape=array.shape)
        message.raw_input_contents.append(encode_raw(array))
    return message


def typed_request(model: str, inputs: dict[str, tuple[str, str, npt.NDArray[Any]]], **fields: Any) -> Any:
    """Return a ModelInferRequest with typed contents: names to datatypes, fields of the contents, and arrays."""
    message = ModelInferRequest(model_name=model, **fields)
    for name, (datatype, field, array) in inputs.items():
        tensor = message.inputs.add(name=name, datatype=datatype, shape=array.shape)
        values = array.ravel().tolist()
        getattr(tensor.contents, field).extend(value.encode() if datatype == "BYTES" else value for value in values)
    return message


def outputs_of(answer: Any) -> dict[str, list[Any]]:
    """Return the flat values of an answer's outputs, however they are carried."""
    values: dict[str, list[Any]] = {}
    for place, tensor in enumerate(answer.outputs):
        if answer.raw_output_contents:
            values[tensor.name] = _raw_values(tensor.datatype, answer.raw_output_contents[place])
        else:
            ((_, contents),) = tensor.contents.ListFields()
            values[tensor.name] = [text_or_number(value) for value in contents]
    return values


def text_or_number(value: Any) -> Any:
    """Return a value, bytes as text."""
    return value.decode() if isinstance(value, bytes) else value


def _raw_values(datatype: str, data: bytes) -> list[Any]:
    if datatype == "BYTES":
        texts: list[Any] = []
        while data:
            size = int.from_bytes(data[:4], "little")
            texts.append(data[4 : 4 + size].decode())
            data = data[4 + size :]
        return texts
    kinds: Sequence[tuple[str, str]] = (("FP", "f"), ("INT", "i"), ("UINT", "u"))
    kind = next(kind for prefix, kind in kinds if datatype.startswith(prefix))
    bits = int("".join(filter(str.isdigit, datatype)))
    values: list[Any] = np.frombuffer(data, dtype=f"<{kind}{bits // 8}").tolist()
    return values
