# SPDX-License-Identifier: Apache-2.0
"""Requests as bytes: what a server reads in them."""

import math
import struct

import orjson
import pytest
from tritonclient.grpc import service_pb2

from loadtests.errors import LoadTestError
from loadtests.payloads.grpc import encode_grpc
from loadtests.payloads.raw import from_raw, to_raw
from loadtests.payloads.rest_binary import encode_rest_binary
from loadtests.payloads.rest_json import encode_rest_json
from loadtests.payloads.tensors import Encoder, InferenceRequest, Tensor

REQUEST = InferenceRequest(
    inputs=(
        Tensor("text", "BYTES", (2,), ("£9", "")),
        Tensor("size", "FP32", (2, 2), (1.0, 2.0, 3.0, 4.5)),
        Tensor("old", "BOOL", (2,), (True, False)),
        Tensor("count", "INT16", (2,), (-2, 300)),
    ),
    rows=2,
)
RAW = [
    b"\x03\0\0\0\xc2\xa39\0\0\0\0",
    struct.pack("<4f", 1.0, 2.0, 3.0, 4.5),
    b"\x01\0",
    struct.pack("<2h", -2, 300),
]


def test_json_holds_flat_data_and_shapes() -> None:
    encoded = encode_rest_json(REQUEST, "spam")

    inputs = orjson.loads(encoded.body)["inputs"]
    assert inputs[0] == {"name": "text", "datatype": "BYTES", "shape": [2], "data": ["£9", ""]}
    assert inputs[1] == {"name": "size", "datatype": "FP32", "shape": [2, 2], "data": [1.0, 2.0, 3.0, 4.5]}
    assert inputs[2]["data"] == [True, False]
    assert (encoded.protocol, encoded.path, encoded.binary) == ("rest", "/v2/models/spam/infer", False)


def test_binary_puts_raw_tensors_behind_the_json_and_asks_for_the_same() -> None:
    encoded = encode_rest_binary(REQUEST, "spam")

    end = int(encoded.headers["Inference-Header-Content-Length"])
    document = orjson.loads(encoded.body[:end])
    assert [tensor["parameters"]["binary_data_size"] for tensor in document["inputs"]] == [len(raw) for raw in RAW]
    assert encoded.body[end:] == b"".join(RAW)
    assert document["parameters"] == {"binary_data_output": True}


def test_grpc_holds_raw_contents_in_the_order_of_the_inputs() -> None:
    encoded = encode_grpc(REQUEST, "spam", "1.0.0")

    message = service_pb2.ModelInferRequest.FromString(encoded.body)
    assert (message.model_name, message.model_version) == ("spam", "1.0.0")
    assert [tensor.datatype for tensor in message.inputs] == ["BYTES", "FP32", "BOOL", "INT16"]
    assert list(message.raw_input_contents) == RAW


@pytest.mark.parametrize("how", [encode_rest_json, encode_rest_binary])
def test_names_and_versions_are_quoted_in_the_path(how: Encoder) -> None:
    assert how(REQUEST, "a/b", "1 0").path == "/v2/models/a%2Fb/versions/1%200/infer"


def test_a_missing_number_is_null_in_json_and_nan_in_bytes() -> None:
    tensor = Tensor("x", "FP64", (2,), (None, 1.0))
    request = InferenceRequest((tensor,), rows=2)

    assert orjson.loads(encode_rest_json(request, "m").body)["inputs"][0]["data"] == [None, 1.0]
    missing, number = from_raw("FP64", to_raw(tensor))
    assert isinstance(missing, float)
    assert math.isnan(missing)
    assert number == 1.0


@pytest.mark.parametrize("how", [encode_rest_binary, encode_grpc])
def test_a_missing_text_is_refused_where_it_cannot_be_said(how: Encoder) -> None:
    with pytest.raises(LoadTestError, match='input "x" has a missing text; only REST with JSON'):
        how(InferenceRequest((Tensor("x", "BYTES", (1,), (None,)),), rows=1), "m")


@pytest.mark.parametrize("tensor", REQUEST.inputs, ids=lambda tensor: tensor.datatype)
def test_raw_bytes_are_read_back(tensor: Tensor) -> None:
    assert from_raw(tensor.datatype, to_raw(tensor)) == tensor.data


@pytest.mark.parametrize("data", [b"\x01", b"\x05\0\0\0abc"], ids=["in a length", "in a text"])
def test_texts_that_are_cut_off_are_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match="cut off"):
        from_raw("BYTES", data)


def test_an_encoded_request_is_a_key_of_its_own() -> None:
    one, other = encode_rest_json(REQUEST, "m"), encode_rest_json(REQUEST, "m")

    assert one.body == other.body
    assert len({one, other, one}) == 2
