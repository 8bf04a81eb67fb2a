# SPDX-License-Identifier: Apache-2.0
"""Answers judged: right and wrong ones, in each form in which a server gives them."""

import struct
from typing import Any

import orjson
import pytest
from tritonclient.grpc import service_pb2

from loadtests.answers import Answer, AnswerCheck
from loadtests.payloads.grpc import encode_grpc
from loadtests.payloads.outputs import RECOMMENDER_OUTPUTS, SPAM_OUTPUTS, Output
from loadtests.payloads.rest_json import encode_rest_json
from loadtests.payloads.tensors import EncodedRequest, ExpectedTensor, InferenceRequest, Tensor
from loadtests.transports.reply import Reply

TEXTS = (Tensor("text", "BYTES", (2,), ("free prize", "see you")),)
LABEL = {"name": "label", "datatype": "BYTES", "shape": [2], "data": ["spam", "ham"]}
PROBABILITY = {"name": "spam_probability", "datatype": "FP64", "shape": [2], "data": [0.9, 0.1]}
RIGHT = Answer("1.0.0", None)


def asked(expected: tuple[ExpectedTensor, ...] | None = None, version: str | None = None) -> EncodedRequest:
    return encode_rest_json(InferenceRequest(TEXTS, rows=2, expected=expected), "spam", version)


def reply(*outputs: dict[str, Any], **fields: object) -> Reply:
    head = {"model_name": "spam", "model_version": "1.0.0", **fields}
    return Reply("200", {}, orjson.dumps({**head, "outputs": list(outputs)}))


def wrong(cause: str, version: str = "1.0.0") -> Answer:
    return Answer(version, f"wrong answer: {cause}")


def spam_answer(answer: Reply) -> Answer:
    return AnswerCheck(SPAM_OUTPUTS).read(asked(), answer)


def test_a_right_answer_tells_its_version_and_may_have_other_outputs() -> None:
    other = {"name": "other", "datatype": "INT8", "shape": [1, 2], "data": [[1, 2]]}

    assert spam_answer(reply(LABEL, PROBABILITY, other)) == RIGHT


@pytest.mark.parametrize("version", [None, ""])
def test_a_version_may_be_missing(version: str | None) -> None:
    assert spam_answer(reply(LABEL, PROBABILITY, model_version=version)) == Answer("", None)


def test_what_is_no_answer_keeps_its_code() -> None:
    assert spam_answer(Reply("429", {}, b"{}")) == Answer("", "429")
    assert spam_answer(Reply("timeout")) == Answer("", "timeout")


@pytest.mark.parametrize(
    ("changes", "cause"),
    [
        ({"shape": [1], "data": [0.9]}, "spam_probability has another shape than asked for"),
        ({"shape": [2, 1]}, "spam_probability has another shape than asked for"),
        ({"datatype": "FP32"}, "spam_probability is FP32 instead of FP64"),
        ({"name": "probability"}, "spam_probability is missing"),
        ({"data": [0.9, 1.1]}, "spam_probability is not from 0 to 1"),
        ({"data": [0.9, None]}, "spam_probability is not from 0 to 1"),
    ],
)
def test_a_wrong_output_is_found(changes: dict[str, Any], cause: str) -> None:
    assert spam_answer(reply(LABEL, {**PROBABILITY, **changes})) == wrong(cause)


def test_a_label_that_does_not_exist_is_found() -> None:
    assert spam_answer(reply({**LABEL, "data": ["spam", "Ham"]}, PROBABILITY)) == wrong("label is none of ham, spam")


@pytest.mark.parametrize(
    ("answer", "cause"),
    [
        (Reply("200", {}, b"<html>"), "not JSON"),
        (Reply("200", {}, b"\xff"), "not JSON"),
        (Reply("200", {}, b"[]"), "no outputs"),
        (Reply("200", {}, b""), "not JSON"),
        (reply(LABEL, model_name=None), "no model_name"),
        (reply(LABEL, model_version=1), "model_version is not a text"),
        (reply({**LABEL, "data": ["spam"]}), "label has another number of values than its shape"),
        (reply({**LABEL, "data": ["spam", 1]}), "label has values that are not BYTES"),
        (reply({**LABEL, "shape": [-1, -2]}), "label has no valid shape"),
        (reply({**LABEL, "shape": "2"}), "an output without name, datatype, shape or data"),
        (reply({"name": "label"}), "an output without name, datatype, shape or data"),
        (Reply("200", {"inference-header-content-length": "900"}, b"{}"), "the length of its JSON is wrong"),
        (Reply("200", {"inference-header-content-length": "x"}, b"{}"), "the length of its JSON is wrong"),
    ],
)
def test_what_is_no_v2_answer_is_wrong(answer: Reply, cause: str) -> None:
    assert spam_answer(answer) == wrong(cause, version="")


