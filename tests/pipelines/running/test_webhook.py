# SPDX-License-Identifier: Apache-2.0
"""Alertmanager's messages over HTTP: alerts that name a model start one run, and nothing else starts any."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

import pytest
from click.testing import CliRunner

from pipelines.errors import PipelineError
from pipelines.registry import open_registry
from pipelines.running.backends import Kubeflow
from pipelines.running.claims import Claims
from pipelines.running.retraining import Elsewhere, Started, Trainer, retrain
from pipelines.running.webhook import WebhookServer
from pipelines.running.webhook_command import webhook as webhook_command
from tests.pipelines.running.fake_kfp import FakeKubeflow
from tests.pipelines.running.waiting import Waiting

MODELS = {"spam": "spam", "maintenance": "maintenance"}
SENDERS = 8


@contextmanager
def webhook(trainer: Trainer, token: str | None = None, grace: float = 30) -> Iterator[WebhookServer]:
    server = WebhookServer(("127.0.0.1", 0), MODELS, trainer, token)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server
    finally:
        server.close(grace)
        thread.join()


@pytest.fixture
def trainer(kubeflow: FakeKubeflow, tmp_path: Path) -> Elsewhere:
    return Elsewhere(Kubeflow(kubeflow.url), str(tmp_path / "registry"), {})


@pytest.fixture
def server(trainer: Elsewhere) -> Iterator[WebhookServer]:
    with webhook(trainer) as running:
        yield running


def alert(name: str = "ModelDrift", status: str = "firing", **labels: str) -> dict[str, Any]:
    return {
        "status": status,
        "labels": {"alertname": name, "severity": "warning", **labels},
        "annotations": {"summary": "the distribution has moved"},
        "startsAt": "2026-11-25T02:00:00Z",
        "endsAt": "0001-01-01T00:00:00Z",
        "generatorURL": "http://prometheus/graph",
        "fingerprint": "c0ffee",
    }


def message(*alerts: dict[str, Any], **changed: Any) -> dict[str, Any]:
    """Return a message with all the fields that Alertmanager sends."""
    return {
        "version": "4",
        "groupKey": '{}:{alertname="ModelDrift"}',
        "truncatedAlerts": 0,
        "status": "firing",
        "receiver": "portside",
        "groupLabels": {},
        "commonLabels": {},
        "commonAnnotations": {},
        "externalURL": "http://alertmanager",
        "alerts": list(alerts),
        **changed,
    }


def send(
    server: WebhookServer, body: object, path: str = "/alerts", headers: Mapping[str, str] | None = None
) -> tuple[int, Any]:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    request = Request(f"{server.url}{path}", data=content, headers={"Content-Type": "application/json"})
    for name, value in (headers or {}).items():
        request.add_header(name, value)
    try:
        with urlopen(request, timeout=30) as answer:
            return answer.status, json.load(answer)
    except HTTPError as err:
        with err:
            return err.code, json.load(err)


def get(server: WebhookServer, path: str) -> tuple[int, str]:
    try:
        with urlopen(f"{server.url}{path}", timeout=30) as answer:
            return answer.status, answer.read().decode()
    except HTTPError as err:
        with err:
            return err.code, err.read().decode()


def wait_for_metric(server: WebhookServer, line: str) -> None:
    while line not in get(server, "/metrics")[1].splitlines():
        time.sleep(0.02)


def submitted(kubeflow: FakeKubeflow) -> list[tuple[str, str]]:
    """Return name and reason of each run that Kubeflow has."""
    runs = list(kubeflow.runs.values())
    return [(run["display_name"], run["runtime_config"]["parameters"]["because"]) for run in runs]


def test_an_alert_that_names_a_model_starts_a_run_with_its_reason(
    server: WebhookServer, kubeflow: FakeKubeflow
) -> None:
    status, answer = send(server, message(alert(model="spam")))
    (started,) = answer["started"]
    assert (status, answer) == (200, {"started": [started], "joined": [], "ignored": []})
    assert (started["model"], started["because"]) == ("spam", "ModelDrift")
    wait_for_metric(server, 'portside_webhook_runs_total{model="spam",result="submitted"} 1')
    assert submitted(kubeflow) == [(started["run"], "ModelDrift")]


def test_many_alerts_in_many_messages_at_once_start_one_run(server: WebhookServer, kubeflow: FakeKubeflow) -> None:
    alerts = [alert(model="spam"), alert("InputDrift", model="spam"), alert(model="spam", pod="another")]
    with ThreadPoolExecutor(SENDERS) as threads:
        answers = list(threads.map(lambda _: send(server, message(*alerts)), range(SENDERS)))
    assert [status for status, _ in answers] == [200] * SENDERS
    started = [each for _, answer in answers for each in answer["started"]]
    joined = [each for _, answer in answers for each in answer["joined"]]
    assert [each["because"] for each in started] == ["ModelDrift, InputDrift"]
    assert [each["run"] for each in joined] == [started[0]["run"]] * (SENDERS - 1)
    wait_for_metric(server, 'portside_webhook_runs_total{model="spam",result="submitted"} 1')
    assert submitted(kubeflow) == [(started[0]["run"], "ModelDrift, InputDrift")]


def test_each_model_has_its_own_run(server: WebhookServer, kubeflow: FakeKubeflow) -> None:
    _, answer = send(server, message(alert(model="spam"), alert(model_name="maintenance")))
    assert [each["model"] for each in answer["started"]] == ["spam", "maintenance"]
    wait_for_metric(server, 'portside_webhook_runs_total{model="maintenance",result="submitted"} 1')
    wait_for_metric(server, 'portside_webhook_runs_total{model="spam",result="submitted"} 1')
    assert len(submitted(kubeflow)) == 2


def test_what_is_resolved_or_names_no_model_of_ours_starts_nothing(
    server: WebhookServer, kubeflow: FakeKubeflow, trainer: Elsewhere
) -> None:
    alerts = [
        alert(status="resolved", model="spam"),
        alert("PortsideHighLatency", service="spam"),
        alert(model="recommender"),
    ]
    assert send(server, message(*alerts)) == (
        200,
        {
            "started": [],
            "joined": [],
            "ignored": [
                {"alert": "ModelDrift", "reason": "it is resolved"},
                {"alert": "PortsideHighLatency", "reason": "it names no model by a label model or model_name"},
                {"alert": "ModelDrift", "reason": "recommender is not among the models to be retrained"},
            ],
        },
    )
    assert 'portside_webhook_requests_total{result="ignored"} 3' in get(server, "/metrics")[1]
    assert not kubeflow.runs
    assert not Path(trainer.root).exists()


def test_an_alert_that_goes_on_joins_the_run_until_it_is_over(server: WebhookServer, kubeflow: FakeKubeflow) -> None:
    first = send(server, message(alert(model="spam")))[1]["started"][0]
    wait_for_metric(server, 'portside_webhook_runs_total{model="spam",result="submitted"} 1')
    joined = send(server, message(alert("InputDrift", model="spam")))[1]["joined"][0]
    assert (joined["run"], joined["because"]) == (first["run"], "ModelDrift")
    (run,) = kubeflow.runs.values()
    run["state"] = "FAILED"
    second = send(server, message(alert("InputDrift", model="spam")))[1]["started"][0]
    assert second["run"] != first["run"]


def test_a_run_that_cannot_be_submitted_leaves_its_model_free(
    server: WebhookServer, kubeflow: FakeKubeflow, caplog: pytest.LogCaptureFixture
) -> None:
    kubeflow.unwilling = "no more runs today"
    first = send(server, message(alert(model="spam")))[1]["started"][0]
    wait_for_metric(server, 'portside_webhook_runs_total{model="spam",result="failed"} 1')
    assert "no more runs today" in caplog.text
    kubeflow.unwilling = ""
    second = send(server, message(alert(model="spam")))[1]["started"][0]
    wait_for_metric(server, 'portside_webhook_runs_total{model="spam",result="submitted"} 1')
    assert submitted(kubeflow) == [(second["run"], "ModelDrift")]
    assert second["run"] != first["run"]


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (b"{", "Invalid JSON: EOF"),
        (b"", "Invalid JSON: EOF"),
        ([], "Input should be an object"),
        (message(version="3"), "version: Input should be '4'"),
        (message(status="burning"), "status: Input should be 'firing' or 'resolved'"),
        ({"version": "4", "status": "firing", "receiver": "portside"}, "alerts: Field required"),
        (message({**alert(), "status": "x"}), "alerts.0.status: Input should be 'firing' or 'resolved'"),
        (message(alert(), {**alert(), "labels": {"a": 1}}), "alerts.1.labels.a: Input should be a valid string"),
        (message({**alert(), "labels": {"model": "spam"}}), 'alerts.0.labels: Value error, the label "alertname" is'),
    ],
    ids=["cut", "empty", "list", "version", "status", "no alerts", "alert's status", "label", "no name"],
)
def test_what_is_no_message_is_refused_with_what_is_wrong(
    server: WebhookServer, kubeflow: FakeKubeflow, body: object, sentence: str
) -> None:
    status, answer = send(server, body)
    assert status == 400
    assert answer["error"].startswith(f"not a message of Alertmanager's webhook, version 4: {sentence}")
    assert "portside_webhook_refused_total 1" in get(server, "/metrics")[1].splitlines()
    assert not kubeflow.runs


def test_fields_that_are_new_to_us_are_let_through(server: WebhookServer) -> None:
    status, answer = send(server, message({**alert(model="spam"), "new": {}}, newer=[1]))
    assert (status, len(answer["started"])) == (200, 1)


def test_a_message_needs_the_token_where_there_is_one(trainer: Elsewhere, kubeflow: FakeKubeflow) -> None:
    with webhook(trainer, token="open sesame") as server:
        drift = message(alert(model="spam"))
        refused = [send(server, drift, headers=headers) for headers in ({}, {"Authorization": "Bearer open"})]
        assert refused == [(401, {"error": "the bearer token is missing or another one"})] * 2
        assert not kubeflow.runs
        assert send(server, drift, headers={"Authorization": "Bearer open sesame"})[0] == 200
        assert get(server, "/healthz") == (200, "ok\n")


def test_other_paths_and_methods_are_told_what_there_is(server: WebhookServer) -> None:
    assert get(server, "/healthz") == (200, "ok\n")
    assert get(server, "/alerts") == (405, '{"error": "alerts are sent by POST"}')
    assert get(server, "/")[0] == 404
    assert send(server, message(), path="/alert")[0] == 404


def test_a_message_that_is_too_long_or_of_no_known_length_is_refused_unread(server: WebhookServer) -> None:
    def post(**headers: str) -> int:
        connection = HTTPConnection(urlsplit(server.url).netloc, timeout=30)
        connection.putrequest("POST", "/alerts")
        for name, value in headers.items():
            connection.putheader(name, value)
        connection.endheaders()
        status = connection.getresponse().status
        connection.close()
        return status

    assert post(**{"Content-Length": str(2**20 + 1)}) == 413
    assert post(**{"Content-Length": "9" * 5000}) == 413
    assert post(**{"Transfer-Encoding": "chunked"}) == 411


def test_while_the_registry_cannot_be_reached_alertmanager_is_to_come_again(
    kubeflow: FakeKubeflow, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    with webhook(Elsewhere(Kubeflow(kubeflow.url), str(tmp_path / "file"), {})) as server:
        status, answer = send(server, message(alert(model="spam")))
    assert status == 503
    assert "Not a directory" in answer["error"]


def test_a_run_on_this_machine_never_blocks_an_answer_and_is_waited_for_at_the_end(tmp_path: Path) -> None:
    trainer = Waiting(str(tmp_path / "registry"), tmp_path)
    with webhook(trainer) as server:
        started = send(server, message(alert(model="spam")))[1]["started"][0]
        pid, run, because = trainer.begun()
        assert (run, because) == (started["run"], "ModelDrift")
        assert pid != os.getpid()
        assert send(server, message(alert(model="spam")))[1]["joined"][0]["run"] == run
        wait_for_metric(server, "portside_webhook_runs 1")
        threading.Timer(0.3, (tmp_path / "go").touch).start()
    assert 'portside_webhook_runs_total{model="spam",result="succeeded"} 1' in server.metrics()
    assert Claims(open_registry(trainer.root).records, "spam").current() is None


def test_a_run_that_takes_longer_than_the_end_is_ended_and_its_model_free(tmp_path: Path) -> None:
    trainer = Waiting(str(tmp_path / "registry"), tmp_path)
    with webhook(trainer, grace=0) as server:
        send(server, message(alert(model="spam")))
        trainer.begun()
    assert (tmp_path / "ended early").exists()
    assert 'portside_webhook_runs_total{model="spam",result="failed"} 1' in server.metrics()
    assert Claims(open_registry(trainer.root).records, "spam").current() is None


_SERVE = """\
import sys, threading
from pathlib import Path
from pipelines.running.webhook import WebhookServer
from tests.pipelines.running.waiting import Waiting

