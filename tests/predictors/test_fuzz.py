# SPDX-License-Identifier: Apache-2.0
"""Whatever is sent: no answer of 500 or above, no connection that hangs, and right answers straight afterwards."""

import copy
import gzip
import json
import re
import zlib
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.predictors.protocol_cases import MACHINE, MAX_BODY_BYTES, NUMBERS, ONE, Case, infer, texts
from tests.predictors.protocol_client import Answer, Connection, Way, request_bytes
from tests.predictors.protocol_models import pack_models
from tests.predictors.servers import RunningServer, serving

#: A valid request for each model, with all that a request may have.
DOCUMENTS: Mapping[str, dict[str, Any]] = {
    "linear": {
        "id": "a",
        "parameters": {"binary_data_output": False},
        "inputs": [{"name": "input", "datatype": "FP64", "shape": [2, 4], "data": [[5.1, 3, 1, 0.2], [6, 3, 5, 2.5]]}],
        "outputs": [{"name": "label", "parameters": {"binary_data": False}}, {"name": "probabilities"}],
    },
    "slow": {"inputs": [{"name": "input", "datatype": "FP64", "shape": [1, 4], "data": [5.1, 3.5, 1.4, 0.2]}]},
    "text": {"inputs": [{"name": "text", "datatype": "BYTES", "shape": [2], "data": ["win a prize", "東京"]}]},
    "recommender": {
        "inputs": [
            {"name": "user_id", "datatype": "INT64", "shape": [2], "data": [1, 99]},
            {"name": "k", "datatype": "INT64", "shape": [1], "data": [3]},
        ],
    },
    "maintenance": {"inputs": list(MACHINE)},
}
V1_DOCUMENTS: Mapping[str, dict[str, Any]] = {
    "linear": {"instances": [[5.1, 3.5, 1.4, 0.2], [6, 3, 5, 2]]},
    "slow": {"instances": [{"input": [5.1, 3.5, 1.4, 0.2]}]},
    "text": {"instances": ["win a prize", {"text": "home"}]},
    "recommender": {"instances": [{"user_id": 1}, {"user_id": 99}]},
    "maintenance": {"instances": [{"product_type": "H", "torque": 60.5, "tool_wear": 7}]},
}
AGAIN = "\x00again "  # before a key that is to stand twice in its object
DEEP = "\x00deep"  # stands for lists within lists, more of them than Python's own writer takes

NUMBERS_ODD = st.sampled_from([0, -1, 2**31, 2**53 + 1, 2**63, -(2**64), 10**30, 10**400, 1e308, -0.0, 5e-324])
SPECIAL = st.sampled_from(
    [
        {"binary_data_size": 8}, {"binary_data_size": 10**18}, {"binary_data": True}, {"binary_data_output": True},
        {"timeout": 1}, {"timeout": 10**18}, {"timeout": -1}, [-1, 4], [0, 4], [10**15, 4], [2**63, 4], [4], [],
        "FP32", "FP16", "INT8", "UINT64", "BOOL", "BYTES", "", "\ud800", "\0", "x" * 5000, float("nan"), float("inf"),
    ]
).map(copy.deepcopy)  # fmt: skip  # what is drawn is changed in its place
LEAF = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | NUMBERS_ODD | SPECIAL
ANYTHING = st.recursive(
    LEAF, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
)
WAYS = st.sampled_from(["plain", "encoded", "chunked"])


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    folders: Mapping[str, Path] = pack_models(tmp_path_factory.mktemp("models"), *DOCUMENTS)
    with serving(
        *folders.values(), PREDICTOR_MAX_BODY_BYTES=str(MAX_BODY_BYTES), PREDICTOR_ENABLE_GRPC="false"
    ) as running:
        yield running


@pytest.fixture(scope="module")
def right_answers(server: RunningServer) -> dict[str, bytes]:
    """What the models answer before anything odd is sent."""
    return {model: valid_answer(server, model) for model in DOCUMENTS}


def valid_answer(server: RunningServer, model: str) -> bytes:
    with Connection(server.http_port) as connection:
        answer = connection.ask(Case(model, infer(model), body=json.dumps(DOCUMENTS[model]).encode()))
    assert answer.status == 200, answer
    return answer.body