def test_an_answer_of_another_model_or_version_is_wrong() -> None:
    check = AnswerCheck(SPAM_OUTPUTS)

    assert check.read(asked(), reply(LABEL, PROBABILITY, model_name="ham")) == wrong("it is another model's")
    assert check.read(asked(version="2.0.0"), reply(LABEL, PROBABILITY)) == wrong("it is another version's")
    assert check.read(asked(version="1.0.0"), reply(LABEL, PROBABILITY)) == RIGHT


def test_known_values_may_differ_within_the_tolerance_only() -> None:
    request = asked((ExpectedTensor("spam_probability", "FP64", (2,), (0.9, 0.1)),))
    near = {**PROBABILITY, "data": [0.9000005, 0.1]}
    far = {**PROBABILITY, "data": [0.90001, 0.1]}

    assert AnswerCheck().read(request, reply(near)) == RIGHT
    assert AnswerCheck().read(request, reply(far)) == wrong("spam_probability differs from the known answer")


def test_known_texts_and_whole_numbers_must_be_the_very_same() -> None:
    request = asked(
        (ExpectedTensor("label", "BYTES", (2,), ("spam", "ham")), ExpectedTensor("n", "INT64", (1,), (10**9,)))
    )
    n = {"name": "n", "datatype": "INT64", "shape": [1], "data": [10**9 + 1]}

    assert AnswerCheck().read(request, reply({**LABEL, "data": ["ham", "ham"]}, n)) == wrong(
        "label differs from the known answer"
    )
    assert AnswerCheck().read(request, reply(LABEL, n)) == wrong("n differs from the known answer")


def test_of_an_answer_known_in_shape_alone_the_shape_must_be_right() -> None:
    request = asked((ExpectedTensor("label", "BYTES", (2,), None),))

    assert AnswerCheck().read(request, reply({**LABEL, "data": ["x", "y"]})) == RIGHT
    assert AnswerCheck().read(request, reply({**LABEL, "shape": [1, 2]})) == wrong(
        "label has another shape than the known answer"
    )


def test_a_missing_number_is_equal_to_a_missing_number() -> None:
    request = asked((ExpectedTensor("x", "FP32", (2,), (None, 1.0)),))
    x = {"name": "x", "datatype": "FP32", "shape": [2], "data": [None, 1]}

    assert AnswerCheck().read(request, reply(x)) == RIGHT
    assert AnswerCheck().read(request, reply({**x, "data": [0.0, 1]})) == wrong("x differs from the known answer")


def test_the_same_request_must_be_answered_the_same_by_the_same_version() -> None:
    check, request = AnswerCheck(SPAM_OUTPUTS), asked()
    turned = {**LABEL, "data": ["spam", "spam"]}

    assert check.read(request, reply(LABEL, PROBABILITY)) == RIGHT
    assert check.read(request, reply(LABEL, PROBABILITY, id="another body")) == RIGHT
    assert check.read(request, reply(turned, PROBABILITY)) == wrong(
        "label differs from an earlier answer of version 1.0.0"
    )
    assert check.read(request, reply(LABEL, PROBABILITY)) == RIGHT
    assert check.read(request, reply(turned, PROBABILITY, model_version="2.0.0")) == Answer("2.0.0", None)
    assert check.read(asked(), reply(turned, PROBABILITY)) == RIGHT


def test_a_model_of_coarse_numbers_may_differ_a_little_from_itself() -> None:
    check, request = AnswerCheck(), asked()
    x = {"name": "x", "datatype": "FP32", "shape": [1], "data": [0.5]}

    assert check.read(request, reply(x)) == RIGHT
    assert check.read(request, reply({**x, "data": [0.50001]})) == RIGHT
    assert check.read(request, reply({**x, "data": [0.501]})) == wrong(
        "x differs from an earlier answer of version 1.0.0"
    )


def test_another_set_of_outputs_is_an_inconsistency() -> None:
    check, request = AnswerCheck(), asked()

    assert check.read(request, reply(LABEL, PROBABILITY)) == RIGHT
    assert check.read(request, reply(LABEL)) == wrong("other outputs than an earlier answer of version 1.0.0")


def test_an_output_may_be_bounded_below_only() -> None:
    scores = Output("n", "INT64", low=-1)
    n = {"name": "n", "datatype": "INT64", "shape": [2], "data": [-1, -2]}

    assert AnswerCheck([scores]).read(asked(), reply(n)) == wrong("n is not from -1 to inf")


