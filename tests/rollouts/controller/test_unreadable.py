# SPDX-License-Identifier: Apache-2.0
"""A rollout that has begun, and whose spec cannot be read any more: it stays where it is, and can still be ended."""

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from cluster.api import Cluster
from cluster.services.objects import Service, objects
from rollouts.controller.metrics import Metrics
from rollouts.controller.neighbours import Neighbours
from rollouts.controller.schedule import Key
from rollouts.controller.shadows import Shadows
from rollouts.controller.tick import Tick
from rollouts.finalizer import FINALIZER
from rollouts.measurements.snapshot import Snapshot
from rollouts.observation import Pod
from rollouts.phases import Phase
from rollouts.status import Canary, Status
from rollouts.status_document import status_document
from tests.cluster.kubernetes_server import Kubernetes, Object
from tests.rollouts.actions.api_server import defaulted, of_version
from tests.rollouts.actions.services import (
    CANARY,
    FORMER,
    NEW,
    ONE,
    ROLLOUT,
    STABLE,
    WAS,
    WRITTEN,
    entry,
    inference_service,
)

KEY = Key("models", "iris-1-1-0")
KIND = ("portside.dev/v1alpha1", "ModelRollout")
WRONG = [{"traffic": 50}, {"traffic": 20}]
TOLD = (
    "its spec cannot be read: steps must rise: 50 %, 20 %; 1.1.0 stays as it is, at {traffic} % of the requests, until "
    "this rollout is aborted or deleted"
)


class Nothing:
    """Tells that nothing was counted."""

    def snapshots(self, namespace: str, service: str, pods: Sequence[Pod]) -> dict[str, Snapshot]:
        return {}


@pytest.fixture
def look(cluster: Cluster) -> Iterator[Callable[[], object]]:
    with ThreadPoolExecutor(2) as executor:
        tick = Tick(
            cluster=cluster,
            source=Nothing(),
            shadows=Shadows(cluster, executor),
            metrics=Metrics(lambda: True),
            neighbours=Neighbours(),
            may_act=lambda: True,
            seconds=1.0,
        )
        yield lambda: tick(KEY)


def begin(state: Kubernetes, phase: Phase, *, traffic: int = 0, **more: Any) -> None:
    """Put a service with a canary there, and the rollout of it, whose steps fall."""
    now = datetime.now(UTC)
    status = Status(phase=phase, traffic=traffic, former=WAS, canary=ONE, started=now, canary_since=now)
    status = replace(status, phase_since=now, measured_since=now, exposed=now, **more)
    document = status_document(ROLLOUT, status, 1)
    metadata = {"name": KEY.name, "namespace": KEY.namespace, "uid": "u", "finalizers": [FINALIZER]}
    spec = {"inferenceService": "iris", "storageUri": NEW, "steps": WRONG}
    state.put({"apiVersion": KIND[0], "kind": KIND[1], "metadata": metadata, "spec": spec, "status": document})
    service = inference_service(entry(1, traffic), written=WRITTEN, minReplicas=3)
    state.put(service, *of_version(STABLE, FORMER, 2), *of_version(CANARY, NEW, 1))
    (http,) = [each for each in objects(Service("iris", "models", "h", FORMER)) if each["kind"] == "HTTPRoute"]
    state.put(defaulted(http))
    state.put({"apiVersion": "v1", "kind": "Service", "metadata": {"name": CANARY, "namespace": "models"}})


def rollout(state: Kubernetes) -> Object:
    return state.get(*KIND, KEY.name, KEY.namespace)


def status(state: Kubernetes) -> Object:
    told: Object = rollout(state)["status"]
    return told


def weights(state: Kubernetes) -> list[list[int]]:
    route = state.get("gateway.networking.k8s.io/v1", "HTTPRoute", "iris", "models")
    return [[ref.get("weight", 1) for ref in rule["backendRefs"]] for rule in route["spec"]["rules"]]


def warnings(state: Kubernetes) -> list[str]:
    return [each["message"] for key, each in state.objects.items() if key[1] == "events" and each["type"] == "Warning"]


