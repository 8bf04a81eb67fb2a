# SPDX-License-Identifier: Apache-2.0
"""`portside rollback` takes the fastest way back that there is."""

import json
import threading
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.cluster.kubernetes_server import Kubernetes
from tests.rollouts.commands.cluster_with_rollouts import BUCKET, put_rollout, rollout, rollouts, serve, status_of
from tests.rollouts.commands.conftest import Portside

ROLLBACK = ("rollback", "spam")
FAST = {
    "inferenceService": "spam",
    "steps": [{"traffic": 100}],
    "minRequests": 0,
    "whenBusy": "Replace",
    "force": True,
}


def promoted(former: str, **more: Any) -> dict[str, Any]:
    state: dict[str, Any] = {"former": {"storage_uri": f"{BUCKET}/{former}/", "min_replicas": 1}}
    if "keptUntil" in more:
        state["canary"] = {"name": "previous", "storage_uri": f"{BUCKET}/{former}/", "replicas": 1}
    return {**status_of("Promoted", formerVersion=former, state=state), **more}


def in_seconds(seconds: float) -> str:
    return (datetime.now(UTC) + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")


@pytest.fixture
def at_1_1_0(cluster: Kubernetes) -> Kubernetes:
    """Return a cluster whose service a rollout has brought from 1.0.0 to 1.1.0."""
    serve(cluster, "1.1.0")
    put_rollout(cluster, "spam-1-1-0", "1.1.0", status=promoted("1.0.0"))
    return cluster


def test_it_is_a_rollout_to_the_version_before_that_waits_for_nothing(at_1_1_0: Kubernetes, portside: Portside) -> None:
    told = portside(*ROLLBACK).stdout.splitlines()
    found = rollout(at_1_1_0, "spam-1-0-0")
    assert found["spec"] == {**FAST, "storageUri": f"{BUCKET}/1.0.0/"}
    assert found["metadata"]["labels"] == {"portside.dev/rollback": "true"}
    assert told == [
        "spam goes back to 1.0.0 as soon as its pods are ready, by rollout spam-1-0-0",
        "  portside rollout status spam-1-0-0 --watch",
    ]


def test_any_version_may_be_named(at_1_1_0: Kubernetes, portside: Portside) -> None:
    told = json.loads(portside(*ROLLBACK, "--to", "0.9.0", "--json").stdout)
    assert told == {"service": "spam", "namespace": "models", "rollout": "spam-0-9-0", "to": "0.9.0"}
    assert rollout(at_1_1_0, "spam-0-9-0")["spec"]["storageUri"] == f"{BUCKET}/0.9.0/"


def test_a_version_that_is_kept_running_needs_weights_alone(at_1_1_0: Kubernetes, portside: Portside) -> None:
    put_rollout(at_1_1_0, "spam-1-1-0", "1.1.0", status=promoted("1.0.0", keptUntil=in_seconds(300)))
    told = portside(*ROLLBACK).stdout
    assert "spam goes back to 1.0.0, which spam-1-1-0 keeps running: by weights alone" in told
    assert rollout(at_1_1_0, "spam-1-1-0")["spec"]["end"] == "Abort"
    assert rollouts(at_1_1_0) == ["spam-1-1-0"]


@pytest.mark.parametrize(
    ("kept", "words"),
    [
        pytest.param(-1, (), id="not any longer"),
        pytest.param(3, (), id="not for long"),
        pytest.param(300, ("--to", "0.9.0"), id="another one"),
    ],
)
def test_one_that_is_not_kept_is_rolled_out(
    kept: float, words: tuple[str, ...], at_1_1_0: Kubernetes, portside: Portside
) -> None:
    put_rollout(at_1_1_0, "spam-1-1-0", "1.1.0", status=promoted("1.0.0", keptUntil=in_seconds(kept)))
    portside(*ROLLBACK, *words)
    assert len(rollouts(at_1_1_0)) == 2
    assert "end" not in rollout(at_1_1_0, "spam-1-1-0")["spec"]


def test_one_that_was_given_up_before_its_time_is_rolled_out(at_1_1_0: Kubernetes, portside: Portside) -> None:
    given_up = promoted("1.0.0", keptUntil=in_seconds(300))
    del given_up["state"]["canary"]
    put_rollout(at_1_1_0, "spam-1-1-0", "1.1.0", status=given_up)
    assert "as soon as its pods are ready, by rollout spam-1-0-0" in portside(*ROLLBACK).stdout
    assert "end" not in rollout(at_1_1_0, "spam-1-1-0")["spec"]


def test_to_go_back_again_does_not_lead_to_what_was_left(at_1_1_0: Kubernetes, portside: Portside) -> None:
    serve(at_1_1_0, "1.0.0")
    labels = {"portside.dev/rollback": "true"}
    later = "2026-01-02T00:00:00Z"
    put_rollout(at_1_1_0, "spam-1-0-0", "1.0.0", status=promoted("1.1.0"), created=later, labels=labels)
    assert "no rollout tells what spam served before 1.0.0" in portside(*ROLLBACK, code=2).stderr
    put_rollout(at_1_1_0, "first", "1.0.0", status=promoted("0.9.0"), created="2025-01-01T00:00:00Z")
    assert "spam goes back to 0.9.0" in portside(*ROLLBACK).stdout


def test_what_is_under_way_is_aborted(cluster: Kubernetes, portside: Portside) -> None:
    begun = status_of("Progressing", formerVersion="1.0.0", startedAt="2026-01-01T00:00:00Z")
    put_rollout(cluster, "spam-1-1-0", "1.1.0", status=begun)
    put_rollout(cluster, "spam-1-2-0", "1.2.0", status=status_of("Pending"), created="2026-01-02T00:00:00Z")
    told = portside(*ROLLBACK).stdout
    assert "spam stays at 1.0.0: what was under way is aborted, spam-1-2-0, spam-1-1-0" in told
    assert [rollout(cluster, name)["spec"]["end"] for name in rollouts(cluster)] == ["Abort", "Abort"]


def test_a_rollback_that_is_under_way_is_not_aborted_by_another(cluster: Kubernetes, portside: Portside) -> None:
    labels = {"portside.dev/rollback": "true"}
    put_rollout(cluster, "spam-0-9-0", "0.9.0", status=status_of("Pending"), labels=labels)
    assert "spam is on its way back to 0.9.0 already, by spam-0-9-0" in portside(*ROLLBACK).stdout
    assert cluster.writes == []


@pytest.mark.parametrize(
    ("phase", "serves"), [("Progressing", "1.0.0"), ("Promoting", "1.1.0")], ids=["before", "while it is promoted"]
)
def test_the_version_that_one_under_way_began_from_is_reached_by_aborting_it(
    phase: str, serves: str, cluster: Kubernetes, portside: Portside
) -> None:
    serve(cluster, serves)
    begun = {**promoted("1.0.0"), "phase": phase, "startedAt": "2026-01-01T00:00:00Z"}
    put_rollout(cluster, "spam-1-1-0", "1.1.0", status=begun)
    assert "spam stays at 1.0.0: what was under way is aborted" in portside(*ROLLBACK, "--to", "1.0.0").stdout
    assert rollout(cluster, "spam-1-1-0")["spec"]["end"] == "Abort"
    assert rollouts(cluster) == ["spam-1-1-0"]


def test_a_rollback_to_the_same_version_is_not_begun_anew(at_1_1_0: Kubernetes, portside: Portside) -> None:
    portside(*ROLLBACK, "--to", "0.9.0")
    assert "is on its way back to 0.9.0 already, by spam-0-9-0" in portside(*ROLLBACK, "--to", "0.9.0").stdout
    assert rollouts(at_1_1_0) == ["spam-0-9-0", "spam-1-1-0"]


def test_a_named_version_replaces_what_is_under_way(at_1_1_0: Kubernetes, portside: Portside) -> None:
    put_rollout(at_1_1_0, "spam-1-2-0", "1.2.0", status=status_of("Progressing"), created="2026-01-02T00:00:00Z")
    assert "by rollout spam-1-0-0 in place of spam-1-2-0" in portside(*ROLLBACK, "--to", "1.0.0").stdout
    assert "end" not in rollout(at_1_1_0, "spam-1-2-0")["spec"]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        pytest.param((), "name a version with --to", id="nothing tells what served before"),
        pytest.param(("--to", "1.0.0"), "spam serves 1.0.0 already", id="the version that serves"),
        pytest.param(("--to", "a/b"), "'a/b' is not a version", id="no version"),
    ],
)
def test_there_must_be_something_to_go_back_to(
    words: tuple[str, ...], told: str, cluster: Kubernetes, portside: Portside
) -> None:
    assert told in portside(*ROLLBACK, *words, code=2).stderr
    assert cluster.writes == []