def binary_reply(raw: bytes, size: int) -> Reply:
    head = orjson.dumps(
        {
            "model_name": "spam",
            "model_version": "1.0.0",
            "outputs": [
                {"name": "label", "datatype": "BYTES", "shape": [2], "parameters": {"binary_data_size": 15}},
                {
                    "name": "spam_probability",
                    "datatype": "FP64",
                    "shape": [2],
                    "parameters": {"binary_data_size": size},
                },
            ],
        }
    )
    return Reply("200", {"inference-header-content-length": str(len(head))}, head + raw)


RAW_LABEL = b"\x04\0\0\0spam\x03\0\0\0ham"
RAW_PROBABILITY = struct.pack("<2d", 0.9, 0.1)


def test_raw_outputs_behind_the_json_are_read() -> None:
    assert spam_answer(binary_reply(RAW_LABEL + RAW_PROBABILITY, 16)) == RIGHT


@pytest.mark.parametrize(
    ("raw", "size", "cause"),
    [
        (RAW_LABEL + RAW_PROBABILITY[:-1], 16, "less raw data than its outputs take"),
        (RAW_LABEL + RAW_PROBABILITY + b"\0", 16, "more raw data than its outputs take"),
        (RAW_LABEL + RAW_PROBABILITY[:-1], 15, "spam_probability has raw data that are not FP64"),
        (b"\x09" + RAW_LABEL[1:] + RAW_PROBABILITY, 16, "label has raw data that are not BYTES"),
        (RAW_LABEL + RAW_PROBABILITY[:8], 8, "spam_probability has another number of values than its shape"),
    ],
)
def test_raw_outputs_of_the_wrong_length_are_found(raw: bytes, size: int, cause: str) -> None:
    assert spam_answer(binary_reply(raw, size)) == wrong(cause, version="")


def grpc_answer(message: Any) -> Answer:
    encoded = encode_grpc(InferenceRequest(TEXTS, rows=2), "spam")
    return AnswerCheck(SPAM_OUTPUTS).read(encoded, Reply("OK", {}, message.SerializeToString()))


def grpc_message() -> Any:
    message = service_pb2.ModelInferResponse(model_name="spam", model_version="1.0.0")
    message.outputs.add(name="label", datatype="BYTES", shape=[2])
    message.outputs.add(name="spam_probability", datatype="FP64", shape=[2])
    return message


def test_grpc_with_raw_contents_is_read() -> None:
    message = grpc_message()
    message.raw_output_contents.extend([RAW_LABEL, RAW_PROBABILITY])

    assert grpc_answer(message) == RIGHT


def test_grpc_with_typed_contents_is_read() -> None:
    message = grpc_message()
    message.outputs[0].contents.bytes_contents.extend([b"spam", b"ham"])
    message.outputs[1].contents.fp64_contents.extend([0.9, 0.1])

    assert grpc_answer(message) == RIGHT


def test_grpc_with_too_few_contents_is_wrong() -> None:
    message = grpc_message()
    message.raw_output_contents.append(RAW_LABEL)

    assert grpc_answer(message) == wrong("less raw data than its outputs take", version="")
    assert grpc_answer(grpc_message()) == wrong("label has another number of values than its shape", version="")


def test_what_is_no_message_of_grpc_is_wrong() -> None:
    encoded = encode_grpc(InferenceRequest(TEXTS, rows=2), "spam")

    assert AnswerCheck().read(encoded, Reply("OK", {}, b"\xff")) == wrong("not a ModelInferResponse", version="")


def test_the_recommender_gives_ten_items_to_each_user() -> None:
    encoded = encode_rest_json(InferenceRequest((Tensor("user_id", "INT64", (1,), (1,)),), rows=1), "spam")
    items = {"name": "item_ids", "datatype": "INT64", "shape": [1, 10], "data": list(range(10))}
    scores = {"name": "scores", "datatype": "FP64", "shape": [1, 10], "data": [1.0] * 10}
    known = {"name": "known_user", "datatype": "BOOL", "shape": [1], "data": [True]}
    nine = {**items, "shape": [1, 9], "data": list(range(9))}

    assert AnswerCheck(RECOMMENDER_OUTPUTS).read(encoded, reply(items, scores, known)) == RIGHT
    assert AnswerCheck(RECOMMENDER_OUTPUTS).read(encoded, reply(nine, scores, known)) == wrong(
        "item_ids has another shape than asked for"
    )
