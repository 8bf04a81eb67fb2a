# SPDX-License-Identifier: Apache-2.0
"""A server's life as its clients see it: loading, ready, draining, gone; and a worker that dies."""

import http.client
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import grpc
import numpy as np
import orjson
import pytest
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse
from grpc_health.v1.health_pb2_grpc import HealthStub
from sklearn.datasets import load_iris
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from predictors import pack
from tests.predictors.gates import LOADS_GATES, Gate
from tests.predictors.grpc_client import raw_request
from tests.predictors.scraping import LONGEST, falls, in_flight, scrape, until, value
from tests.predictors.servers import RunningServer, serving
from tests.predictors.steady_load import Client, RestClient, RpcClient, children_of, clients_of, running

X, Y = load_iris(return_X_y=True)
BODY = orjson.dumps({"inputs": [{"name": "input", "datatype": "FP64", "shape": [1, 4], "data": X[0].tolist()}]})
#: No drain ends by itself that is not meant to.
FOR_EVER = "600"

workers = pytest.mark.parametrize("workers", ["1", "2"], ids=["one worker", "two workers"])


class Models(NamedTuple):
    folders: list[Path]
    loading: Path
    scoring: Path


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Models:
    out = tmp_path_factory.mktemp("models")
    gate = tmp_path_factory.mktemp("gate")
    fast = LogisticRegression(max_iter=500).fit(X, Y)
    slow = make_pipeline(Gate(str(gate)), HistGradientBoostingClassifier(max_iter=5)).fit(X, Y)
    packed = [
        pack(fast, X, name="fast", version="1", out=out),
        pack(slow, X, name="slow", version="1", out=out, onnx=False),
    ]
    return Models(packed, gate / "loading", gate / "scoring")


@contextmanager
def closed(gate: Path) -> Iterator[None]:
    """Keep a gate closed while the block runs, unless the block itself opens it."""
    gate.touch()
    try:
        yield
    finally:
        gate.unlink(missing_ok=True)


@contextmanager
def starting(models: Models) -> Iterator[RunningServer]:
    """Start a server, and go on as soon as it is alive."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    words = [sys.executable, "-m", "portside", "serve", *map(str, models.folders)]
    process = subprocess.Popen(
        [*words, "--http-port", str(port), "--grpc-port", "0"],
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **LOADS_GATES, "PREDICTOR_DRAIN_SECONDS": "0"},
    )
    server = RunningServer(process, port)
    try:
        until(lambda: ready(server, "live") == 200, "it is alive")
        yield server
    finally:
        process.kill()
        process.communicate()


def ready(server: RunningServer, what: str = "ready") -> int:
    """Return the status of a health question on a new connection; 0 where there is no answer."""
    try:
        return server.get(f"/v2/health/{what}")[0]
    except OSError:
        return 0


def post(port: int, model: str, body: bytes = BODY) -> tuple[int, dict[str, str]]:
    """Return status and headers of an inference request on a new connection."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=LONGEST)
    try:
        connection.request("POST", f"/v2/models/{model}/infer", body)
        response = connection.getresponse()
        response.read()
        return response.status, {name.lower(): text for name, text in response.getheaders()}
    finally:
        connection.close()


@pytest.mark.parametrize(
    "body", [BODY, b" " * 5_000_000], ids=["a small request", "a request of many bytes, none of them read"]
)
def test_while_it_loads_a_server_is_alive_and_not_ready(models: Models, body: bytes) -> None:
    with closed(models.loading), starting(models) as server:
        assert server.get("/v2/health/live") == (200, {"live": True})
        assert server.get("/v2/health/ready") == (503, {"ready": False})
        assert server.get("/v2/models/slow/ready")[0] == 503
        status, headers = post(server.http_port, "slow", body)
        assert (status, headers["retry-after"], headers["connection"]) == (503, "1", "close")
        models.loading.unlink()
        until(lambda: ready(server) == 200, "it is ready")
        assert post(server.http_port, "slow")[0] == 200


