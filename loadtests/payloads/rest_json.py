# SPDX-License-Identifier: Apache-2.0
"""V2 over REST, all of it JSON."""

import orjson

from loadtests.payloads.rest_path import infer_path
from loadtests.payloads.tensors import EncodedRequest, InferenceRequest


def encode_rest_json(request: InferenceRequest, model: str, version: str | None = None) -> EncodedRequest:
    """Return the request as JSON with flat data; a missing value is a null."""
    inputs = [
        {"name": tensor.name, "datatype": tensor.datatype, "shape": tensor.shape, "data": tensor.data}
        for tensor in request.inputs
    ]
    return EncodedRequest(
        protocol="rest",
        path=infer_path(model, version),
        headers={"Content-Type": "application/json"},
        body=orjson.dumps({"inputs": inputs}),
        request=request,
        binary=False,
        model=model,
        version=version,
    )