def check(answer: Answer, *, may_be_late: bool) -> None:
    """Fail for an answer that no request may get."""
    assert answer.status < 500 or (may_be_late and answer.status == 504), answer
    assert answer.status == 200 or list(answer.document) == ["error"], answer


def send(server: RunningServer, case: Case, way: Way, right_answers: dict[str, bytes], model: str) -> None:
    """Send anything, then a valid request over the same connection and one over another."""
    asks_for_time = b"timeout" in case.body or "x-envoy-expected-rq-timeout-ms" in case.headers
    valid = Case(model, infer(model), body=json.dumps(DOCUMENTS[model]).encode())
    with Connection(server.http_port) as connection:
        check(connection.ask(case, way), may_be_late=asks_for_time)
        assert connection.ask(valid).body == right_answers[model]
    assert valid_answer(server, "linear") == right_answers["linear"]


def _holders(node: Any) -> list[Any]:
    """Return every list and object within a document, itself first."""
    inner = node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
    found = [node] if isinstance(node, dict | list) and node else []
    return found + [holder for child in inner for holder in _holders(child)]


def _change(draw: st.DrawFn, document: dict[str, Any]) -> None:
    """Change one place of a document."""
    holder = draw(st.sampled_from(_holders(document) or [document]))
    keys = list(holder) if isinstance(holder, dict) else list(range(len(holder)))
    if not keys:
        return
    key = draw(st.sampled_from(keys))
    what = draw(st.sampled_from(["replace", "drop", "again", "nest", "number", "add"]))
    if what == "drop":
        del holder[key]
    elif what == "again" and isinstance(holder, dict):
        holder[f"{AGAIN}{key}"] = draw(ANYTHING | st.just(copy.deepcopy(holder[key])))
    elif what == "again":
        holder.insert(key, copy.deepcopy(holder[key]))
    elif what == "nest":
        holder[key] = draw(st.sampled_from([[holder[key]], [[holder[key]]], DEEP]))
    elif what == "number":
        holder[key] = draw(NUMBERS_ODD)
    elif what == "add" and isinstance(holder, dict):
        holder[draw(st.sampled_from(["id", "parameters", "outputs", "data", "shape", "name"]))] = draw(ANYTHING)
    else:
        holder[key] = draw(ANYTHING)


@st.composite
def changed(draw: st.DrawFn, document: dict[str, Any]) -> bytes:
    """A valid document with some places changed, or now and then with some bytes changed as well."""
    made = copy.deepcopy(document)
    depth = draw(st.sampled_from([50, 500, 5000]))
    for _ in range(draw(st.integers(1, 3))):
        _change(draw, made)
    text = json.dumps(made).replace(json.dumps(AGAIN)[:-1], '"')
    body = text.replace(json.dumps(DEEP), "[" * depth + "]" * depth).encode()
    return draw(st.just(body) | spoiled(body))


@st.composite
def spoiled(draw: st.DrawFn, content: bytes) -> bytes:
    """Bytes with a part of them cut out or replaced by others."""
    start = draw(st.integers(0, len(content)))
    end = draw(st.integers(start, min(len(content), start + 20)))
    middle: bytes = draw(st.binary(max_size=20))
    return content[:start] + middle + content[end:]


@pytest.mark.parametrize("model", DOCUMENTS)
@given(data=st.data(), way=WAYS)
@settings(max_examples=120)
def test_changed_documents_are_answered_or_refused(
    server: RunningServer, right_answers: dict[str, bytes], model: str, data: st.DataObject, way: Way
) -> None:
    case = Case("changed", infer(model), body=data.draw(changed(DOCUMENTS[model])))
    send(server, case, way, right_answers, model)


@given(model=st.sampled_from(sorted(DOCUMENTS)), document=ANYTHING, way=WAYS)
@settings(max_examples=80)
def test_any_json_is_answered_or_refused(
    server: RunningServer, right_answers: dict[str, bytes], model: str, document: Any, way: Way
) -> None:
    send(server, Case("any", infer(model), body=json.dumps(document).encode()), way, right_answers, model)


