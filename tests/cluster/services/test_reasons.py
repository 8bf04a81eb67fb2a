# SPDX-License-Identifier: Apache-2.0
"""Why a service is not ready: one sentence that says where to look."""

import json
from typing import Any

import pytest

from cluster.services.last_words import last_words
from cluster.services.observation import Observed
from cluster.services.reasons import Reason, explain, sentence
from tests.cluster.services.observations import NAME, NEW, OLD, observed, pod

REFUSAL = "/mnt/models/golden.json: its SHA-256 is not the one in artifact.json: truncated or altered"
LOG = "\n".join(
    json.dumps({"time": "2026-11-24T19:50:18.505+00:00", "level": level, "logger": "predictors", "message": message})
    for level, message in (("info", "loading /mnt/models"), ("error", REFUSAL))
)
RECORD = json.dumps({"request_id": None, "model": "spam", "inputs": [{"name": "message", "data": ["call me"]}]})
TRACEBACK = """^^^^^^^^^^^^^^^^
        operation_name=operation_model.name,
botocore.exceptions.NoCredentialsError: Unable to locate credentials

The above exception was the direct cause of the following exception:

Traceback (most recent call last):
  File "/initialize.py", line 4, in <module>
    Storage.download(source, target)
RuntimeError: S3 bucket 'nothing' does not exist.
"""


def ended(code: int, message: str = "", reason: str = "Error") -> dict[str, Any]:
    return {"exitCode": code, "reason": reason, "message": message}


def looping(code: int, message: str, **more: Any) -> dict[str, Any]:
    waiting = {"reason": "CrashLoopBackOff", "message": "back-off 10s restarting failed container"}
    state = {"state": {"waiting": waiting}, "lastState": {"terminated": ended(code, message)}}
    return {"ready": False, "restartCount": 2, **state, **more}


def waiting(reason: str, message: str = "") -> dict[str, Any]:
    return {"ready": False, "state": {"waiting": {"reason": reason, "message": message}}}


PODS: dict[str, tuple[dict[str, Any], Reason]] = {
    "a refused artifact": (
        pod(server={"ready": False, "state": {"terminated": ended(2, LOG)}}),
        Reason(f"pod {NAME}: {REFUSAL}", final=True),
    ),
    "a refused artifact, in its second start": (
        pod(server={"ready": False, "state": {"running": {}}, "lastState": {"terminated": ended(2, LOG)}}),
        Reason(f"pod {NAME}: {REFUSAL}", final=True),
    ),
    "a first crash": (
        pod(server={"ready": False, "state": {"terminated": ended(139)}}),
        Reason(f"pod {NAME}: kserve-container ended with exit code 139"),
    ),
    "a crash loop": (pod(server=looping(1, "no\nway")), Reason(f"pod {NAME}: way", final=True)),
    "too little memory": (
        pod(
            server={
                "ready": False,
                "restartCount": 1,
                "state": {"terminated": ended(137, reason="OOMKilled")},
                "resources": {"limits": {"memory": "1Gi"}},
            }
        ),
        Reason(f"pod {NAME}: it needs more memory than its limit of 1Gi: raise it with --memory", final=True),
    ),
    "an artifact that is not there": (
        pod(initializer=looping(1, TRACEBACK)),
        Reason(f"the storage initializer cannot read {NEW}: S3 bucket 'nothing' does not exist.", final=True),
    ),
    "a first failed download": (
        pod(initializer={"ready": False, "state": {"terminated": ended(1, TRACEBACK)}}),
        Reason(f"the storage initializer cannot read {NEW}: S3 bucket 'nothing' does not exist."),
    ),
    "an image that is not there": (
        pod(
            server=waiting(
                "ImagePullBackOff",
                'Back-off pulling image "mine:1": ErrImagePull: failed to pull and unpack image "docker.io/mine:1": '
                'failed to resolve reference "docker.io/mine:1": docker.io/mine:1: not found',
            )
        ),
        Reason(
            f"pod {NAME}: image docker.io/portside/predictor:0.1.0 cannot be pulled: docker.io/mine:1: not found",
            final=True,
        ),
    ),
    "a missing secret": (
        pod(server=waiting("CreateContainerConfigError", 'secret "object-store" not found')),
        Reason(f'pod {NAME}: secret "object-store" not found', final=True),
    ),
    "no room": (
        pod(
            conditions=[
                {"type": "PodScheduled", "status": "False", "message": "0/1 nodes are available: 1 Insufficient cpu."}
            ],
            initContainerStatuses=None,
            containerStatuses=None,
        ),
        Reason(f"pod {NAME} cannot be scheduled: 0/1 nodes are available: 1 Insufficient cpu."),
    ),
    "evicted": (
        pod(
            phase="Failed",
            message="The node was low on resource: memory.",
            containerStatuses=None,
            initContainerStatuses=None,
        ),
        Reason(f"pod {NAME} has failed: The node was low on resource: memory."),
    ),
    "fetching": (pod(initializer={"ready": False, "state": {"running": {}}}), Reason(f"pod {NAME} fetches {NEW}")),
    "loading": (pod(), Reason(f"pod {NAME} loads its model")),
}


