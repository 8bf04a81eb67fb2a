# SPDX-License-Identifier: Apache-2.0
"""The HTTP/2 beneath gRPC, frame by frame."""

from collections.abc import Callable, Iterator

import grpc
import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression

from predictors import pack
from predictors.serving.grpc import frames as h2
from predictors.serving.grpc.frames import ErrorCode, Setting
from predictors.v2.messages import SERVICE, ModelInferResponse
from tests.predictors.grpc_client import grpc_client, raw_request
from tests.predictors.http2_client import Http2Client, http2_client
from tests.predictors.servers import RunningServer, serving

X, Y = load_iris(return_X_y=True)
LIMIT = 2_000_000
LIVE = f"/{SERVICE}/ServerLive"
#: ServerLiveResponse(live=True), framed.
ALIVE = b"\0\0\0\0\x02\x08\x01"
EMPTY = b"\0\0\0\0\0"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    out = tmp_path_factory.mktemp("models")
    model = pack(LogisticRegression(max_iter=500).fit(X, Y), X, name="fast", version="1.0.0", out=out)
    with serving(model, PREDICTOR_MAX_BODY_BYTES=str(LIMIT)) as running:
        with grpc_client(running.grpc_port) as client:
            assert client.call("ServerReady").ready
        yield running


@pytest.fixture
def client(server: RunningServer) -> Iterator[Http2Client]:
    with http2_client(server.grpc_port) as connected:
        yield connected


