# SPDX-License-Identifier: Apache-2.0
"""The yardstick itself, asked over a plain connection."""

import time
from array import array
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from http.client import HTTPConnection, RemoteDisconnected
from typing import Any

import orjson
import pytest

from tests.loadtests.programs import KnownServer

Server = Callable[..., KnownServer]
Connect = Callable[[KnownServer], HTTPConnection]

BATCH = {"inputs": [{"name": "x", "datatype": "FP64", "shape": [2, 2], "data": [1.5, 2.0, -3.0, 0.5]}]}


def ask(connection: HTTPConnection, model: str = "known") -> tuple[int, dict[str, Any]]:
    connection.request("POST", f"/v2/models/{model}/infer", orjson.dumps(BATCH))
    response = connection.getresponse()
    return response.status, orjson.loads(response.read())


@pytest.fixture
def connect() -> Iterator[Connect]:
    """Open connections to a server that are closed with the test."""
    with ExitStack() as stack:

        def connect(server: KnownServer) -> HTTPConnection:
            return stack.enter_context(closing(HTTPConnection("127.0.0.1", server.port, timeout=10)))

        yield connect


def test_it_answers_with_the_sums_of_the_rows(known_server: Server, connect: Connect) -> None:
    connection = connect(known_server())
    status, answer = ask(connection)
    assert (status, answer["model_name"], answer["model_version"]) == (200, "known", "1")
    assert answer["outputs"] == [{"name": "y", "datatype": "FP64", "shape": [2], "data": [3.5, -2.5]}]
    assert ask(connection, "other")[0] == 404


def test_it_answers_binary_tensors_with_such(known_server: Server, connect: Connect) -> None:
    connection = connect(known_server())
    x = {"name": "x", "datatype": "FP64", "shape": [1, 2], "parameters": {"binary_data_size": 16}}
    head = orjson.dumps({"inputs": [x]})
    headers = {"Inference-Header-Content-Length": str(len(head))}
    connection.request("POST", "/v2/models/known/infer", head + array("d", [1.0, 2.5]).tobytes(), headers)
    response = connection.getresponse()
    body = response.read()
    length = int(response.headers["Inference-Header-Content-Length"])
    assert orjson.loads(body[:length])["outputs"][0]["parameters"] == {"binary_data_size": 8}
    assert array("d", body[length:]).tolist() == [3.5]


def test_its_delay_counts_from_reading_to_answering(known_server: Server, connect: Connect) -> None:
    server = known_server("--delay", "20ms")
    connection = connect(server)
    for _ in range(50):
        ask(connection)
    times = server.end().service_ms()
    assert len(times) == 50
    assert times[0] >= 20
    assert times[25] == pytest.approx(20, abs=0.5)


def test_nothing_is_answered_while_it_is_frozen(known_server: Server, connect: Connect) -> None:
    server = known_server("--delay", "1ms", "--freeze", "0.5s/1s")
    connection = connect(server)
    ask(connection)
    time.sleep(0.6)
    ask(connection)
    (frozen, *_), (*_, last) = (record := server.end()).freezes, record.requests
    start, end = frozen
    assert (end - start) / 1e9 == pytest.approx(0.5, abs=0.02)
    assert end <= last[0] < last[1]


def test_it_refuses_and_errs_and_dies_as_told(known_server: Server, connect: Connect) -> None:
    connection = connect(known_server("--error-bursts", "1s/1s", "--error-code", "429"))
    assert ask(connection)[0] == 429
    connection = connect(known_server("--wrong-every", "2"))
    assert [ask(connection)[1]["outputs"][0]["data"] for _ in range(2)] == [[3.5, -2.5], [4.5, -1.5]]
    server = known_server("--die-after", "0.2s", "--delay", "10s")
    with pytest.raises((RemoteDisconnected, ConnectionError)):
        ask(connect(server))
    assert [answered for _, answered, _ in server.end().requests] == [0]


def test_its_slots_bound_how_fast_it_can_be(known_server: Server, connect: Connect) -> None:
    server = known_server("--slots", "1", "--delay", "50ms")
    connections = [connect(server) for _ in range(3)]
    for connection in connections:
        connection.request("POST", "/v2/models/known/infer", orjson.dumps(BATCH))
    for connection in connections:
        connection.getresponse().read()
    took = server.end().service_ms()
    assert [time >= 50 * (place + 1) - 1 for place, time in enumerate(took)] == [True, True, True]
