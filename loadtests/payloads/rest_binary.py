# SPDX-License-Identifier: Apache-2.0
"""V2 over REST with the binary tensor extension, for the request and for its answer."""

import orjson

from loadtests.payloads.raw import to_raw
from loadtests.payloads.rest_path import infer_path
from loadtests.payloads.tensors import EncodedRequest, InferenceRequest

#: The length of the JSON that raw tensors follow.
JSON_LENGTH_HEADER = "Inference-Header-Content-Length"


def encode_rest_binary(request: InferenceRequest, model: str, version: str | None = None) -> EncodedRequest:
    """Return the request with raw tensors behind its JSON; it asks for such an answer too.

    Raises:
        LoadTestError: A text is missing, which raw tensors cannot say.
    """
    raw = [to_raw(tensor) for tensor in request.inputs]
    inputs = [
        {
            "name": tensor.name,
            "datatype": tensor.datatype,
            "shape": tensor.shape,
            "parameters": {"binary_data_size": len(data)},
        }
        for tensor, data in zip(request.inputs, raw, strict=True)
    ]
    head = orjson.dumps({"inputs": inputs, "parameters": {"binary_data_output": True}})
    return EncodedRequest(
        protocol="rest",
        path=infer_path(model, version),
        headers={"Content-Type": "application/octet-stream", JSON_LENGTH_HEADER: str(len(head))},
        body=b"".join((head, *raw)),
        request=request,
        binary=True,
        model=model,
        version=version,
    )
