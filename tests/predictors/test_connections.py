# SPDX-License-Identifier: Apache-2.0
"""What crosses a raw connection: split, pipelined, chunked, closed; the fast path and uvicorn's own take turns."""

import time
from collections.abc import Iterator

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.datasets import load_iris
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression

from predictors import pack
from tests.predictors import protocol_client
from tests.predictors.servers import RunningServer, serving

X, Y = load_iris(return_X_y=True)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    out = tmp_path_factory.mktemp("models")
    fast = pack(LogisticRegression(max_iter=500).fit(X, Y), X, name="fast", version="1", out=out)
    slow = HistGradientBoostingClassifier(max_iter=5).fit(X, Y)
    with serving(fast, pack(slow, X, name="slow", version="1", out=out, onnx=False)) as running:
        yield running


def body(request_id: str, rows: int = 1) -> bytes:
    data = X[:rows].ravel().tolist()
    tensor = {"name": "input", "datatype": "FP64", "shape": [rows, 4], "data": data}
    return orjson.dumps({"id": request_id, "inputs": [tensor]})


def post(request_id: str, model: str = "fast", rows: int = 1, *headers: str) -> bytes:
    content = body(request_id, rows)
    head = [f"POST /v2/models/{model}/infer HTTP/1.1", "host: x", f"content-length: {len(content)}", *headers]
    return "\r\n".join([*head, "", ""]).encode() + content


class Connection(protocol_client.Connection):
    """A raw connection that reads whole responses."""

    def __init__(self, port: int) -> None:
        super().__init__(port, timeout=20)

    def response(self) -> tuple[int, dict[str, str], bytes]:
        status = int(self._file.readline().split()[1])
        headers = {}
        while line := self._file.readline().strip():
            name, _, value = line.decode().partition(":")
            headers[name.lower()] = value.strip()
        return status, headers, self._file.read(int(headers["content-length"]))

    def answered_id(self) -> str:
        status, _, content = self.response()
        assert status == 200, content
        answered: str = orjson.loads(content)["id"]
        return answered

    def is_closed(self) -> bool:
        return self._file.read() == b""


@given(st.lists(st.tuples(st.sampled_from(["fast", "slow"]), st.integers(1, 40)), min_size=1, max_size=12), st.data())
@settings(max_examples=40, deadline=None)
def test_pipelined_requests_are_answered_in_order_however_the_bytes_arrive(
    server: RunningServer, requests: list[tuple[str, int]], data: st.DataObject
) -> None:
    stream = b"".join(post(str(place), model, rows) for place, (model, rows) in enumerate(requests))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=8)))
    with Connection(server.http_port) as connection:
        for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
            connection.send(stream[start:end])
        assert [connection.answered_id() for _ in requests] == [str(place) for place in range(len(requests))]


def test_a_connection_is_kept_for_the_next_request(server: RunningServer) -> None:
    with Connection(server.http_port) as connection:
        for place in range(5):
            connection.send(post(str(place)))
            assert connection.answered_id() == str(place)


@pytest.mark.parametrize("model", ["fast", "slow"])
def test_a_connection_is_closed_when_the_client_asks(server: RunningServer, model: str) -> None:
    with Connection(server.http_port) as connection:
        connection.send(post("a", model, 1, "connection: close"))
        status, headers, _ = connection.response()
        assert (status, headers["connection"]) == (200, "close")
        assert connection.is_closed()


def test_http_1_0_is_answered_and_closed(server: RunningServer) -> None:
    with Connection(server.http_port) as connection:
        connection.send(post("a").replace(b"HTTP/1.1", b"HTTP/1.0"))
        assert connection.answered_id() == "a"
        assert connection.is_closed()


def test_a_chunked_body_is_answered(server: RunningServer) -> None:
    content = body("a")
    chunks = b"%x\r\n%s\r\n%x\r\n%s\r\n0\r\n\r\n" % (10, content[:10], len(content) - 10, content[10:])
    head = b"POST /v2/models/fast/infer HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n"
    with Connection(server.http_port) as connection:
        connection.send(head + chunks + post("b"))
        assert [connection.answered_id(), connection.answered_id()] == ["a", "b"]


def test_a_client_that_expects_100_continue_gets_it(server: RunningServer) -> None:
    request = post("a", "fast", 1, "expect: 100-continue")
    head, _, content = request.partition(b"\r\n\r\n")
    with Connection(server.http_port) as connection:
        connection.send(head + b"\r\n\r\n")
        assert connection._file.readline().startswith(b"HTTP/1.1 100")
        connection._file.readline()
        connection.send(content)
        assert connection.answered_id() == "a"


