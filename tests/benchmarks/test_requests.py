# SPDX-License-Identifier: Apache-2.0
"""The three encodings of a request hold the same rows, as the protocol has them."""

from pathlib import Path

import numpy as np
import orjson
import pytest
from tritonclient.grpc import service_pb2

from benchmarks.models import Model
from benchmarks.requests import binary_request, grpc_frame, grpc_message, json_request

ROWS = np.arange(12.0).reshape(2, 6)
NUMBERS = Model("linear", "", None, "input", "FP64", ROWS, Path(), Path())
TEXTS = Model("spam", "", None, "text", "BYTES", np.array(["é", "win"], dtype=object), Path(), Path())


def test_json_is_flat_and_row_by_row() -> None:
    request = json_request(NUMBERS, 2)
    assert request.path == "/v2/models/linear/infer"
    (tensor,) = orjson.loads(request.body)["inputs"]
    assert tensor == {"name": "input", "shape": [2, 6], "datatype": "FP64", "data": list(range(12))}


@pytest.mark.parametrize(
    ("model", "raw"), [(NUMBERS, ROWS.tobytes()), (TEXTS, b"\2\0\0\0\xc3\xa9\3\0\0\0win")], ids=["numbers", "texts"]
)
def test_raw_values_follow_the_json_or_stand_in_the_message(model: Model, raw: bytes) -> None:
    request = binary_request(model, 2)
    length = int(request.headers["Inference-Header-Content-Length"])
    (tensor,) = orjson.loads(request.body[:length])["inputs"]
    assert (tensor["parameters"], request.body[length:]) == ({"binary_data_size": len(raw)}, raw)
    message = service_pb2.ModelInferRequest.FromString(grpc_message(model, 2))
    assert (list(message.raw_input_contents), list(message.inputs[0].shape)) == ([raw], tensor["shape"])


def test_a_grpc_frame_begins_with_the_length() -> None:
    assert grpc_frame(b"abc") == b"\0\0\0\0\3abc"