@pytest.mark.parametrize("model", V1_DOCUMENTS)
@given(data=st.data())
@settings(max_examples=40)
def test_changed_v1_documents_are_answered_or_refused(
    server: RunningServer, right_answers: dict[str, bytes], model: str, data: st.DataObject
) -> None:
    case = Case("changed", f"/v1/models/{model}:predict", body=data.draw(changed(V1_DOCUMENTS[model])))
    send(server, case, "plain", right_answers, model)


RAW = {
    "linear": ("input", "FP64", [1, 4], NUMBERS),
    "text": ("text", "BYTES", [2], texts("prize", "東京")),
    "recommender": ("user_id", "INT64", [2], bytes(16)),
}
SIZES = st.integers(-2, 40) | st.sampled_from([2**31, 2**63, 10**30, None, "8", 8.0, True])


@st.composite
def raw_cases(draw: st.DrawFn, model: str) -> Case:
    """A request whose sizes, shape or bytes may be wrong."""
    name, datatype, shape, content = RAW[model]
    content = draw(st.just(content) | spoiled(content) | st.binary(max_size=60))
    shape = draw(st.just(shape) | st.lists(st.integers(-1, 5) | st.sampled_from([10**15, 2**63]), max_size=3))
    parameters = {"binary_data_size": draw(st.just(len(content)) | SIZES)}
    tensor = {"name": name, "datatype": datatype, "shape": shape, "parameters": parameters}
    head = json.dumps({"inputs": [tensor], "parameters": {"binary_data_output": draw(st.booleans())}}).encode()
    length = len(head) + draw(st.just(0) | st.integers(-3, 80))
    return Case("raw", infer(model), body=head + content, headers={"inference-header-content-length": str(length)})


@pytest.mark.parametrize("model", RAW)
@given(data=st.data(), way=WAYS)
@settings(max_examples=80)
def test_binary_data_of_any_size_is_answered_or_refused(
    server: RunningServer, right_answers: dict[str, bytes], model: str, data: st.DataObject, way: Way
) -> None:
    send(server, data.draw(raw_cases(model)), way, right_answers, model)


VALUE = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=30)
NUMBER = st.integers(-1, 10**20).map(str) | st.sampled_from(
    ["", "0", "00", "1e3", "0x1", "\xb2", "9" * 400, " 7 ", "+1"]
)
HEADERS = st.fixed_dictionaries(
    {},
    optional={
        "accept-encoding": VALUE | st.sampled_from(["gzip", "gzip;q=", "gzip;q=0.000", ";;,,gzip", "*", "gzip;q=x"]),
        "content-encoding": VALUE | st.sampled_from(["gzip", "deflate", "identity", "GZIP", "gzip,gzip", "\xff"]),
        "content-type": VALUE
        | st.sampled_from(["application/json; charset=utf-16", "multipart/form-data", "\xff/\xff"]),
        "inference-header-content-length": NUMBER,
        "x-envoy-expected-rq-timeout-ms": NUMBER,
        "traceparent": VALUE | st.sampled_from(["00-" + "0" * 32 + "-" + "0" * 16 + "-01", "\xff"]),
        "x-request-id": VALUE | st.just("\xe9" * 100),
        "connection": st.sampled_from(["keep-alive", "Keep-Alive, x", "x"]),
        "ce-specversion": VALUE,
        "x" * 3000: VALUE,
        "cookie": st.just("y" * 30_000),
    },
)


@pytest.mark.parametrize("path", ["/v2/models/slow/infer", "/v2/models/linear/infer", "/v1/models/linear:predict"])
@given(headers=HEADERS, way=WAYS)
@settings(max_examples=80)
def test_odd_headers_are_understood_or_refused(
    server: RunningServer, right_answers: dict[str, bytes], path: str, headers: dict[str, str], way: Way
) -> None:
    document = V1_DOCUMENTS["linear"] if path.startswith("/v1") else DOCUMENTS["linear"]
    case = Case("headers", path, body=json.dumps(document).encode(), headers=headers)
    send(server, case, way, right_answers, "linear")


PACKED = {
    "gzip": gzip.compress(ONE),
    "deflate": zlib.compress(ONE),
    "x-gzip": gzip.compress(bytes(MAX_BODY_BYTES + 1)),
}


