# SPDX-License-Identifier: Apache-2.0
"""What settings change in the protocol: loading and unloading over the network, and the time for an answer."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.predictors.protocol_cases import ONE, ROW, Case, document, infer, tensor
from tests.predictors.protocol_client import Connection, Way, fault
from tests.predictors.protocol_models import pack_models
from tests.predictors.servers import RunningServer, serving

LOAD, UNLOAD = (f"/v2/repository/models/linear/{verb}" for verb in ("load", "unload"))
V1_REQUEST = b'{"instances": [[1, 2, 3, 4]]}'
WHILE_UNLOADED = (
    Case("readiness", "/v2/models/linear/ready", 503, method="GET"),
    Case("readiness of the version", "/v2/models/linear/versions/1.0.0/ready", 503, method="GET"),
    Case("readiness of the server", "/v2/health/ready", 503, method="GET"),
    Case("readiness of another model", "/v2/models/slow/ready", 200, method="GET"),
    Case("liveness", "/v2/health/live", 200, method="GET"),
    Case("an unknown version", "/v2/models/linear/versions/9/infer", 404, ONE, says="version 1.0.0"),
    Case("inference", infer(), 503, ONE, tells={"retry-after": "1"}, says="is unloaded"),
    Case("metadata", "/v2/models/linear", 503, method="GET", tells={"retry-after": "1"}, says="is unloaded"),
    Case("statistics", "/v2/models/linear/stats", 503, method="GET", says="is unloaded"),
    Case("the list of models", "/v2/models", 200, method="GET", has={"models": ["linear", "slow"]}),
    Case("the index", "/v2/repository/index", 200, has={"0.state": "UNAVAILABLE", "0.reason": "unloaded"}),
    Case("V1 prediction", "/v1/models/linear:predict", 503, V1_REQUEST),
    Case("V1 readiness", "/v1/models/linear", 503, method="GET"),
    Case("unloading again", UNLOAD, 200),
)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return pack_models(tmp_path_factory.mktemp("models"), "linear", "slow")


@pytest.fixture(scope="module")
def server(folders: dict[str, Path]) -> Iterator[RunningServer]:
    with serving(
        *folders.values(),
        PREDICTOR_MODEL_REPOSITORY="true",
        PREDICTOR_DEADLINE_SECONDS="0.001",
        PREDICTOR_ENABLE_GRPC="false",
    ) as running:
        yield running


@pytest.fixture
def connection(server: RunningServer) -> Iterator[Connection]:
    """A connection; the model is loaded whatever a test did."""
    with Connection(server.http_port) as made:
        yield made
        assert made.ask(Case("load", LOAD)).status == 200


@pytest.mark.parametrize("case", WHILE_UNLOADED, ids=lambda case: case.about)
def test_an_unloaded_model_says_so(connection: Connection, case: Case) -> None:
    assert connection.ask(Case("unload", UNLOAD)).status == 200
    answer = connection.ask(case)
    assert answer.status == case.status
    assert "ready" in answer.document or fault(case, answer) == ""


@pytest.mark.parametrize("way", ["plain", "encoded", "chunked"])
def test_a_model_that_is_loaded_again_answers_as_before(connection: Connection, way: Way) -> None:
    asked = Case("asked", infer(), 200, ONE)
    before = connection.ask(asked, way)
    assert connection.ask(Case("unload", UNLOAD)).status == 200
    assert connection.ask(asked, way).status == 503
    assert connection.ask(Case("load", LOAD)).status == 200
    after = connection.ask(asked, way)
    assert (before.status, after.status) == (200, 200)
    assert before.body == after.body
    assert connection.ask(Case("ready", "/v2/health/ready", method="GET")).status == 200


def test_loading_a_loaded_model_is_no_fault(connection: Connection) -> None:
    assert connection.ask(Case("load", LOAD)).status == 200
    assert connection.ask(Case("asked", infer(), 200, ONE)).status == 200


@pytest.mark.parametrize("verb", ["load", "unload"])
def test_an_unknown_model_is_neither_loaded_nor_unloaded(connection: Connection, verb: str) -> None:
    case = Case(verb, f"/v2/repository/models/nope/{verb}", 404, says='no model "nope"')
    assert fault(case, connection.ask(case)) == ""


@pytest.mark.parametrize("verb", ["load", "unload"])
def test_only_a_post_changes_the_repository(connection: Connection, verb: str) -> None:
    path = f"/v2/repository/models/linear/{verb}"
    case = Case(verb, path, 405, method="GET", tells={"allow": "POST"}, says="takes POST")
    assert fault(case, connection.ask(case)) == ""


@pytest.mark.parametrize("way", ["plain", "chunked"])
def test_a_model_that_takes_longer_than_the_server_allows_is_answered_504(connection: Connection, way: Way) -> None:
    case = Case("late", infer("slow"), 504, document(tensor(ROW * 5000, 5000)), says="time was over")
    assert fault(case, connection.ask(case, way)) == ""


def test_a_client_cannot_ask_for_more_time_than_the_server_allows(connection: Connection) -> None:
    body = document(tensor(ROW * 5000, 5000), parameters={"timeout": 60_000_000})
    case = Case("late", infer("slow"), 504, body, {"x-envoy-expected-rq-timeout-ms": "60000"}, says="time was over")
    assert fault(case, connection.ask(case)) == ""


def test_the_repository_is_refused_with_several_workers(folders: dict[str, Path]) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "portside", "serve", str(folders["linear"]), "--workers", "2", "--http-port", "0"],
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, "PREDICTOR_MODEL_REPOSITORY": "true", "PREDICTOR_ENABLE_GRPC": "false"},
    )
    assert ended.returncode == 2
    assert "PREDICTOR_MODEL_REPOSITORY needs a single worker" in ended.stderr
    assert "Traceback" not in ended.stderr
