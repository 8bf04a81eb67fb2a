# SPDX-License-Identifier: Apache-2.0
"""The pods of each version: whose they are, whether they are complete, and why not."""

from datetime import UTC, datetime
from typing import Any

import pytest

from rollouts.actions.arms import Made, canary_arm, stable_arm
from rollouts.observation import Arm
from tests.rollouts.actions.services import (
    CANARY,
    FORMER,
    NEW,
    STABLE,
    deployment,
    entry,
    inference_service,
    pod_of,
    replica_set,
)

STABLE_PODS = (pod_of(STABLE, 1), pod_of(STABLE, 2))
GOOD_END = {"exitCode": 0, "reason": "Completed"}


def made(*canary_pods: dict[str, Any]) -> Made:
    return Made(
        deployments=[deployment(STABLE, FORMER, replicas=2), deployment(CANARY, NEW)],
        replica_sets=[replica_set(STABLE), replica_set(CANARY)],
        pods=[*STABLE_PODS, *canary_pods],
    )


def canary(*pods: dict[str, Any]) -> Arm:
    return canary_arm(inference_service(entry(), minReplicas=3), entry(), made(*pods), CANARY)


def ended(code: int, message: str = "", reason: str = "Error") -> dict[str, Any]:
    return {"exitCode": code, "reason": reason, "message": message}


def test_both_versions_are_complete_with_their_own_pods() -> None:
    found = canary(pod_of(CANARY))
    assert found == Arm(found.pods, complete=True)
    assert [pod.name for pod in found.pods] == [f"{CANARY}-1"]
    # Three pods at the least, of which KServe takes the canary's one away.
    stable = stable_arm(inference_service(entry(), minReplicas=3), made(pod_of(CANARY)), STABLE)
    assert stable == Arm(stable.pods, complete=True)
    assert [pod.name for pod in stable.pods] == [f"{STABLE}-1", f"{STABLE}-2"]


def test_a_canary_that_starts_leaves_the_stable_version_complete() -> None:
    loading = pod_of(CANARY, ready=False)
    assert canary(loading).problem == f"pod {CANARY}-1 loads its model"
    assert stable_arm(inference_service(entry(), minReplicas=3), made(loading), STABLE).complete


def test_a_canary_that_is_not_yet_asked_for_is_told() -> None:
    found = canary_arm(inference_service(), None, made(), CANARY)
    assert (found.complete, found.problem) == (False, "the InferenceService has no canary yet")


def test_a_deployment_of_another_version_is_not_complete() -> None:
    found = canary_arm(inference_service(entry(source=FORMER)), entry(source=FORMER), made(pod_of(CANARY)), CANARY)
    assert not found.complete
    assert found.problem == "KServe has not yet taken up its change"


def test_a_pod_is_read_with_its_server() -> None:
    pod = canary(pod_of(CANARY, server={"restartCount": 2})).pods[0]
    assert pod.key == f"{CANARY}-1/2"
    assert pod.restarts == 2
    assert pod.ready
    assert not pod.leaving
    assert pod.started == datetime(2026, 11, 25, 8, 0, 5, tzinfo=UTC)


@pytest.mark.parametrize(
    ("server", "crash"),
    [
        ({"state": {"terminated": ended(3, "no way")}}, "no way"),
        ({"state": {"waiting": {"reason": "CrashLoopBackOff"}}, "lastState": {"terminated": ended(3)}}, "exit code 3"),
        ({"lastState": {"terminated": ended(137, reason="OOMKilled")}}, "more memory"),
        ({"lastState": {"terminated": GOOD_END}}, None),
        ({}, None),
    ],
    ids=["ended just now", "in a loop", "killed for its memory", "ended well", "never ended"],
)
def test_a_crash_is_what_the_server_said_last(server: dict[str, Any], crash: str | None) -> None:
    told = canary(pod_of(CANARY, server=server)).pods[0].crash
    assert (crash is None) == (told is None)
    assert (crash or "") in (told or "")


def test_a_pod_that_is_told_to_end_has_not_crashed() -> None:
    killed = {"state": {"terminated": ended(137)}}
    found = canary(pod_of(CANARY, server=killed, deletionTimestamp="2026-11-25T08:01:00Z"), pod_of(CANARY, 2))
    assert [(pod.leaving, pod.crash) for pod in found.pods] == [(True, None), (False, None)]
    assert found.complete
    assert found.ready == 1


def test_a_canary_that_cannot_start_is_final() -> None:
    refused = {"ready": False, "restartCount": 1, "state": {"terminated": ended(2, "golden requests differ")}}
    found = canary(pod_of(CANARY, ready=False, server=refused))
    assert (found.problem, found.final) == (f"pod {CANARY}-1: golden requests differ", True)


def test_pods_without_their_deployment_are_still_there() -> None:
    leaving = Made([deployment(STABLE, FORMER)], [replica_set(STABLE)], [*STABLE_PODS, pod_of(CANARY)])
    assert leaving.has(CANARY)
    assert not Made([], [], STABLE_PODS).has(CANARY)