def message(rows: int = 1) -> bytes:
    body = raw_request("fast", {"input": ("FP64", np.tile(X, (rows // 150 + 1, 1))[:rows])}).SerializeToString()
    return b"\0" + len(body).to_bytes(4) + bytes(body)


def data(stream: int, payload: bytes, *, ends: bool = True) -> bytes:
    """Return the DATA frames of a payload."""
    size = h2.FRAME_BYTES
    parts = [payload[start : start + size] for start in range(0, len(payload), size)] or [b""]
    last = len(parts) - 1
    return b"".join(
        h2.frame(h2.DATA, h2.END_STREAM if ends and place == last else 0, stream, part)
        for place, part in enumerate(parts)
    )


def rows_of(answer: bytes) -> int:
    """Return how many rows a framed ModelInferResponse has."""
    return int(ModelInferResponse.FromString(answer[5:]).outputs[0].shape[0])


def test_a_request_may_come_byte_by_byte(client: Http2Client) -> None:
    client.greet()
    for byte in client.headers(1) + data(1, message()):
        client.send(bytes([byte]))
    answer, told = client.answer(1)
    assert rows_of(answer) == 1
    assert told["grpc-status"] == "0"


def test_many_requests_may_come_at_once(client: Http2Client) -> None:
    client.greet()
    client.send(*(client.headers(stream) + data(stream, message(stream)) for stream in range(1, 101, 2)))
    assert [rows_of(client.answer(stream)[0]) for stream in range(1, 101, 2)] == list(range(1, 101, 2))


def test_headers_are_read_right_while_the_compression_learns_and_forgets(client: Http2Client) -> None:
    client.greet()
    for place in range(300):
        stream = 2 * place + 1
        # The table holds 4 KiB: old entries go all the time, and the same bytes come to mean something else.
        fields = {"x_request_id": f"r-{place % 7}" * (1 + place % 50), "grpc_timeout": f"{place + 1}S"}
        path = LIVE if place % 3 else f"/{SERVICE}/M{place % 5}"
        client.send(client.headers(stream, path, **fields) + data(stream, EMPTY))
        answer, told = client.answer(stream)
        assert (answer, told["grpc-status"]) == ((ALIVE, "0") if place % 3 else (b"", "12"))


def test_a_header_block_may_come_in_pieces(client: Http2Client) -> None:
    client.greet()
    block = client.block(LIVE)
    client.send(
        h2.frame(h2.HEADERS, 0, 1, block[:5]),
        h2.frame(h2.CONTINUATION, 0, 1, block[5:9]),
        h2.frame(h2.CONTINUATION, h2.END_HEADERS, 1, block[9:]),
        data(1, EMPTY),
    )
    assert client.answer(1)[0] == ALIVE


def test_padding_priority_and_trailers_change_nothing(client: Http2Client) -> None:
    client.greet()
    flags = h2.END_HEADERS | h2.PADDED | h2.PRIORITISED
    client.send(
        h2.frame(h2.HEADERS, flags, 1, b"\x03" + b"\0\0\0\0\x10" + client.block(LIVE) + b"\0\0\0"),
        h2.frame(h2.DATA, h2.PADDED, 1, b"\x02" + EMPTY + b"\0\0"),
        h2.frame(h2.HEADERS, h2.END_HEADERS | h2.END_STREAM, 1, client.encoder.encode([("x-end", "1")])),
    )
    assert client.answer(1)[0] == ALIVE


def test_frames_of_unknown_kinds_are_passed_over(client: Http2Client) -> None:
    client.greet()
    client.send(h2.frame(0xAB, 0xFF, 0, b"what"), client.headers(1, LIVE), data(1, EMPTY))
    assert client.answer(1)[0] == ALIVE


def test_an_answer_waits_until_the_client_has_room(client: Http2Client) -> None:
    client.greet({Setting.INITIAL_WINDOW_SIZE: 10})
    client.send(client.headers(1) + data(1, message(10)))
    got = b""
    for frame in client.frames():
        if frame.kind == h2.DATA:
            got += frame.payload
            assert len(frame.payload) <= 10
            client.send(h2.window_update(1, 10))
        if frame.flags & h2.END_STREAM and frame.kind == h2.HEADERS:
            break
    assert rows_of(got) == 10


def test_an_answer_goes_on_when_the_settings_make_room(client: Http2Client) -> None:
    client.greet({Setting.INITIAL_WINDOW_SIZE: 0})
    client.send(client.headers(1) + data(1, message(10)))
    assert client.next(h2.HEADERS).stream == 1
    client.send(h2.settings({Setting.INITIAL_WINDOW_SIZE: 2**20}))
    answer = client.next(h2.DATA)
    assert rows_of(answer.payload) == 10


def test_other_calls_are_answered_while_one_waits_for_room(client: Http2Client) -> None:
    client.greet({Setting.INITIAL_WINDOW_SIZE: 100})
    client.send(client.headers(1) + data(1, message(100)), client.headers(3, LIVE) + data(3, EMPTY))
    assert client.answer(3)[0] == ALIVE


def test_a_request_larger_than_the_windows_is_taken_whole(client: Http2Client) -> None:
    client.greet({Setting.INITIAL_WINDOW_SIZE: 2**24})
    body = message(LIMIT // 40)
    client.send(client.headers(1))
    room, place = 2**16 - 1, 0
    frames = client.frames()
    while place < len(body):
        part = body[place : place + min(room, h2.FRAME_BYTES)]
        if part:
            place += len(part)
            room -= len(part)
            client.send(h2.frame(h2.DATA, h2.END_STREAM if place == len(body) else 0, 1, part))
            continue
        frame = next(frames)
        if frame.kind == h2.SETTINGS and not frame.flags & h2.ACK:
            told = dict(h2.read_settings(frame.payload))
            room += told[Setting.INITIAL_WINDOW_SIZE] - (2**16 - 1)
        if frame.kind == h2.WINDOW_UPDATE and frame.stream == 1:
            room += h2.read_number(frame.payload)
    assert rows_of(client.answer(1)[0]) == LIMIT // 40


def test_a_call_over_the_limit_is_refused_before_it_ends(client: Http2Client) -> None:
    client.greet()
    client.send(client.headers(1))
    for _ in range(LIMIT // h2.FRAME_BYTES + 1):
        client.send(data(1, bytes(h2.FRAME_BYTES), ends=False))
    _, told = client.answer(1)
    assert told["grpc-status"] == "8"
    assert told["grpc-message"] == f"the message is over the limit of {LIMIT} bytes"


STATUSES: dict[str, tuple[dict[str, str], bytes, str, str]] = {
    "no message": ({}, b"", "3", "the call ended before its message"),
    "half a message": ({}, b"\0\0\0\0\x09abc", "3", "the message is said to have 9 bytes, the call brought 3"),
    "two messages": ({}, EMPTY * 2, "3", "the message is said to have 0 bytes, the call brought 5"),
    "packed, and not said how": (
        {},
        b"\1\0\0\0\x01x",
        "3",
        "the message is packed, and the call's headers do not say how",
    ),
    "packed in an unknown way": (
        {"grpc_encoding": "zstd"},
        b"\1\0\0\0\x01x",
        "12",
        "the encoding 'zstd' is not known here; send gzip or deflate",
    ),
    "not packed as it says": (
        {"grpc_encoding": "gzip"},
        b"\1\0\0\0\x01x",
        "3",
        "the message is not one whole gzip stream",
    ),
    "no time": ({"grpc_timeout": "1n"}, message(), "4", "the request's time was over before its answer was there"),
}


@pytest.mark.parametrize("case", STATUSES)
def test_a_call_that_cannot_be_answered_gets_its_status(client: Http2Client, case: str) -> None:
    fields, body, status, sentence = STATUSES[case]
    client.greet()
    client.send(client.headers(1, **fields) + data(1, body))
    _, told = client.answer(1)
    assert (told["grpc-status"], told["grpc-message"]) == (status, sentence)


@pytest.mark.parametrize(
    ("fields", "status"),
    [({":method": "GET"}, "405"), ({"content-type": "application/json"}, "415")],
    ids=["method", "content type"],
)
def test_what_is_no_grpc_call_gets_an_http_status(client: Http2Client, fields: dict[str, str], status: str) -> None:
    client.greet()
    client.send(client.headers(1, LIVE, **fields) + data(1, EMPTY))
    assert client.answer(1)[1][":status"] == status


MALFORMED: dict[str, list[tuple[str, str]]] = {
    "no path": [(":method", "POST"), (":scheme", "http")],
    "unknown pseudo-header": [(":method", "POST"), (":scheme", "http"), (":path", LIVE), (":x", "1")],
    "pseudo-header twice": [(":method", "POST"), (":method", "POST"), (":scheme", "http"), (":path", LIVE)],
    "pseudo-header late": [(":method", "POST"), (":scheme", "http"), ("x", "1"), (":path", LIVE)],
    "a connection's header": [(":method", "POST"), (":scheme", "http"), (":path", LIVE), ("connection", "close")],
    "upper case": [(":method", "POST"), (":scheme", "http"), (":path", LIVE), ("X-Id", "1")],
    "content length": [(":method", "POST"), (":scheme", "http"), (":path", LIVE), ("content-length", "99")],
}


@pytest.mark.parametrize("case", MALFORMED)
def test_malformed_headers_end_the_call_and_no_other(client: Http2Client, case: str) -> None:
    client.greet()
    client.send(h2.frame(h2.HEADERS, h2.END_HEADERS, 1, client.encoder.encode(MALFORMED[case])) + data(1, EMPTY))
    assert client.answer(1)[1]["reset"] == str(int(ErrorCode.PROTOCOL_ERROR))
    client.send(client.headers(3, LIVE) + data(3, EMPTY))
    assert client.answer(3)[0] == ALIVE


def _repeated(frame: bytes) -> Callable[[Http2Client], bytes]:
    return lambda _: frame * 5000


BROKEN: dict[str, tuple[Callable[[Http2Client], bytes], ErrorCode]] = {
    "a frame over the limit": (
        lambda _: h2.frame(h2.DATA, 0, 1, bytes(h2.FRAME_BYTES + 1)),
        ErrorCode.FRAME_SIZE_ERROR,
    ),
    "data before headers": (lambda _: data(1, EMPTY), ErrorCode.PROTOCOL_ERROR),
    "an even stream": (lambda client: client.headers(2, LIVE), ErrorCode.PROTOCOL_ERROR),
    "a stream that is over": (
        lambda client: client.headers(3, LIVE) + data(3, EMPTY) + client.headers(1, LIVE),
        ErrorCode.STREAM_CLOSED,
    ),
    "a block that goes on nowhere": (
        lambda client: h2.frame(h2.HEADERS, 0, 1, client.block()) + data(1, EMPTY),
        ErrorCode.PROTOCOL_ERROR,
    ),
    "a block without end": (
        lambda _: h2.frame(h2.HEADERS, 0, 1) + h2.frame(h2.CONTINUATION, 0, 1, bytes(1000)) * 20,
        ErrorCode.ENHANCE_YOUR_CALM,
    ),
    "headers over the limit": (
        lambda client: client.headers(1, LIVE, **{f"x{number}": "y" * 200 for number in range(79)}),
        ErrorCode.ENHANCE_YOUR_CALM,
    ),
    "a block that is none": (
        lambda _: h2.frame(h2.HEADERS, h2.END_HEADERS, 1, b"\xff" * 9),
        ErrorCode.COMPRESSION_ERROR,
    ),
    "a push": (lambda _: h2.frame(h2.PUSH_PROMISE, 0, 1, bytes(4)), ErrorCode.PROTOCOL_ERROR),
    "too wide a window": (lambda _: h2.window_update(0, 2**31 - 1), ErrorCode.FLOW_CONTROL_ERROR),
    "a setting out of range": (lambda _: h2.settings({Setting.MAX_FRAME_SIZE: 1}), ErrorCode.PROTOCOL_ERROR),
    "pings without end": (_repeated(h2.frame(h2.PING, 0, 0, bytes(8))), ErrorCode.ENHANCE_YOUR_CALM),
    "settings without end": (_repeated(h2.settings({})), ErrorCode.ENHANCE_YOUR_CALM),
    "calls begun and ended without end": (
        lambda client: b"".join(
            client.headers(stream) + h2.reset(stream, ErrorCode.CANCEL) for stream in range(1, 8001, 2)
        ),
        ErrorCode.ENHANCE_YOUR_CALM,
    ),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_connection_is_ended_with_the_reason(server: RunningServer, client: Http2Client, case: str) -> None:
    frames, code = BROKEN[case]
    client.greet()
    client.send(frames(client))
    ended = client.next(h2.GOAWAY)
    assert ErrorCode(int.from_bytes(ended.payload[4:8])) is code
    with grpc_client(server.grpc_port) as other:
        assert other.call("ServerLive").live


def test_what_is_no_http2_at_all_is_shut_out(client: Http2Client) -> None:
    client.send(b"GET / HTTP/1.1\r\nHost: here\r\n\r\n")
    assert client.next(h2.GOAWAY).payload[4:8] == bytes([0, 0, 0, ErrorCode.PROTOCOL_ERROR])


def test_a_ping_comes_back(client: Http2Client) -> None:
    client.greet()
    client.send(h2.frame(h2.PING, 0, 0, b"12345678"))
    ping = client.next(h2.PING)
    assert (ping.flags, ping.payload) == (h2.ACK, b"12345678")


frames = st.builds(
    h2.frame, st.integers(0, 12), st.integers(0, 255), st.integers(0, 9), st.binary(max_size=60)
)  # fmt: skip


@hypothesis_settings(max_examples=150)
@given(sent=st.lists(frames | st.just(b"call") | st.binary(max_size=30), max_size=12))
def test_no_frames_break_the_server(server: RunningServer, sent: list[bytes]) -> None:
    with http2_client(server.grpc_port) as client:
        client.greet()
        call = client.headers(11, LIVE) + data(11, EMPTY)
        client.send(*(call if part == b"call" else part for part in sent))
        client.connection.shutdown(1)
        for _ in client.frames():
            pass
    with grpc_client(server.grpc_port) as other:
        assert other.outcome(raw_request("fast", {"input": ("FP64", X[:1])})) is grpc.StatusCode.OK