def test_no_request_is_lost_between_loading_and_ready(models: Models) -> None:
    with closed(models.loading), starting(models) as server:
        asked = [0] * 8
        answers: list[set[int]] = [set() for _ in asked]
        faults: list[str] = []
        over = threading.Event()

        def ask(place: int) -> None:
            while not over.is_set():
                try:
                    answers[place].add(post(server.http_port, "fast")[0])
                except (OSError, http.client.HTTPException) as err:
                    faults.append(repr(err))
                asked[place] += 1

        threads = [threading.Thread(target=ask, args=(place,)) for place in range(len(asked))]
        with running(threads, over.set):
            until(lambda: min(asked) > 20, "everyone asked while it loads")
            models.loading.unlink()
            until(lambda: all(200 in seen for seen in answers), "everyone is answered")
    assert faults == []
    assert answers == [{200, 503}] * len(asked)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "SIGINT"])
def test_a_signal_while_it_loads_ends_it_at_once(models: Models, number: signal.Signals) -> None:
    with closed(models.loading), starting(models) as server:
        server.process.send_signal(number)
        assert server.process.wait(LONGEST) == 0


@contextmanager
def in_flight_request(server: RunningServer) -> Iterator["Future[tuple[int, dict[str, str]]]"]:
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(post, server.http_port, "slow")
        until(lambda: in_flight(server.http_port, "slow") == 1, "the request is in flight")
        yield answer


@workers
def test_a_draining_server_answers_and_says_that_it_will_not_for_long(models: Models, workers: str) -> None:
    environ = {**LOADS_GATES, "PREDICTOR_DRAIN_SECONDS": FOR_EVER}
    with serving(*models.folders, options=("--workers", workers), **environ) as server:
        channel = grpc.insecure_channel(f"127.0.0.1:{server.grpc_port}")
        with closed(models.scoring), in_flight_request(server) as answer, channel:
            watched = HealthStub(channel).Watch(HealthCheckRequest(), timeout=LONGEST)
            assert next(watched).status == HealthCheckResponse.SERVING
            server.process.send_signal(signal.SIGTERM)
            assert next(watched).status == HealthCheckResponse.NOT_SERVING
            until(lambda: [ready(server) for _ in range(20)] == [503] * 20, "no worker is ready")
            assert server.get("/v2/models/slow/ready") == (503, {"name": "slow", "ready": False})
            assert server.get("/v2/health/live")[0] == 200
            assert (
                HealthStub(channel).Check(HealthCheckRequest(service="slow")).status == HealthCheckResponse.NOT_SERVING
            )
            status, headers = post(server.http_port, "fast")
            assert (status, headers["connection"]) == (200, "close")
            assert not answer.done()
            server.process.send_signal(signal.SIGTERM)  # ends the drain, and not what is in flight
            until(lambda: ready(server, "live") == 0, "nobody is let in any more")
            assert not answer.done()
            models.scoring.unlink()
            status, headers = answer.result(LONGEST)
            assert (status, headers["connection"]) == (200, "close")
            assert server.process.wait(LONGEST) == 0
            assert [status.status for status in _to_the_end(watched)] == []


def _to_the_end(watched: Any) -> list[Any]:
    """Return what a watcher still hears before the server ends the call."""
    heard = []
    try:
        heard.extend(watched)
    except grpc.RpcError as err:
        assert err.code() is grpc.StatusCode.UNAVAILABLE  # noqa: PT017 (the call always ends so)
    return heard


@workers
def test_a_signal_to_the_whole_process_group_does_not_end_the_drain(models: Models, workers: str) -> None:
    environ = {**LOADS_GATES, "PREDICTOR_DRAIN_SECONDS": FOR_EVER}
    with serving(*models.folders, options=("--workers", workers), **environ) as server:
        until(lambda: [ready(server) for _ in range(20)] == [200] * 20, "every worker is ready")
        os.killpg(server.process.pid, signal.SIGTERM)
        until(lambda: [ready(server) for _ in range(20)] == [503] * 20, "no worker is ready")
        assert post(server.http_port, "fast")[0] == 200
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(LONGEST) == 0


@workers
def test_sigint_does_not_wait_for_the_drain(models: Models, workers: str) -> None:
    environ = {**LOADS_GATES, "PREDICTOR_DRAIN_SECONDS": FOR_EVER}
    with serving(*models.folders, options=("--workers", workers), **environ) as server:
        until(lambda: ready(server) == 200, "it is ready")
        server.process.send_signal(signal.SIGINT)
        assert server.process.wait(LONGEST) == 0