@pytest.mark.parametrize(
    ("phase", "then", "traffic"),
    [
        (Phase.PENDING, Phase.PENDING, 0),
        (Phase.PROGRESSING, Phase.PAUSED, 50),
        (Phase.PAUSED, Phase.PAUSED, 50),
        (Phase.PROMOTING, Phase.PROMOTING, 50),
    ],
)
def test_it_stays_where_it_is_and_its_user_is_told_once(
    phase: Phase, then: Phase, traffic: int, state: Kubernetes, look: Callable[[], object]
) -> None:
    begin(state, phase, traffic=traffic)
    for _ in range(3):
        assert look() == 1.0
    assert (status(state)["phase"], status(state)["traffic"]) == (then, traffic)
    assert status(state)["verdict"] == TOLD.format(traffic=traffic)
    assert [each["reason"] for each in status(state)["decisions"]].count("Unreadable") == 1
    assert warnings(state) == [TOLD.format(traffic=traffic)]
    if traffic:
        assert weights(state)[0] == [50, 50]


def test_what_is_written_over_by_an_apply_comes_back_all_the_same(
    state: Kubernetes, look: Callable[[], object]
) -> None:
    begin(state, Phase.PROGRESSING, traffic=50)
    look()
    (http,) = [each for each in objects(Service("iris", "models", "h", FORMER)) if each["kind"] == "HTTPRoute"]
    state.put(defaulted(http))
    look()
    assert weights(state)[0] == [50, 50]


def test_it_goes_on_once_it_can_be_read(state: Kubernetes, look: Callable[[], object]) -> None:
    begin(state, Phase.PROGRESSING, step=1, traffic=50)
    look()
    found = rollout(state)
    state.put({**found, "spec": {**found["spec"], "steps": [{"traffic": 50}]}})
    look()
    assert (status(state)["phase"], status(state)["traffic"]) == ("Progressing", 50)


@pytest.mark.parametrize("phase", [Phase.PENDING, Phase.SHADOWING, Phase.PROGRESSING, Phase.PAUSED, Phase.PROMOTING])
@pytest.mark.parametrize("how", ["aborted", "deleted"])
def test_it_can_still_be_ended(how: str, phase: Phase, state: Kubernetes, look: Callable[[], object]) -> None:
    begin(state, phase, traffic=50, mirror=phase is Phase.SHADOWING)
    found = rollout(state)
    if how == "aborted":
        state.put({**found, "spec": {**found["spec"], "end": "Abort"}})
    else:
        state.put({**found, "metadata": {**found["metadata"], "deletionTimestamp": "2026-11-25T09:00:00Z"}})
    look()
    assert (status(state)["phase"], status(state)["traffic"]) == ("Reverting", 0)
    assert weights(state)[0] == [100]


def test_what_was_on_its_way_back_goes_on(state: Kubernetes, look: Callable[[], object]) -> None:
    long_ago = datetime.now(UTC) - timedelta(minutes=5)
    begin(state, Phase.REVERTING, decided=long_ago, idle_since=long_ago, zero_traffic=long_ago)
    look()
    assert "canary" not in status(state)["state"]


def test_a_version_that_is_kept_is_given_up_in_its_time(state: Kubernetes, look: Callable[[], object]) -> None:
    begin(state, Phase.PROMOTED)
    previous = Canary("previous", FORMER, 1)
    now = datetime.now(UTC)
    kept = Status(phase=Phase.PROMOTED, former=WAS, canary=previous, storage_uri=NEW, started=now, warm_until=now)
    state.put({**rollout(state), "status": status_document(ROLLOUT, kept, 1)})
    deadline = time.monotonic() + 20
    while status(state)["state"].get("canary") is not None and time.monotonic() < deadline:
        look()
    assert status(state)["decisions"][-1]["reason"] == "PreviousReleased"


def test_one_whose_pods_crash_is_reverted_all_the_same(state: Kubernetes, look: Callable[[], object]) -> None:
    begin(state, Phase.PROGRESSING, traffic=50)
    (pod,) = [each for key, each in state.objects.items() if key[1] == "pods" and key[3].startswith(CANARY)]
    (server,) = pod["status"]["containerStatuses"]
    ended = {"exitCode": 1, "reason": "Error"}
    crashed = {**server, "restartCount": 1, "state": {"terminated": ended}, "lastState": {"terminated": ended}}
    state.put({**pod, "status": {**pod["status"], "containerStatuses": [crashed]}})
    look()
    assert (status(state)["phase"], status(state)["decisions"][-1]["reason"]) == ("Reverting", "Crashed")
