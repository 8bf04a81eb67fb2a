# SPDX-License-Identifier: Apache-2.0
"""Requests sent for real: to a Portside server, and to servers that misbehave."""

import json
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import gevent
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression

from loadtests.answers import Answer, AnswerCheck
from loadtests.errors import LoadTestError
from loadtests.payloads.outputs import expected_outputs
from loadtests.payloads.rest_binary import encode_rest_binary
from loadtests.payloads.rest_json import encode_rest_json
from loadtests.payloads.tensors import Encoder, InferenceRequest, Tensor
from loadtests.transports import GrpcTransport, Reply, RestTransport
from predictors import pack
from tests.loadtests import socket_servers
from tests.loadtests.programs import ROOT
from tests.loadtests.socket_servers import Behaviour, SocketServer, Visitor, free_port
from tests.predictors.servers import RunningServer, serving

REQUEST = InferenceRequest((Tensor("input", "FP64", (2, 4), (5.1, 3.5, 1.4, 0.2, 6.7, 3.0, 5.2, 2.3)),), rows=2)
ENCODED = encode_rest_json(REQUEST, "iris")
#: Longer than anything here takes.
LONG = 30.0


@pytest.fixture(scope="module")
def portside(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    features, species = load_iris(return_X_y=True)
    model = LogisticRegression(max_iter=500).fit(features, species)
    folder = pack(model, features, name="iris", version="1.0.0", out=tmp_path_factory.mktemp("models"))
    with serving(folder) as server:
        yield server


@pytest.fixture
def misbehaving() -> Iterator[Callable[..., SocketServer]]:
    """Start servers that behave as told, until the test ends."""
    with ExitStack() as stack:

        def start(behaviour: Behaviour, tls: ssl.SSLContext | None = None) -> SocketServer:
            return stack.enter_context(socket_servers.serving(behaviour, tls))

        yield start


@contextmanager
def rest(url: str, *, timeout: float = LONG, connect_to: str | None = None) -> Iterator[RestTransport]:
    transport = RestTransport(url, connections=8, timeout=timeout, connect_to=connect_to)
    try:
        yield transport
    finally:
        transport.close()


def sent(url: str, *, timeout: float = LONG) -> Reply:
    with rest(url, timeout=timeout) as transport:
        return transport.send(ENCODED)


@pytest.mark.parametrize("how", [encode_rest_json, encode_rest_binary])
def test_a_portside_server_answers_rightly(portside: RunningServer, how: Encoder) -> None:
    encoded = how(REQUEST, "iris", "1.0.0")
    with rest(f"http://127.0.0.1:{portside.http_port}") as transport:
        metadata = transport.get("/v2/models/iris")
        check = AnswerCheck(expected_outputs(json.loads(metadata.body)))
        replies = [transport.send(encoded) for _ in range(3)]

    assert [reply.code for reply in replies] == ["200"] * 3
    assert ("inference-header-content-length" in replies[0].headers) == encoded.binary
    assert {check.read(encoded, reply) for reply in replies} == {Answer("1.0.0", None)}


def test_a_refusal_of_the_model_keeps_its_status_and_body(portside: RunningServer) -> None:
    with rest(f"http://127.0.0.1:{portside.http_port}") as transport:
        reply = transport.send(encode_rest_json(REQUEST, "tulips"))

    assert (reply.code, reply.ok) == ("404", False)
    assert b"tulips" in reply.body


def test_a_host_that_ends_in_localhost_is_this_machine_and_is_named(
    misbehaving: Callable[..., SocketServer],
) -> None:
    server = misbehaving(lambda visitor, _: visitor.read() and visitor.answer())

    assert sent(f"http://spam.localhost:{server.port}/prefix/").ok
    head = server.requests[0].split(b"\r\n")
    assert head[0] == b"POST /prefix/v2/models/iris/infer HTTP/1.1"
    assert f"Host: spam.localhost:{server.port}".encode() in head
    assert server.requests[0].endswith(b"\r\n\r\n" + ENCODED.body)


def test_a_server_is_connected_to_elsewhere_and_still_named(misbehaving: Callable[..., SocketServer]) -> None:
    server = misbehaving(lambda visitor, _: visitor.read() and visitor.answer())
    with rest(f"http://spam.example.invalid:{server.port}", connect_to="127.0.0.1") as transport:
        assert transport.send(ENCODED).ok

    assert f"Host: spam.example.invalid:{server.port}\r\n".encode() in server.requests[0]


def test_a_refusal_is_read_with_its_headers(misbehaving: Callable[..., SocketServer]) -> None:
    server = misbehaving(lambda visitor, _: visitor.read() and visitor.answer(429, b"busy", "Retry-After: 1"))

    reply = sent(server.url)
    assert (reply.code, reply.ok, reply.body, reply.headers["retry-after"]) == ("429", False, b"busy", "1")


def test_a_redirect_is_not_followed(misbehaving: Callable[..., SocketServer]) -> None:
    server = misbehaving(lambda visitor, _: visitor.read() and visitor.answer(307, b"", "Location: /elsewhere"))

    assert sent(server.url).code == "307"
    assert len(server.requests) == 1


def answer_all(visitor: Visitor, _: int) -> None:
    while visitor.read():
        visitor.answer()


def test_a_connection_is_kept(misbehaving: Callable[..., SocketServer]) -> None:
    server = misbehaving(answer_all)
    with rest(server.url) as transport:
        assert {transport.send(ENCODED).code for _ in range(5)} == {"200"}

    assert (server.connections, len(server.requests)) == (1, 5)


def test_requests_at_once_have_connections_of_their_own_up_to_the_limit(
    misbehaving: Callable[..., SocketServer],
) -> None:
    server = misbehaving(answer_all)
    with rest(server.url) as transport:
        asking = [gevent.spawn(transport.send, ENCODED) for _ in range(40)]
        gevent.joinall(asking)

    assert {one.value.code for one in asking} == {"200"}
    assert server.connections == 8


@pytest.mark.parametrize("headers", [(), ("Connection: close",)], ids=["unsaid", "said"])
def test_a_server_that_closes_after_every_answer_is_connected_to_anew(
    misbehaving: Callable[..., SocketServer], headers: tuple[str, ...]
) -> None:
    server = misbehaving(lambda visitor, _: visitor.read() and visitor.answer(200, b"{}", *headers))
    with rest(server.url) as transport:
        assert {transport.send(ENCODED).code for _ in range(5)} == {"200"}

    assert len(server.requests) == 5


def close_when_asked_again(visitor: Visitor, _: int) -> None:
    visitor.read()
    visitor.answer()
    visitor.socket.recv(1)
    visitor.reset()


def test_a_kept_connection_that_is_lost_before_an_answer_is_replaced_once(
    misbehaving: Callable[..., SocketServer],
) -> None:
    server = misbehaving(close_when_asked_again)
    with rest(server.url) as transport:
        assert {transport.send(ENCODED).code for _ in range(3)} == {"200"}

    assert server.connections == 3


def test_a_request_that_got_part_of_an_answer_is_not_sent_again(misbehaving: Callable[..., SocketServer]) -> None:
    def break_off(visitor: Visitor, _: int) -> None:
        visitor.read()
        visitor.answer()
        visitor.read()
        visitor.socket.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf")

    server = misbehaving(break_off)
    with rest(server.url) as transport:
        codes = [transport.send(ENCODED).code for _ in range(2)]

    assert codes == ["200", "connection lost"]
    assert (server.connections, len(server.requests)) == (1, 2)


@pytest.mark.parametrize(
    "part",
    [b"", b"HTTP/1.1 2", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf", b"HTTP/1.1 100 Continue\r\n\r\n"],
    ids=["nothing", "half a head", "half a body", "a provisional answer"],
)
@pytest.mark.parametrize("end", ["closed", "reset"])
def test_an_answer_that_is_cut_off_is_a_lost_connection(
    misbehaving: Callable[..., SocketServer], part: bytes, end: str
) -> None:
    def cut_off(visitor: Visitor, _: int) -> None:
        visitor.read()
        visitor.socket.sendall(part)
        if end == "reset":
            visitor.reset()

    assert sent(misbehaving(cut_off).url) == Reply("connection lost")


def test_an_answer_may_come_in_pieces_or_end_with_the_connection(misbehaving: Callable[..., SocketServer]) -> None:
    def in_pieces(visitor: Visitor, number: int) -> None:
        visitor.read()
        if number == 0:
            for byte in b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n":
                visitor.socket.sendall(bytes([byte]))
            visitor.socket.sendall(b"3\r\nabc\r\n0\r\n\r\n")
        else:
            visitor.socket.sendall(b"HTTP/1.1 200 OK\r\n\r\ndef")

    server = misbehaving(in_pieces)
    with rest(server.url) as transport:
        assert [transport.send(ENCODED).body for _ in range(2)] == [b"abc", b"def"]


def test_what_does_not_speak_http_is_told_so(misbehaving: Callable[..., SocketServer]) -> None:
    server = misbehaving(lambda visitor, _: visitor.socket.sendall(b"SSH-2.0-OpenSSH\r\n"))

    assert sent(server.url) == Reply("not HTTP")


@pytest.mark.parametrize("begun", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf"], ids=["unheard", "half"])
def test_a_server_that_hangs_is_left_in_time_and_the_connection_with_it(
    misbehaving: Callable[..., SocketServer], begun: bytes
) -> None:
    left: list[bytes] = []

    def hang(visitor: Visitor, _: int) -> None:
        visitor.read()
        visitor.socket.sendall(begun)
        left.append(visitor.socket.recv(1))

    server = misbehaving(hang)
    assert sent(server.url, timeout=0.2) == Reply("timeout")
    deadline = time.monotonic() + LONG
    while not left and time.monotonic() < deadline:
        gevent.sleep(0.01)
    assert left == [b""]


def test_the_time_limit_is_of_the_whole_request(misbehaving: Callable[..., SocketServer]) -> None:
    def drip(visitor: Visitor, _: int) -> None:
        visitor.read()
        visitor.socket.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n")
        while True:
            visitor.socket.sendall(b".")
            time.sleep(0.05)

    assert sent(misbehaving(drip).url, timeout=0.5) == Reply("timeout")


def test_another_time_limit_than_its_own_is_not_taken_for_it(misbehaving: Callable[..., SocketServer]) -> None:
    server = misbehaving(lambda visitor, _: (visitor.read(), visitor.socket.recv(1)))
    with rest(server.url) as transport, pytest.raises(gevent.Timeout), gevent.Timeout(0.2):
        transport.send(ENCODED)


def test_no_server_and_no_host_are_told_apart() -> None:
    assert sent(f"http://127.0.0.1:{free_port()}") == Reply("connection refused")
    assert sent("http://no-such-host.invalid:8080") == Reply("unknown host")


def test_a_server_that_comes_up_later_is_found() -> None:
    def answer(visitor: Visitor, _: int) -> None:
        visitor.read()
        visitor.answer()

    with socket_servers.serving(answer) as gone:
        pass
    with rest(gone.url) as transport:
        assert transport.send(ENCODED).code == "connection refused"
        with socket_servers.serving(answer, port=gone.port):
            assert transport.send(ENCODED).code == "200"
        assert transport.send(ENCODED).code == "connection refused"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate of the name spam.localhost with its key, signed by itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "spam.localhost")])
    now = datetime.now(UTC)
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("spam.localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "certificate.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(private + signed.public_bytes(serialization.Encoding.PEM))
    return path


@pytest.fixture
def tls_server(misbehaving: Callable[..., SocketServer], certificate: Path) -> SocketServer:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return misbehaving(answer_all, context)


def test_https_is_spoken_where_the_certificate_is_trusted(
    tls_server: SocketServer, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    with rest(f"https://spam.localhost:{tls_server.port}") as transport:
        assert {transport.send(ENCODED).code for _ in range(3)} == {"200"}

    assert tls_server.connections == 1


def test_a_certificate_that_is_not_trusted_or_of_another_name_is_a_tls_failure(
    tls_server: SocketServer, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert sent(f"https://spam.localhost:{tls_server.port}") == Reply("TLS failure")
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    assert sent(f"https://other.localhost:{tls_server.port}") == Reply("TLS failure")


def test_https_to_a_server_without_it_is_a_tls_failure(misbehaving: Callable[..., SocketServer]) -> None:
    server = misbehaving(lambda visitor, _: visitor.socket.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n"))

    assert sent(f"https://127.0.0.1:{server.port}") == Reply("TLS failure")


@pytest.mark.parametrize(
    "url",
    ["127.0.0.1:8080", "ftp://host", "http://", "http://host:port", "http://host/?a", "http://me@host", "http://h\r\n"],
)
def test_an_address_that_is_none_is_refused_at_once(url: str) -> None:
    with pytest.raises(LoadTestError, match="not the address of a server; write it like http://127"):
        RestTransport(url, connections=1, timeout=1)


@pytest.mark.parametrize("target", ["host", "http://host:1", ":8081", "host:0", "host:x", "host:1/path"])
def test_a_target_of_grpc_that_is_none_is_refused_at_once(target: str) -> None:
    with pytest.raises(LoadTestError, match="not the address of a server; write it HOST:PORT"):
        GrpcTransport(target, timeout=1)


class GrpcSender:
    """A process that sends by gRPC under gevent, as Locust's does."""

    def __init__(self, *words: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.loadtests.grpc_sender", *words],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )

    def send(self, number: int = 1) -> list[tuple[str, str, str | None]]:
        """Return code, version and problem of so many requests sent at once."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(f"{number}\n")
        self.process.stdin.flush()
        return [tuple(one) for one in json.loads(self.process.stdout.readline())]


@pytest.fixture
def grpc_sender() -> Iterator[Callable[..., GrpcSender]]:
    senders: list[GrpcSender] = []

    def start(*words: str) -> GrpcSender:
        senders.append(GrpcSender(*words))
        return senders[-1]

    yield start
    for sender in senders:
        sender.process.communicate(timeout=LONG)


def test_a_portside_server_answers_by_grpc(portside: RunningServer, grpc_sender: Callable[..., GrpcSender]) -> None:
    right = ("OK", "1.0.0", None)

    assert grpc_sender(str(LONG), f"iris.localhost:{portside.grpc_port}").send(50) == [right] * 50
    assert grpc_sender(str(LONG), f"iris.invalid:{portside.grpc_port}", "127.0.0.1").send() == [right]


def test_what_stands_in_the_way_of_grpc_is_told(
    misbehaving: Callable[..., SocketServer], grpc_sender: Callable[..., GrpcSender]
) -> None:
    def refuse(visitor: Visitor, _: int) -> None:
        visitor.read()
        visitor.answer(400)

    silent = misbehaving(lambda visitor, _: (visitor.read(), visitor.socket.recv(1)))
    http1 = misbehaving(refuse)

    assert grpc_sender(str(LONG), f"127.0.0.1:{free_port()}").send()[0][0] == "connection refused"
    assert grpc_sender(str(LONG), "no-such-host.invalid:80").send()[0][0] == "unknown host"
    assert grpc_sender("0.3", f"127.0.0.1:{silent.port}").send()[0][0] == "timeout"
    assert grpc_sender(str(LONG), f"127.0.0.1:{http1.port}").send()[0][0] == "not gRPC"


def test_grpc_finds_a_server_that_comes_up_later_and_goes_away_again(
    portside: RunningServer, grpc_sender: Callable[..., GrpcSender]
) -> None:
    with socket_servers.serving(lambda visitor, _: None) as gone:
        pass
    sender = grpc_sender(str(LONG), f"127.0.0.1:{gone.port}")
    assert {sender.send()[0][0] for _ in range(20)} == {"connection refused"}

    with socket_servers.serving(socket_servers.forward_to(portside.grpc_port), port=gone.port):
        deadline = time.monotonic() + LONG
        while (code := sender.send()[0][0]) == "connection refused" and time.monotonic() < deadline:
            time.sleep(0.05)
        assert code == "OK"
    assert sender.send()[0][0] in ("connection refused", "connection lost")