def test_a_service_that_is_not_there_is_refused(portside: Portside) -> None:
    assert "has no service ham" in portside("rollback", "ham", code=2).stderr


@pytest.mark.parametrize(("phase", "code"), [("Reverted", 0), ("Promoted", 1)])
def test_watching_an_abort_succeeds_where_the_former_version_serves(
    phase: str, code: int, cluster: Kubernetes, portside: Portside
) -> None:
    put_rollout(cluster, "spam-1-1-0", "1.1.0", status=status_of("Progressing", formerVersion="1.0.0"))
    control = _once_written(cluster, "spam-1-1-0", "1.1.0", phase)
    portside(*ROLLBACK, "--watch", code=code)
    control.join()


def test_watching_the_way_by_weights_waits_until_the_promotion_is_undone(
    at_1_1_0: Kubernetes, portside: Portside
) -> None:
    put_rollout(at_1_1_0, "spam-1-1-0", "1.1.0", status=promoted("1.0.0", keptUntil=in_seconds(300)))
    control = _once_written(at_1_1_0, "spam-1-1-0", "1.1.0", "Reverted")
    assert portside(*ROLLBACK, "--watch").stdout == "spam-1-1-0 is Reverted: it is over\n"
    control.join()


def _once_written(state: Kubernetes, name: str, version: str, phase: str) -> threading.Thread:
    """Have a rollout end once something was written."""

    def end() -> None:
        deadline = time.monotonic() + 30
        while not state.writes and time.monotonic() < deadline:
            time.sleep(0.05)
        time.sleep(1.2)
        put_rollout(state, name, version, status=status_of(phase, verdict="it is over"))

    thread = threading.Thread(target=end)
    thread.start()
    return thread