def test_a_request_that_never_ends_does_not_hold_the_server_for_ever(models: Models) -> None:
    environ = {**LOADS_GATES, "PREDICTOR_SHUTDOWN_SECONDS": "1"}
    with (
        serving(*models.folders, options=(), **environ) as server,
        closed(models.scoring),
        in_flight_request(server) as answer,
    ):
        server.process.send_signal(signal.SIGTERM)
        assert answer.result(LONGEST)[0] == 503
        assert server.process.wait(LONGEST) == 0


def message(model: str) -> Any:
    """Return a ModelInferRequest of one row."""
    return raw_request(model, {"input": ("FP64", np.asarray(X[:1]))})


@workers
def test_clients_that_follow_readiness_lose_nothing_when_a_server_ends(models: Models, workers: str) -> None:
    environ = {**LOADS_GATES, "PREDICTOR_DRAIN_SECONDS": "2"}
    with serving(*models.folders, options=("--workers", workers), **environ) as server:
        unready = threading.Event()

        def watch() -> None:
            while ready(server) == 200:
                pass
            unready.set()

        clients: list[Client] = []
        for model in ("fast", "slow") * 2:
            path = f"/v2/models/{model}/infer"
            clients.append(RestClient(lambda: not unready.is_set(), server.http_port, path, BODY))
            clients.append(RpcClient(lambda: not unready.is_set(), server.grpc_port, message(model)))
        with running([*clients, threading.Thread(target=watch)], unready.set):
            until(lambda: min(client.answered for client in clients) >= 20, "everyone is answered")
            server.process.send_signal(signal.SIGTERM)
            until(unready.is_set, "clients hear of it")
        assert server.process.wait(LONGEST) == 0
    assert [fault for client in clients for fault in client.faults] == []


def connect_evenly(clients: Sequence[RestClient], workers: Sequence[int]) -> None:
    """Connect each client to the next of the workers, which share connections evenly only by and large."""
    for place, client in enumerate(clients):
        wanted = workers[place % len(workers)]

        def is_connected(client: RestClient = client, worker: int = wanted) -> bool:
            client.connect()
            until(lambda: any(client.port in clients_of(one) for one in workers), "it is accepted")
            return client.port in clients_of(worker)

        until(is_connected, "the worker takes a client")


def test_a_worker_that_dies_takes_only_its_own_connections_with_it(models: Models) -> None:
    with serving(*models.folders, options=("--workers", "2"), **LOADS_GATES) as server:
        over = threading.Event()
        paths = [f"/v2/models/{model}/infer" for model in ("fast", "slow") * 8]
        clients = [RestClient(lambda: not over.is_set(), server.http_port, path, BODY) for path in paths]
        scrapes = [scrape(server.http_port)]
        victim, survivor = children_of(server.process.pid)
        connect_evenly(clients, (victim, survivor))

        def watch() -> None:
            while not over.is_set():
                try:
                    scrapes.append(scrape(server.http_port))
                except (OSError, http.client.HTTPException):
                    continue  # it asked the one that died

        def everyone_is_answered(times: int) -> bool:
            return min(client.answered for client in clients) >= times

        with running([*clients, threading.Thread(target=watch)], over.set):
            until(lambda: everyone_is_answered(20), "everyone is answered")
            lost = [client for client in clients if client.port in clients_of(victim)]
            kept = [client for client in clients if client.port in clients_of(survivor)]
            assert len(lost) + len(kept) == len(clients)
            assert len(lost) == len(kept)
            os.kill(victim, signal.SIGKILL)
            until(lambda: len(set(children_of(server.process.pid)) - {victim}) == 2, "it is replaced")
            most = max(client.answered for client in clients)
            until(lambda: everyone_is_answered(most + 20), "everyone is answered again")
        assert [fault for client in kept for fault in client.faults] == []
        assert max(len(client.faults) for client in lost) <= 1
        scrapes.append(scrape(server.http_port))
        assert [fallen for before, after in pairwise(scrapes) for fallen in falls(before, after)] == []
        # A request that broke off may have been counted before its worker died, and no other may.
        answered = sum(client.answered for client in clients)
        broken = sum(len(client.faults) for client in clients)
        assert answered <= value(scrapes[-1], "portside_requests_total", protocol="rest") <= answered + broken
        assert in_flight(server.http_port, "slow") == in_flight(server.http_port, "fast") == 0
