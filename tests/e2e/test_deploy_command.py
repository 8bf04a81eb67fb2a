# SPDX-License-Identifier: Apache-2.0
"""A service's life from the command line: deployed, looked at, brought to a new version, taken away."""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression

import predictors
from tests.e2e.gateway import RestClient, Service
from tests.e2e.kubernetes import kubectl, poll
from tests.e2e.object_store import ROOT, publish
from tests.e2e.pods import NAMESPACE, ready_pods
from tests.e2e.steady_load import steady_load
from tests.e2e.use_cases import portside

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1800)]

NAME = "iris-deployed"
SERVICE = Service(NAME, f"{NAME}.localhost")
ROWS = {"input": np.array([[5.1, 3.5, 1.4, 0.2], [6.0, 2.7, 5.1, 1.6]])}
KINDS = "isvc,httproute,grpcroute,backendtrafficpolicy,poddisruptionbudget,deployment,service,hpa,pod"


def uri(version: str) -> str:
    return f"{ROOT}/{NAME}/{version}"


@pytest.fixture(scope="module")
def versions(platform: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Two versions in the object store, the first of them deployed; yields the first one's folder."""
    rows, labels = load_iris(return_X_y=True)
    out = tmp_path_factory.mktemp("deployed")
    model = LogisticRegression(max_iter=1000).fit(rows, labels)
    first, second = (
        predictors.pack(model, rows, name=NAME, version=version, out=out) for version in ("1.0.0", "1.1.0")
    )
    publish(first)
    publish(second)
    portside("deploy", NAME, "--artifact", uri("1.0.0"))
    poll(60, "the gateway to lead there", SERVICE.is_answering)
    yield first
    portside("undeploy", NAME, "--yes", check=False)


def test_the_line_that_deploy_prints_asks_the_service(versions: Path, tmp_path: Path) -> None:
    told = portside("deploy", NAME, "--artifact", uri("1.0.0"))
    assert told.stdout.startswith(f"{NAME} 1.0.0 is ready: http://{NAME}.localhost")
    request = tmp_path / "request.json"
    golden = json.loads((versions / "golden.json").read_bytes())["requests"][0]
    request.write_text(json.dumps(golden["request"]))
    words = told.stdout.splitlines()[1].split()[1:]
    answer = portside(*words[:-1], str(request))
    assert '"model_version": "1.0.0"' in answer.stdout


def test_the_same_again_changes_nothing(versions: Path) -> None:
    before = _service()
    told = json.loads(portside("deploy", NAME, "--artifact", uri("1.0.0"), "--json").stdout)
    assert (told["changed"], told["ready"], told["reason"]) == (False, True, None)
    assert _service()["metadata"]["generation"] == before["metadata"]["generation"]


def test_a_new_version_comes_in_and_leaves_the_rest_as_it_was(versions: Path) -> None:
    portside("deploy", NAME, "--artifact", uri("1.0.0"), "--replicas", "2", "--memory", "200Mi:900Mi")
    assert len(ready_pods(NAME)) == 2
    portside("deploy", NAME, "--artifact", uri("1.1.0"))
    predictor = _service()["spec"]["predictor"]
    assert predictor["minReplicas"] == 2
    assert predictor["model"]["resources"]["limits"] == {"cpu": "2", "memory": "900Mi"}
    (status,) = json.loads(portside("status", NAME, "--json").stdout)
    assert (status["ready"], status["version"], status["ready_replicas"]) == (True, "1.1.0", 2)
    portside("deploy", NAME, "--artifact", uri("1.0.0"), "--replicas", "1")


def test_a_field_of_another_manager_is_taken_over_only_by_force(versions: Path) -> None:
    patch = json.dumps({"spec": {"predictor": {"maxReplicas": 2}}})
    kubectl("patch", "isvc", NAME, "--namespace", NAMESPACE, "--type", "merge", "--patch", patch)
    words = ("deploy", NAME, "--artifact", uri("1.0.0"), "--replicas", "1")
    refused = portside(*words, check=False)
    assert refused.returncode == 2
    assert "kubectl-patch" in refused.stderr
    assert ".spec.predictor.maxReplicas" in refused.stderr
    portside(*words, "--force")
    assert _service()["spec"]["predictor"]["maxReplicas"] == 1


def test_a_hostname_that_another_service_holds_is_refused(versions: Path) -> None:
    route = json.loads(kubectl("get", "httproute", NAME, "--namespace", NAMESPACE, "--output", "json"))
    spec = {**route["spec"], "hostnames": ["iris-taken.localhost"]}
    metadata = {"name": "taken", "namespace": NAMESPACE}
    held = {"apiVersion": route["apiVersion"], "kind": "HTTPRoute", "metadata": metadata, "spec": spec}
    kubectl("create", "--filename", "-", stdin=json.dumps(held))
    try:
        refused = portside("deploy", "iris-taken", "--artifact", uri("1.0.0"), check=False)
    finally:
        kubectl("delete", "httproute", "taken", "--namespace", NAMESPACE)
    assert refused.returncode == 2
    assert f"held by HTTPRoute {NAMESPACE}/taken" in refused.stderr
    assert kubectl("get", "isvc", "iris-taken", "--namespace", NAMESPACE, "--ignore-not-found") == ""


def test_a_dry_run_prints_what_the_cluster_would_take_and_changes_nothing(versions: Path) -> None:
    before = _service()
    told = portside("deploy", NAME, "--artifact", uri("1.1.0"), "--replicas", "3", "--dry-run")
    assert "minReplicas: 3" in told.stdout
    kubectl("apply", "--server-side", "--dry-run=server", "--force-conflicts", "--filename", "-", stdin=told.stdout)
    assert _service()["spec"] == before["spec"]


def test_a_watch_tells_each_change_in_a_line_and_ends_well(versions: Path) -> None:
    # Tests that run in the background have Ctrl-C ignored, and children inherit that.
    program = "import signal, portside; signal.signal(signal.SIGINT, signal.default_int_handler); portside.main()"
    command = [sys.executable, "-c", program, "status", NAME, "--watch"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as watch:
        assert watch.stdout is not None
        first = watch.stdout.readline()
        kubectl("delete", "pod", min(ready_pods(NAME)), "--namespace", NAMESPACE, "--wait=false")
        second = watch.stdout.readline()
        watch.send_signal(signal.SIGINT)
        watch.stdout.read()
    assert watch.returncode == 0
    assert f"{NAME}: yes  1.0.0  1/1  100% {NAME}-predictor" in first
    assert f"{NAME}: no" in second
    poll(120, "the service to be ready again", lambda: portside("status", NAME, check=False).returncode == 0)


def test_logs_are_readable_or_raw(versions: Path) -> None:
    assert f"info    serving {NAME} 1.0.0" in portside("logs", NAME).stdout
    (line,) = portside("logs", NAME, "--raw", "--tail", "1").stdout.splitlines()
    assert json.loads(line)["level"] == "info"


@pytest.mark.parametrize("command", [("status",), ("logs",), ("undeploy", "--yes")], ids=" ".join)
def test_an_unknown_service_is_told(platform: None, command: tuple[str, ...]) -> None:
    told = portside(command[0], "nobody", *command[1:], check=False)
    assert told.returncode == 2
    assert f"namespace {NAMESPACE} has no service nobody" in told.stderr


def test_a_service_is_taken_away_without_cutting_a_request(versions: Path) -> None:
    asked = subprocess.run(
        [sys.executable, "-m", "portside", "undeploy", NAME], stdin=subprocess.DEVNULL, capture_output=True, text=True
    )
    assert asked.returncode == 2
    assert f"InferenceService {NAME}" in asked.stdout
    expected = SERVICE.rest(ROWS)
    with steady_load(RestClient(SERVICE, ROWS, expected), rate=50) as load:
        poll(60, "the load to run", lambda: load.count > 100)
        told = portside("undeploy", NAME, "--yes")
    assert f"the artifact stays at {uri('1.0.0')}" in told.stdout
    # Once no route leads to the service the Gateway says 404, or 503 in the moment of the change, and nothing else:
    # requests that a pod had and did not answer would come with Envoy's words on the upstream.
    assert "404 " in load.failed()
    assert set(load.failed()) <= {"404 ", "503 "}, load.failures
    left = kubectl("get", KINDS, "--namespace", NAMESPACE, "--output", "name").split()
    assert [name for name in left if NAME in name] == []


def _service() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(kubectl("get", "isvc", NAME, "--namespace", NAMESPACE, "--output", "json"))
    return found
