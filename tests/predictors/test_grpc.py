# SPDX-License-Identifier: Apache-2.0
"""Inference over gRPC: the answers of REST, and its refusals."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from predictors import load
from predictors.v2.messages import SERVICE, ModelInferRequest
from tests.predictors.grpc_client import GrpcClient, grpc_client, outputs_of, raw_request, typed_request
from tests.predictors.grpc_models import MIXED, X32, X, iris, pack_models, typed_iris
from tests.predictors.servers import RunningServer, serving

LIMIT = 100_000
Code = grpc.StatusCode


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return pack_models(tmp_path_factory.mktemp("models"))


@pytest.fixture(scope="module")
def server(folders: list[Path]) -> Iterator[RunningServer]:
    with serving(*folders, PREDICTOR_MAX_BODY_BYTES=str(LIMIT)) as running:
        yield running


@pytest.fixture(scope="module")
def client(server: RunningServer) -> Iterator[GrpcClient]:
    with grpc_client(server.grpc_port) as connected:
        yield connected


ROWS = {"fast": X, "slow": X, "tree": X32}
REQUESTS: dict[str, tuple[str, Callable[[], Any]]] = {
    "raw, fast": ("fast", lambda: iris("fast", 150)),
    "typed, fast": ("fast", lambda: typed_iris("fast", 150)),
    "raw, slow": ("slow", lambda: iris("slow", 150)),
    "typed, slow": ("slow", lambda: typed_iris("slow", 150)),
    "raw, FP32": ("tree", lambda: raw_request("tree", {"input": ("FP32", X32)})),
    "typed, FP32": ("tree", lambda: typed_request("tree", {"input": ("FP32", "fp32_contents", X32)})),
    "raw, mixed": ("mixed", lambda: raw_request("mixed", {k: (v[0], v[2]) for k, v in MIXED.items()})),
    "typed, mixed": ("mixed", lambda: typed_request("mixed", MIXED)),
}


def rest_document(model: str) -> dict[str, Any]:
    if model == "mixed":
        tensors = {name: (datatype, array) for name, (datatype, _, array) in MIXED.items()}
    else:
        tensors = {"input": ("FP32" if model == "tree" else "FP64", ROWS[model])}
    return {
        "inputs": [
            {"name": name, "datatype": datatype, "shape": list(array.shape), "data": array.ravel().tolist()}
            for name, (datatype, array) in tensors.items()
        ]
    }


@pytest.mark.parametrize("case", REQUESTS)
def test_grpc_answers_bit_for_bit_as_rest_does(server: RunningServer, client: GrpcClient, case: str) -> None:
    model, request = REQUESTS[case]
    rest = server.infer(model, rest_document(model))
    answer = client.infer(request())
    assert outputs_of(answer) == {output["name"]: output["data"] for output in rest["outputs"]}
    assert [list(output.shape) for output in answer.outputs] == [output["shape"] for output in rest["outputs"]]
    assert [output.datatype for output in answer.outputs] == [output["datatype"] for output in rest["outputs"]]
    assert (answer.model_name, answer.model_version) == (model, rest["model_version"])
    assert answer.id == ""


@pytest.mark.parametrize("case", REQUESTS)
def test_the_answer_is_raw_when_the_request_was(client: GrpcClient, case: str) -> None:
    answer = client.infer(REQUESTS[case][1]())
    raw = case.startswith("raw")
    assert len(answer.raw_output_contents) == (len(answer.outputs) if raw else 0)
    assert [output.HasField("contents") for output in answer.outputs] == [not raw] * len(answer.outputs)


def test_integers_do_for_floats_where_they_are_exact(client: GrpcClient) -> None:
    whole = np.array([[5, 3, 1, 0]])
    expected = outputs_of(client.infer(raw_request("fast", {"input": ("FP64", whole.astype(float))})))
    assert outputs_of(client.infer(raw_request("fast", {"input": ("INT64", whole)}))) == expected
    typed = typed_request("fast", {"input": ("INT32", "int_contents", whole)})
    assert outputs_of(client.infer(typed)) == expected


def test_the_id_is_echoed_and_the_version_may_be_named(client: GrpcClient) -> None:
    answer = client.infer(iris(id="r-7", model_version="1.0.0"))
    assert (answer.id, answer.model_version) == ("r-7", "1.0.0")


@pytest.mark.parametrize("names", [["label"], ["probabilities", "label"], ["label", "probabilities"]], ids="-".join)
def test_only_the_requested_outputs_come_in_their_order(client: GrpcClient, names: list[str]) -> None:
    message = iris()
    for name in names:
        message.outputs.add(name=name)
    answer = client.infer(message)
    assert [output.name for output in answer.outputs] == names
    assert len(answer.raw_output_contents) == len(names)


def test_a_large_message_gets_the_same_answer_by_way_of_the_threads(folders: list[Path]) -> None:
    rows = np.tile(X, (2000, 1))
    expected = load(folders[0]).predict({"input": rows})
    with serving(folders[0]) as server, grpc_client(server.grpc_port) as client:
        answer = client.infer(raw_request("fast", {"input": ("FP64", rows)}))
        typed = client.infer(typed_request("fast", {"input": ("FP64", "fp64_contents", rows)}))
    assert outputs_of(answer)["probabilities"] == expected["probabilities"].ravel().tolist()
    assert outputs_of(typed) == outputs_of(answer)


@pytest.mark.parametrize("model", ["fast", "slow"])
def test_compressed_messages_are_answered(client: GrpcClient, model: str) -> None:
    expected = outputs_of(client.infer(iris(model, 100)))
    for compression in (grpc.Compression.Gzip, grpc.Compression.Deflate):
        assert outputs_of(client.infer(iris(model, 100), compression=compression)) == expected


def _changed(message: Any, change: Callable[[Any], Any]) -> Any:
    change(message)
    return message


def _without(text: str) -> Callable[[Any], Any]:
    return lambda message: message.ClearField(text)


def _timeout(message: Any, **parameter: Any) -> Any:
    for kind, value in parameter.items():
        setattr(message.parameters["timeout"], kind, value)
    return message


REFUSED: dict[str, tuple[Callable[[], Any], grpc.StatusCode, str]] = {
    "no message": (lambda: b"\xff\xff", Code.INVALID_ARGUMENT, "the message is no inference.ModelInferRequest"),
    "not UTF-8": (
        lambda: b"\x0a\x02\xff\xfe",
        Code.INVALID_ARGUMENT,
        "the message is no inference.ModelInferRequest",
    ),
    "empty": (
        lambda: b"",
        Code.NOT_FOUND,
        'no model "" is served here; there is "fast", "mixed", "slow", "tree"',
    ),
    "unknown model": (
        lambda: iris("nope"),
        Code.NOT_FOUND,
        'no model "nope" is served here; there is "fast", "mixed", "slow", "tree"',
    ),
    "unknown version": (
        lambda: iris(model_version="3"),
        Code.NOT_FOUND,
        'model "fast" is served in version 1.0.0, not "3"',
    ),
    "no inputs": (
        lambda: ModelInferRequest(model_name="fast"),
        Code.INVALID_ARGUMENT,
        '"inputs" must be a list with one object for each input tensor',
    ),
    "unknown input": (
        lambda: raw_request("fast", {"x": ("FP64", X[:1])}),
        Code.INVALID_ARGUMENT,
        'unknown input "x"; the model takes "input"',
    ),
    "missing input": (
        lambda: typed_request("mixed", {"count": MIXED["count"]}),
        Code.INVALID_ARGUMENT,
        'input "colour" is missing',
    ),
    "input twice": (
        lambda: _changed(typed_iris(), lambda message: message.inputs.append(message.inputs[0])),
        Code.INVALID_ARGUMENT,
        'input "input" is given twice',
    ),
    "too few raw contents": (
        lambda: _changed(
            raw_request("mixed", {name: (datatype, array) for name, (datatype, _, array) in MIXED.items()}),
            lambda message: message.raw_input_contents.pop(),
        ),
        Code.INVALID_ARGUMENT,
        '"raw_input_contents" must have one element for each input: 3 for 4',
    ),
    "too many raw contents": (
        lambda: _changed(iris(), lambda message: message.raw_input_contents.append(b"")),
        Code.INVALID_ARGUMENT,
        '"raw_input_contents" must have one element for each input: 2 for 1',
    ),
    "raw and typed": (
        lambda: _changed(typed_iris(), lambda message: message.raw_input_contents.append(X[:2].tobytes())),
        Code.INVALID_ARGUMENT,
        'input "input" has "contents", and "raw_input_contents" too',
    ),
    "no contents at all": (
        lambda: _changed(iris(), _without("raw_input_contents")),
        Code.INVALID_ARGUMENT,
        'input "input" has 0 values, its shape [2, 4] needs 8',
    ),
    "another datatype's contents": (
        lambda: typed_request("fast", {"input": ("FP64", "fp32_contents", X[:1])}),
        Code.INVALID_ARGUMENT,
        'input "input" (FP64) takes its values in "fp64_contents", the request has "fp32_contents"',
    ),
    "wrong datatype": (
        lambda: raw_request("fast", {"input": ("FP32", X32[:1])}),
        Code.INVALID_ARGUMENT,
        'input "input" has datatype FP64, the request says "FP32"',
    ),
    "wrong rank": (
        lambda: raw_request("fast", {"input": ("FP64", X[0])}),
        Code.INVALID_ARGUMENT,
        'input "input" has shape [-1, 4], the request says [4]',
    ),
    "wrong feature count": (
        lambda: raw_request("fast", {"input": ("FP64", X[:1, :3])}),
        Code.INVALID_ARGUMENT,
        'input "input" has shape [-1, 4], the request says [1,3]',
    ),
    "negative shape": (
        lambda: _changed(iris(), lambda message: message.inputs[0].shape.__setitem__(0, -1)),
        Code.INVALID_ARGUMENT,
        'input "input" needs "shape", a list of integers of at least 0',
    ),
    "absurd shape": (
        lambda: _changed(iris(), lambda message: message.inputs[0].shape.__setitem__(0, 2**60)),
        Code.INVALID_ARGUMENT,
        'input "input" has 64 bytes of data, FP64 of shape [1152921504606846976, 4] needs 36893488147419103232',
    ),
    "too few bytes": (
        lambda: _changed(iris(), lambda message: message.raw_input_contents.__setitem__(0, b"1234567")),
        Code.INVALID_ARGUMENT,
        'input "input" has 7 bytes of data, FP64 of shape [2, 4] needs 64',
    ),
    "too few values": (
        lambda: _changed(typed_iris(), lambda message: message.inputs[0].contents.fp64_contents.pop()),
        Code.INVALID_ARGUMENT,
        'input "input" has 7 values, its shape [2, 4] needs 8',
    ),
    "NaN": (
        lambda: raw_request("fast", {"input": ("FP64", X[:1] * np.nan)}),
        Code.INVALID_ARGUMENT,
        'input "input" may not have missing values (null or NaN)',
    ),
    "typed infinity": (
        lambda: typed_request("fast", {"input": ("FP64", "fp64_contents", X[:1] * np.inf)}),
        Code.INVALID_ARGUMENT,
        'input "input" has a value outside the range of FP64',
    ),
    "text that is not UTF-8": (
        lambda: _changed(
            typed_request("mixed", MIXED),
            lambda message: message.inputs[0].contents.bytes_contents.__setitem__(0, b"\xff"),
        ),
        Code.INVALID_ARGUMENT,
        'input "colour" (BYTES) has an element that is not UTF-8',
    ),
    "rows that differ": (
        lambda: typed_request("mixed", {**MIXED, "count": ("INT64", "int64_contents", np.arange(5))}),
        Code.INVALID_ARGUMENT,
        'all inputs must have the same number of rows: "colour" has 6, "count" has 5, "size" has 6, "old" has 6',
    ),
    "unknown output": (
        lambda: _changed(iris(), lambda message: message.outputs.add(name="x")),
        Code.INVALID_ARGUMENT,
        'unknown output "x"; the model gives "label", "probabilities"',
    ),
    "output twice": (
        lambda: _changed(iris(), lambda message: [message.outputs.add(name="label") for _ in "ab"]),
        Code.INVALID_ARGUMENT,
        'output "label" is asked for twice',
    ),
    "a timeout that is none": (
        lambda: _timeout(iris(), string_param="soon"),
        Code.INVALID_ARGUMENT,
        'the parameter "timeout" of the request must be a whole number of microseconds',
    ),
    "a negative timeout": (
        lambda: _timeout(iris(), int64_param=-1),
        Code.INVALID_ARGUMENT,
        'the parameter "timeout" of the request must be a whole number of microseconds',
    ),
    "a timeout that passed": (
        lambda: _timeout(iris(), int64_param=1),
        Code.DEADLINE_EXCEEDED,
        "the request's time was over before its answer was there",
    ),
    "a slow model's timeout that passed": (
        lambda: _timeout(iris("slow"), int64_param=1),
        Code.DEADLINE_EXCEEDED,
        "the request's time was over before its answer was there",
    ),
    "a message over the limit": (
        lambda: iris(id="x" * LIMIT),
        Code.RESOURCE_EXHAUSTED,
        f"the message is over the limit of {LIMIT} bytes",
    ),
    "a name that is too long to tell": (
        lambda: iris("é" * 20_000),
        Code.NOT_FOUND,
        f'no model "{"é" * 490}'[:500] + "...",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_refusal_has_one_code_and_one_sentence(client: GrpcClient, case: str) -> None:
    request, code, sentence = REFUSED[case]
    assert client.refusal(request()) == (code, sentence)


def test_a_compressed_message_is_limited_once_it_is_unpacked(client: GrpcClient) -> None:
    code, sentence = client.refusal(iris(id="x" * 10 * LIMIT), compression=grpc.Compression.Gzip)
    assert (code, sentence) == (Code.RESOURCE_EXHAUSTED, f"the request's body is over the limit of {LIMIT} bytes")


def test_one_request_too_many_is_refused_and_the_others_answered(folders: list[Path]) -> None:
    with (
        serving(
            folders[1], PREDICTOR_MAX_QUEUE="4", PREDICTOR_SCORING_THREADS="1", PREDICTOR_MAX_BATCH_ROWS="1"
        ) as server,
        grpc_client(server.grpc_port) as client,
    ):
        with ThreadPoolExecutor(32) as threads:
            outcomes = list(threads.map(lambda _: client.outcome(iris("slow", 100)), range(200)))
        assert set(outcomes) == {Code.OK, Code.RESOURCE_EXHAUSTED}
        assert client.outcome(iris("slow")) is Code.OK


def test_what_nobody_answers_is_unimplemented(client: GrpcClient) -> None:
    with pytest.raises(grpc.RpcError) as refused:
        client.send(f"/{SERVICE}/ModelStreamInfer", b"")
    assert refused.value.code() is Code.UNIMPLEMENTED
    assert refused.value.details() == f"there is no method /{SERVICE}/ModelStreamInfer here"


def test_requests_over_grpc_are_counted_by_code(folders: list[Path]) -> None:
    with serving(folders[0]) as server, grpc_client(server.grpc_port) as client:
        client.infer(iris())
        client.infer(iris(rows=3))
        client.refusal(raw_request("fast", {"x": ("FP64", X[:1])}))
        (statistics,) = client.call("ModelStatistics").model_stats
        assert statistics.inference_count == 5
        assert statistics.inference_stats.success.count == 2
        assert statistics.inference_stats.fail.count == 1


FAULTS = {Code.OK, Code.INVALID_ARGUMENT, Code.NOT_FOUND}


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """Return a valid request with a few of its bytes changed, left out or added."""
    case = draw(st.sampled_from(sorted(REQUESTS)))
    body = bytearray(REQUESTS[case][1]().SerializeToString()[: draw(st.integers(1, 400))])
    if draw(st.booleans()):
        body = bytearray(REQUESTS[case][1]().SerializeToString())
    for _ in range(draw(st.integers(1, 4))):
        place = draw(st.integers(0, min(len(body), 120)))
        body[place : place + draw(st.integers(0, 2))] = draw(st.binary(max_size=3))
    return bytes(body)


tensors = st.builds(
    lambda name, datatype, shape, contents: {
        "name": name, "datatype": datatype, "shape": shape, **({"contents": contents} if contents else {})
    },
    st.sampled_from(["input", "colour", "count", "size", "old", "", "x"]) | st.text(max_size=5),
    st.sampled_from(["FP64", "FP32", "FP16", "INT64", "INT8", "UINT64", "BOOL", "BYTES", "", "FP128"]),
    st.lists(st.integers(-(2**63), 2**63 - 1) | st.integers(0, 5), max_size=4),
    st.none()
    | st.fixed_dictionaries({"fp64_contents": st.lists(st.floats(), max_size=8)})
    | st.fixed_dictionaries({"fp32_contents": st.lists(st.floats(width=32), max_size=8)})
    | st.fixed_dictionaries({"int64_contents": st.lists(st.integers(-(2**63), 2**63 - 1), max_size=8)})
    | st.fixed_dictionaries({"int_contents": st.lists(st.integers(-(2**31), 2**31 - 1), max_size=8)})
    | st.fixed_dictionaries({"bool_contents": st.lists(st.booleans(), max_size=8)})
    | st.fixed_dictionaries({"bytes_contents": st.lists(st.binary(max_size=8), max_size=8)}),
)  # fmt: skip
built = st.builds(
    lambda model, inputs, outputs, raw: ModelInferRequest(
        model_name=model, inputs=inputs, outputs=[{"name": name} for name in outputs], raw_input_contents=raw
    ).SerializeToString(),
    st.sampled_from(["fast", "slow", "tree", "mixed"]),
    st.lists(tensors, max_size=4),
    st.lists(st.sampled_from(["label", "probabilities", "x", ""]), max_size=3),
    st.just([]) | st.lists(st.binary(max_size=64), max_size=4),
)


@hypothesis_settings(max_examples=300)
@given(body=st.binary(max_size=200) | mutated() | built)
def test_no_message_breaks_the_server(client: GrpcClient, body: bytes) -> None:
    assert client.outcome(body) in FAULTS
    assert client.outcome(iris()) is Code.OK
