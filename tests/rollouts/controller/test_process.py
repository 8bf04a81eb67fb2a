# SPDX-License-Identifier: Apache-2.0
"""The controller as a process of its own: ``python -m rollouts`` on an API server that can be watched."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest

from tests.cluster import kubernetes_server
from tests.cluster.kubernetes_server import Kubernetes, Object
from tests.rollouts.controller.api_server import LEASE, ROLLOUT, rollout

T = TypeVar("T")

Process = subprocess.Popen[str]
Start = Callable[..., "Controller"]


class Controller:
    """One process, and what it has logged."""

    def __init__(self, process: Process, log: Path) -> None:
        self.process = process
        self._log = log

    def log_text(self) -> str:
        """Return its log as it is."""
        return self._log.read_text()

    def log(self) -> list[dict[str, Any]]:
        """Return the lines of its log; each is one JSON object."""
        return [json.loads(line) for line in self.log_text().splitlines()]

    def get(self, path: str) -> tuple[int, str]:
        """Return status and body of what it answers at its port."""
        told = wait_for(
            30, lambda: next((each for each in self.log() if "health and metrics" in each["message"]), None)
        )
        try:
            with urlopen(f"{told['message'].rpartition(' ')[2]}{path}", timeout=5) as answer:
                return answer.status, answer.read().decode()
        except HTTPError as err:
            return err.code, err.read().decode()

    def end(self, number: int) -> float:
        """Send it a signal; return after how many seconds it has ended."""
        begin = time.monotonic()
        self.process.send_signal(number)
        self.process.wait(20)
        return time.monotonic() - begin


@pytest.fixture
def start(state: Kubernetes, tmp_path: Path) -> Iterator[Start]:
    state.put({"apiVersion": LEASE[0], "kind": LEASE[1], "metadata": {"name": "rollouts", "namespace": "system"}})
    begun: list[Controller] = []

    def controller(**variables: str) -> Controller:
        log = tmp_path / f"log-{len(begun)}"
        environ = {
            **os.environ,
            "KUBECONFIG": str(state.kubeconfig(tmp_path / "kubeconfig")),
            "ROLLOUTS_HOST": "127.0.0.1",
            "ROLLOUTS_PORT": "0",
            "ROLLOUTS_LEASE_NAMESPACE": "system",
            **variables,
        }
        words = [sys.executable, "-m", "rollouts"]
        with log.open("w") as errors:
            begun.append(Controller(subprocess.Popen(words, env=environ, stderr=errors, text=True), log))
        return begun[-1]

    yield controller
    for each in begun:
        each.process.kill()
        each.process.wait()


def wait_for(seconds: float, answer: Callable[[], T | None]) -> T:
    deadline = time.monotonic() + seconds
    while (found := answer()) is None:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return found


def phase(state: Kubernetes, name: str = "spam-1-1-0") -> str | None:
    found: str | None = state.get(*ROLLOUT, name, "models")["status"].get("phase")
    return found


def holder(state: Kubernetes) -> str | None:
    spec: Object = state.get(*LEASE, "rollouts", "system").get("spec") or {}
    return spec.get("holderIdentity") or None


def test_it_sees_to_rollouts_that_are_there_and_that_come_and_ends_well(state: Kubernetes, start: Start) -> None:
    state.put(rollout())
    controller = start()
    wait_for(30, lambda: phase(state))
    state.put(rollout("another"))
    wait_for(5, lambda: phase(state, "another"))
    assert (phase(state), phase(state, "another")) == ("Refused", "Refused")
    # Nothing of kopf's is on the objects.
    assert state.get(*ROLLOUT, "another", "models")["metadata"].keys() <= {
        *("name", "namespace", "uid", "creationTimestamp", "resourceVersion", "generation"),
    }
    # That one has ended is heard of a moment after it is written.
    wait_for(5, lambda: controller.get("/healthz") == (200, "ok: leads, and looks at 0 rollouts\n") or None)
    code, metrics = controller.get("/metrics")
    assert code == 200
    assert 'portside_rollouts{phase="Refused"} 2.0' in metrics
    assert "portside_rollouts_is_leader 1.0" in metrics
    assert controller.get("/else")[0] == 404
    assert controller.end(signal.SIGTERM) < 5
    assert controller.process.returncode == 0
    assert holder(state) is None
    assert [each["level"] for each in controller.log() if each["level"] != "info"] == []


def test_a_second_one_waits_and_takes_over_from_one_that_ends(state: Kubernetes, start: Start) -> None:
    first = start()
    leads = wait_for(30, lambda: holder(state))
    second = start()
    wait_for(30, lambda: f"ok: waits for the Lease, which {leads} holds\n" in second.get("/healthz")[1] or None)
    first.end(signal.SIGTERM)
    wait_for(5, lambda: holder(state) not in (None, leads) or None)
    state.put(rollout())
    wait_for(10, lambda: phase(state))


def test_one_that_waits_ends_at_once(state: Kubernetes, start: Start) -> None:
    held = {"holderIdentity": "another", "leaseDurationSeconds": 3600, "renewTime": "2026-01-01T00:00:00.000000Z"}
    state.put({**state.get(*LEASE, "rollouts", "system"), "spec": held})
    controller = start()
    wait_for(30, lambda: "waits for the Lease, which another holds" in controller.get("/healthz")[1] or None)
    assert controller.end(signal.SIGTERM) < 3
    assert controller.process.returncode == 0


def test_one_whose_lease_was_taken_ends_at_once(state: Kubernetes, start: Start) -> None:
    controller = start()
    wait_for(30, lambda: holder(state))
    found = state.get(*LEASE, "rollouts", "system")
    state.put({**found, "spec": {**found["spec"], "holderIdentity": "b", "renewTime": "2026-01-01T00:00:00.0Z"}})
    assert controller.process.wait(20) == 1
    assert controller.log()[-1]["message"] == "ends at once: b has taken the Lease"


def test_a_setting_that_cannot_be_is_told_in_a_line(start: Start) -> None:
    controller = start(ROLLOUTS_THREADS="many")
    assert controller.process.wait(30) == 2
    assert controller.log_text().startswith("rollouts: ROLLOUTS_THREADS: Input should be a valid integer")


def test_a_cluster_without_the_kind_is_told_in_a_line(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    others = [kind for kind in kubernetes_server._KINDS if kind[2] != ROLLOUT[1]]
    monkeypatch.setattr(kubernetes_server, "_KINDS", others)
    controller = start()
    assert controller.process.wait(30) == 2
    told = "rollouts: the cluster does not know ModelRollout; apply manifests/controllers/rollouts\n"
    assert controller.log_text() == told


def test_a_namespace_without_rights_is_told_in_a_line(state: Kubernetes, start: Start) -> None:
    state.refusals["lists"] = ['modelrollouts.portside.dev is forbidden: cannot list in the namespace "models"']
    controller = start()
    assert controller.process.wait(60) == 2
    assert controller.log_text() == (
        "rollouts: namespace models: ModelRollout objects: modelrollouts.portside.dev is forbidden: cannot list in the "
        'namespace "models"; has the controller a Role and a RoleBinding there, like those of '
        "manifests/controllers/rollouts?\n"
    )
    assert holder(state) is None