def test_a_refusal_does_not_end_the_connection(server: RunningServer) -> None:
    with Connection(server.http_port) as connection:
        connection.send(b"POST /v2/models/fast/infer HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\n\r\n{" + post("b"))
        status, headers, content = connection.response()
        assert (status, headers["content-type"], set(orjson.loads(content))) == (400, "application/json", {"error"})
        assert connection.answered_id() == "b"


def test_an_empty_body_is_refused(server: RunningServer) -> None:
    with Connection(server.http_port) as connection:
        connection.send(b"POST /v2/models/fast/infer HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n")
        assert connection.response()[0] == 400


def test_a_client_that_leaves_in_the_middle_of_a_request_harms_nobody(server: RunningServer) -> None:
    with Connection(server.http_port) as connection:
        connection.send(post("a")[:-5])
    with Connection(server.http_port) as connection:
        connection.send(post("b"))
        assert connection.answered_id() == "b"


def test_the_fast_path_and_the_other_one_say_the_same(server: RunningServer) -> None:
    with Connection(server.http_port) as connection:
        connection.send(post("a") + post("a", "fast", 1, "content-encoding: identity"))
        one, other = connection.response(), connection.response()
    assert one[0] == other[0] == 200
    assert one[2] == other[2]
    assert {**one[1], "date": ""} == {**other[1], "date": ""}


@given(st.binary(max_size=300))
@settings(max_examples=60, deadline=None)
def test_any_bytes_as_a_body_get_an_answer_below_500(server: RunningServer, content: bytes) -> None:
    head = b"POST /v2/models/fast/infer HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n" % len(content)
    with Connection(server.http_port) as connection:
        connection.send(head + content)
        assert connection.response()[0] == 400


@pytest.mark.parametrize(
    "length", ["-1", "abc", "9" * 30, "9" * 5000], ids=["negative", "letters", "long", "very long"]
)
def test_a_json_length_that_is_none_is_refused(server: RunningServer, length: str) -> None:
    with Connection(server.http_port) as connection:
        connection.send(post("a", "fast", 1, f"inference-header-content-length: {length}"))
        assert connection.response()[0] == 400


def test_an_offer_to_upgrade_is_left_unheard_and_the_body_is_read(server: RunningServer) -> None:
    offer = ("connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "http2-settings: AAMAAABkAAQAoAAAAAIAAAAA")
    with Connection(server.http_port) as connection:
        connection.send(post("a", "fast", 1, *offer) + post("b", "slow", 1, *offer))
        assert [connection.answered_id()] == ["a"]


def test_an_upgrade_that_cannot_be_left_unheard_never_turns_a_body_into_a_request(server: RunningServer) -> None:
    request = post("a", "fast", 1, "connection: Upgrade", "upgrade: h2c")
    split = request.index(b"upgrade: h2c") + 3
    with Connection(server.http_port) as connection:
        connection.send(request[:split])
        time.sleep(0.05)  # so that the head comes in two parts; however it comes, one answer at most is right
        connection.send(request[split:])
        status, headers, _ = connection.response()
        assert (status, headers["connection"]) == (400, "close")
        assert connection.is_closed()


@pytest.mark.parametrize(
    "pieces",
    [[b"GET / HTTP/1.1\r\n" + b"x: y\r\n" * 300 + b"\r\n"], [b"GET / HTTP/1.1\r\nx: ", *[b"y" * 22_000] * 3]],
    ids=["too many headers", "a header too large"],
)
def test_a_head_without_end_is_refused(server: RunningServer, pieces: list[bytes]) -> None:
    with Connection(server.http_port) as connection:
        for piece in pieces:
            connection.send(piece)
            time.sleep(0.05)  # so that nothing is unread when the connection is closed, which would reset it
        status, headers, content = connection.response()
    assert (status, headers["connection"], set(orjson.loads(content))) == (431, "close", {"error"})


def test_what_is_not_http_is_refused_as_everything_is(server: RunningServer) -> None:
    with Connection(server.http_port) as connection:
        connection.send(b"\x16\x03\x01 hello\r\n\r\n")
        status, _, content = connection.response()
    assert (status, orjson.loads(content)) == (400, {"error": "the request is not valid HTTP"})
