# SPDX-License-Identifier: Apache-2.0
"""The client behind `portside predict`: where it connects to, and the host name that it asks for."""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import orjson
import pytest
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression

from predictors import pack
from predictors.client import default_url
from tests.predictors.servers import serving

REQUEST = Path(__file__).parents[2] / "examples" / "spam-request.json"


class Gateway(HTTPServer):
    """Answers as a gateway does: by host name, and without a body where it has no such route."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Route)
        self.asked: list[tuple[str, str]] = []


class _Route(BaseHTTPRequestHandler):
    server: Gateway

    def do_GET(self) -> None:
        self._answer(200, b"{}")

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers["Host"].startswith("iris.localhost"):
            self._answer(200, b'{"outputs":[]}')
        else:
            self._answer(404, b"")

    def _answer(self, status: int, body: bytes) -> None:
        self.server.asked.append((self.headers["Host"], self.path))
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        return


@pytest.fixture
def gateway() -> Iterator[Gateway]:
    server = Gateway()
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def predict(*words: str, source: Path = REQUEST, **environ: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "portside", "predict", *words, "--input", str(source), "--json"]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, env={**os.environ, **environ})


@pytest.mark.parametrize(
    ("model", "url"),
    [
        pytest.param("spam", "http://spam.localhost:8080", id="a host name"),
        pytest.param("fraud-2", "http://fraud-2.localhost:8080", id="a host name with a hyphen"),
        pytest.param("Spam", "http://127.0.0.1:8080", id="capitals"),
        pytest.param("spam_v2", "http://127.0.0.1:8080", id="an underscore"),
        pytest.param("spam.v2", "http://127.0.0.1:8080", id="a dot"),
        pytest.param("a/b", "http://127.0.0.1:8080", id="a slash"),
    ],
)
def test_a_model_is_asked_by_its_own_host_name_where_it_can_be_one(model: str, url: str) -> None:
    assert default_url(model) == url


def test_a_name_under_localhost_is_this_machine_and_not_asked_of_a_proxy(gateway: Gateway) -> None:
    url = f"http://iris.localhost:{gateway.server_port}"
    # Nobody listens where the proxy would be.
    ended = predict("iris", "--url", f"{url}/", "--wait", "5", http_proxy="http://127.0.0.1:9")
    assert (ended.returncode, ended.stdout) == (0, '{"outputs":[]}\n'), ended.stderr
    host = f"iris.localhost:{gateway.server_port}"
    assert gateway.asked == [(host, "/v2/models/iris/ready"), (host, "/v2/models/iris/infer")]


def test_a_name_that_no_resolver_knows_is_this_machine_too(gateway: Gateway) -> None:
    code = (
        "import socket, sys\n"
        "def unknown(*_): raise socket.gaierror('no such name')\n"
        "def numbers(host, *words, real=socket.getaddrinfo, **more):\n"
        "    return (real if host == '127.0.0.1' else unknown)(host, *words, **more)\n"
        "socket.getaddrinfo = numbers\n"
        "from predictors.client import ask\n"
        f"url = 'http://iris.localhost:{gateway.server_port}'\n"
        "print(ask('iris', b'{}', url=url, version='1', wait=0, timeout=10))"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert ended.stdout == "b'{\"outputs\":[]}'\n", ended.stderr
    assert gateway.asked == [(f"iris.localhost:{gateway.server_port}", "/v2/models/iris/versions/1/infer")]


def test_a_refusal_without_a_body_is_told_by_its_status(gateway: Gateway) -> None:
    url = f"http://other.localhost:{gateway.server_port}"
    ended = predict("other", "--url", url)
    assert ended.returncode == 2
    assert ended.stderr == f"portside: {url} answered 404: Not Found\n"


@pytest.mark.parametrize("url", ["ftp://127.0.0.1", "http://", "http://iris.localhost:port", "iris.localhost:8080"])
def test_what_is_no_address_is_told(url: str) -> None:
    ended = predict("iris", "--url", url)
    assert ended.returncode == 2
    assert ended.stderr == f"portside: {url}: not an http or https address\n"


def test_nobody_there_is_told() -> None:
    ended = predict("iris", "--url", "http://iris.localhost:9")
    assert ended.returncode == 2
    assert "http://iris.localhost:9 cannot be reached" in ended.stderr
    assert "is the server running there?" in ended.stderr


def test_a_server_on_this_machine_answers_under_the_models_host_name(tmp_path: Path) -> None:
    X, Y = load_iris(return_X_y=True)
    folder = pack(LogisticRegression(max_iter=500).fit(X, Y), X, name="iris", version="1", out=tmp_path, onnx=False)
    row = {"name": "input", "datatype": "FP64", "shape": [1, 4], "data": X[0].tolist()}
    (tmp_path / "request.json").write_bytes(orjson.dumps({"inputs": [row]}))
    with serving(folder) as server:
        url = f"http://iris.localhost:{server.http_port}"
        ended = predict("iris", "--url", url, source=tmp_path / "request.json")
    assert orjson.loads(ended.stdout)["outputs"][0]["data"] == [0]