if __name__ == "__main__":
    trainer = Waiting(sys.argv[1], Path(sys.argv[2]))
    server = WebhookServer(("127.0.0.1", 0), {"spam": "spam"}, trainer, None)
    print(server.url, flush=True)
    server.serve_forever()
"""


def test_a_run_does_not_outlive_a_server_that_was_killed_and_the_next_one_takes_over(tmp_path: Path) -> None:
    (tmp_path / "serve.py").write_text(_SERVE)
    trainer = Waiting(str(tmp_path / "registry"), tmp_path)
    words = [sys.executable, str(tmp_path / "serve.py"), trainer.root, str(tmp_path)]
    environ = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True, env=environ) as process:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        request = Request(f"{url}/alerts", data=json.dumps(message(alert(model="spam"))).encode())
        with urlopen(request, timeout=30) as answer:
            first = json.load(answer)["started"][0]["run"]
        trainer.begun()
        process.kill()
    while not (tmp_path / "ended early").exists():
        time.sleep(0.01)
    again = retrain("spam", "ModelDrift", trainer)
    assert isinstance(again, Started)
    assert again.run != first


def test_the_command_serves_until_it_is_told_to_end(tmp_path: Path) -> None:
    code = "from pipelines.running.webhook_command import webhook; webhook()"
    words = ["--listen", "127.0.0.1:0", "--model", "spam", "--root", str(tmp_path / "registry")]
    with subprocess.Popen([sys.executable, "-c", code, *words], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        said = process.stdout.readline()
        assert said.endswith("/alerts for spam\n")
        request = Request(said.split()[2], data=json.dumps(message(alert(model="maintenance"))).encode())
        with urlopen(request, timeout=30) as answer:
            assert [each["reason"] for each in json.load(answer)["ignored"]] == [
                "maintenance is not among the models to be retrained"
            ]
        process.send_signal(signal.SIGTERM)
        assert process.stdout.read() == "ending: runs that go on are waited for\n"
        assert process.wait() == 0


@pytest.mark.parametrize("address", ["9095", "localhost", "127.0.0.1:x", ":9095", "127.0.0.1:65536"])
def test_what_is_no_address_is_refused(address: str) -> None:
    result = CliRunner().invoke(webhook_command, ["--listen", address, "--model", "spam"])
    assert result.exit_code == 2
    assert f"{address!r} is not HOST:PORT" in result.output


def test_an_address_that_is_taken_is_told(server: WebhookServer) -> None:
    address = urlsplit(server.url).netloc
    result = CliRunner().invoke(webhook_command, ["--listen", address, "--model", "spam"])
    assert isinstance(result.exception, PipelineError)
    assert str(result.exception) == f"{address} cannot be listened on: Address already in use"