@given(encoding=st.sampled_from(sorted(PACKED)), data=st.data(), way=WAYS)
@settings(max_examples=150)
def test_spoiled_packed_bodies_are_answered_or_refused(
    server: RunningServer, right_answers: dict[str, bytes], encoding: str, data: st.DataObject, way: Way
) -> None:
    body = data.draw(spoiled(PACKED[encoding]) | st.binary(max_size=60))
    case = Case("packed", infer(), body=body, headers={"content-encoding": encoding})
    send(server, case, way, right_answers, "linear")


WORDS = [
    "",
    "v1",
    "v2",
    "models",
    "linear",
    "versions",
    "1.0.0",
    "infer",
    "ready",
    "stats",
    "repository",
    "index",
    "load",
]
PART = st.sampled_from([*WORDS, "linear:predict", "linear:explain", "%2F", "%00", "%ff", "..", "%", "a" * 3000, "*"])
METHODS = st.sampled_from(["GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS"])


@given(method=METHODS, parts=st.lists(PART, max_size=7), query=st.sampled_from(["", "?", "?a=1&b=%", "?#", "#x"]))
@settings(max_examples=250)
def test_any_path_is_answered_or_refused(
    server: RunningServer, right_answers: dict[str, bytes], method: str, parts: list[str], query: str
) -> None:
    case = Case("path", "/" + "/".join(parts) + query, body=ONE if method == "POST" else b"", method=method)
    with Connection(server.http_port) as connection:
        answer = connection.ask(case)
    assert answer.status < 500
    assert valid_answer(server, "linear") == right_answers["linear"]


HEAD = request_bytes(Case("head", infer(), body=ONE))
LINES = st.sampled_from(
    [
        b"content-length: 5", b"content-length: -5", b"content-length: 99999999999999999999", b"content-length: 0x5",
        b"transfer-encoding: chunked", b"transfer-encoding: gzip, chunked", b"transfer-encoding: x", b"upgrade: h2c",
        b"upgrade: websocket", b"connection: upgrade", b"connection: close", b"expect: 100-continue", b"expect: x",
        b"host: \xff", b": x", b"no colon", b" folded", b"\x00: \x00", b"x:" + b"y" * 70_000, b"host:", b"te: trailers",
    ]
)  # fmt: skip


@st.composite
def heads(draw: st.DrawFn) -> bytes:
    """What may stand at the beginning of a connection, from nearly right to noise."""
    if draw(st.booleans()):
        return draw(st.binary(max_size=200) | spoiled(HEAD))
    first = draw(
        st.sampled_from([b"POST /v2/models/linear/infer HTTP/1.1", b"POST /v2/models/linear/infer HTTP/1.0"])
        | st.sampled_from([b"GET /v2 HTTP/9.9", b"GET", b"", b"PRI * HTTP/2.0", b"CONNECT x:1 HTTP/1.1", b"G\xff / x"])
    )
    lines = draw(st.lists(LINES, max_size=4))
    body = draw(st.sampled_from([b"", ONE, b"5\r\nabcde\r\n0\r\n\r\n", b"zz\r\n", b"\x00" * 50]))
    return b"\r\n".join([first, *lines, b"", b""]) + body


@given(content=heads(), follows=st.booleans())
@settings(max_examples=300)
def test_garbage_on_a_connection_ends_it_or_is_refused(
    server: RunningServer, right_answers: dict[str, bytes], content: bytes, follows: bool
) -> None:
    with Connection(server.http_port) as connection:
        received = connection.last_words(content + HEAD if follows else content)
    assert [code for code in re.findall(rb"HTTP/1\.1 (\d{3})", received) if code >= b"500"] == []
    assert valid_answer(server, "linear") == right_answers["linear"]


@given(content=heads())
@settings(max_examples=50)
def test_a_client_that_leaves_in_the_middle_harms_nobody(
    server: RunningServer, right_answers: dict[str, bytes], content: bytes
) -> None:
    with Connection(server.http_port) as connection, suppress(ConnectionError):
        connection.send(content)
    assert valid_answer(server, "linear") == right_answers["linear"]