@pytest.mark.parametrize(("failing", "reason"), PODS.values(), ids=PODS)
def test_a_pod_that_is_not_ready_tells_why(failing: dict[str, Any], reason: Reason) -> None:
    assert explain(observed(failing)) == reason


def test_a_service_whose_pods_serve_the_wanted_version_has_no_reason() -> None:
    assert explain(observed(pod(ready=True))) is None


def test_the_former_version_is_named_where_it_goes_on_serving() -> None:
    found = observed(pod(server=looping(2, LOG)), pod(ready=True, template="old", source=OLD))
    reason = explain(found)
    assert reason is not None
    assert sentence(reason, found) == f"1.1.0 is not ready, 1.0.0 goes on serving: pod {NAME}: {REFUSAL}"


def test_former_pods_must_go_before_the_new_version_is_in() -> None:
    found = observed(pod(ready=True), pod(ready=True, template="old", source=OLD))
    assert explain(found) == Reason("1 pod of the former version still to go")


@pytest.mark.parametrize(
    ("said", "final"),
    [
        pytest.param('pods "iris" is forbidden: violates PodSecurity "restricted:latest": x', True, id="Pod Security"),
        pytest.param('pods "iris" is forbidden: exceeded quota: models, requested: pods=1', True, id="quota"),
        pytest.param('Internal error occurred: failed calling webhook "inferenceservice": x', False, id="webhook"),
    ],
)
def test_a_pod_that_is_not_admitted_tells_why(said: str, final: bool) -> None:
    refused = {"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": said}
    found = observed(deployment={"conditions": [refused]})
    assert explain(found) == Reason(f"no pod is admitted: {said}", final)


def test_a_volume_that_cannot_be_mounted_is_told_from_the_events() -> None:
    event = {
        "involvedObject": {"kind": "Pod", "name": NAME},
        "reason": "FailedMount",
        "message": 'MountVolume.SetUp failed for volume "models" : persistentvolumeclaim "models" not found',
        "metadata": {"creationTimestamp": "2026-11-24T19:41:41Z"},
    }
    starting = pod(containerStatuses=None, initContainerStatuses=None)
    found = explain(observed(starting, events=(event,)))
    assert found == Reason(f"pod {NAME}: {event['message']}")


def test_a_change_that_kserve_has_not_followed_is_not_taken_for_ready() -> None:
    found = observed(pod(ready=True))
    found.service["spec"]["predictor"]["model"]["storageUri"] = "s3://models/iris/1.2.0"
    assert explain(found) == Reason("KServe has not yet taken up its change")


def test_amounts_are_compared_as_kubernetes_counts_them() -> None:
    found = observed(pod(ready=True))
    found.service["spec"]["predictor"]["model"]["resources"]["limits"] = {"cpu": "2000m", "memory": "1Gi"}
    assert explain(found) is None


def test_a_runtime_that_is_not_there_is_told() -> None:
    found = observed()
    failure = {"reason": "RuntimeNotRecognized", "message": "Waiting for runtime to become available"}
    found.service["status"]["modelStatus"] = {"transitionStatus": "InvalidSpec", "lastFailureInfo": failure}
    assert explain(found) == Reason("KServe refuses it: Waiting for runtime to become available", final=True)


def _with_route_condition(**condition: Any) -> Observed:
    found = observed(pod(ready=True))
    found.routes["HTTPRoute"]["status"]["parents"][0]["conditions"] = [{"observedGeneration": 1, **condition}]
    return found


def test_a_route_that_the_gateway_does_not_take_is_told_with_its_remedy() -> None:
    found = _with_route_condition(
        type="Accepted", status="False", reason="NotAllowedByListeners", message="No listeners included by this parent"
    )
    assert explain(found) == Reason(
        "HTTPRoute iris is not accepted: NotAllowedByListeners: No listeners included by this parent; "
        "label namespace models with portside.dev/gateway=true",
        final=True,
    )


def test_a_route_without_its_backend_is_waited_for() -> None:
    found = _with_route_condition(type="ResolvedRefs", status="False", reason="BackendNotFound", message="no Service")
    assert explain(found) == Reason("HTTPRoute iris leads nowhere: BackendNotFound: no Service")


def test_a_service_without_a_route_is_not_ready() -> None:
    assert explain(observed(pod(ready=True), routes={})) == Reason(
        "it has no HTTPRoute, so the Gateway does not lead to it", final=True
    )


@pytest.mark.parametrize(
    ("message", "told"),
    [
        pytest.param("", "", id="nothing"),
        pytest.param(LOG, REFUSAL, id="JSON lines"),
        pytest.param(LOG[10:], REFUSAL, id="JSON lines, cut off in front"),
        pytest.param(TRACEBACK, "S3 bucket 'nothing' does not exist.", id="a traceback"),
        pytest.param("KeyError: 'x'", "KeyError: 'x'", id="an error whose class is half of what it says"),
        pytest.param("a\n\n  b  \n", "b", id="text"),
        pytest.param(f"{LOG}\n{RECORD}", REFUSAL, id="a prediction logged last"),
        pytest.param(RECORD, "", id="predictions alone"),
        pytest.param(RECORD[20:], "", id="the end of a prediction"),
    ],
)
def test_the_last_words_of_a_container_are_one_sentence(message: str, told: str) -> None:
    assert last_words(message) == told
