# SPDX-License-Identifier: Apache-2.0
"""The requests of a run, encoded once: the same bytes go to every server."""

import struct
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import orjson
from tritonclient.grpc import service_pb2

from benchmarks.models import Model

#: The path of gRPC's inference.
METHOD: Final = "/inference.GRPCInferenceService/ModelInfer"


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """A REST request.

    Attributes:
        path: Its path.
        body: Its body; empty for a GET.
        headers: Its headers, besides those that every client adds.
    """

    path: str
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)


def json_request(model: Model, count: int = 1) -> HttpRequest:
    """Return a V2 request for the first rows, all of it JSON."""
    tensor = {**_head(model, count), "data": model.rows[:count].ravel().tolist()}
    body = orjson.dumps({"inputs": [tensor]})
    return HttpRequest(_path(model), body, {"Content-Type": "application/json"})


def binary_request(model: Model, count: int = 1) -> HttpRequest:
    """Return a V2 request for the first rows in the binary tensor extension, which asks for binary outputs too."""
    raw = _raw(model, count)
    tensor = {**_head(model, count), "parameters": {"binary_data_size": len(raw)}}
    head = orjson.dumps({"inputs": [tensor], "parameters": {"binary_data_output": True}})
    headers = {"Content-Type": "application/octet-stream", "Inference-Header-Content-Length": str(len(head))}
    return HttpRequest(_path(model), head + raw, headers)


def grpc_message(model: Model, count: int = 1) -> bytes:
    """Return a ModelInfer message for the first rows, with raw contents as clients send them."""
    head = _head(model, count)
    request = service_pb2.ModelInferRequest(model_name=model.name)
    request.inputs.add(name=head["name"], datatype=head["datatype"], shape=head["shape"])
    request.raw_input_contents.append(_raw(model, count))
    message: bytes = request.SerializeToString()
    return message


def grpc_frame(message: bytes) -> bytes:
    """Return a message as it travels in an HTTP/2 body: not compressed, its length in four bytes ahead of it."""
    return struct.pack(">BI", 0, len(message)) + message


def _path(model: Model) -> str:
    return f"/v2/models/{model.name}/infer"


def _head(model: Model, count: int) -> dict[str, Any]:
    return {"name": model.input, "shape": [count, *model.rows.shape[1:]], "datatype": model.datatype}


def _raw(model: Model, count: int) -> bytes:
    rows: npt.NDArray[Any] = model.rows[:count]
    if model.datatype != "BYTES":
        return np.ascontiguousarray(rows).tobytes()
    texts = [text.encode() for text in rows]
    return b"".join(struct.pack("<I", len(text)) + text for text in texts)
