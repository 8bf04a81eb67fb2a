# SPDX-License-Identifier: Apache-2.0
"""Looks at rollouts of an API server that runs no controllers: what is decided, written and done of them."""

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest

from cluster.api import Cluster
from rollouts.controller.metrics import Metrics
from rollouts.controller.neighbours import Neighbours
from rollouts.controller.schedule import Key
from rollouts.controller.shadows import Shadows
from rollouts.controller.tick import Tick
from rollouts.finalizer import FINALIZER
from rollouts.measurements.snapshot import Snapshot
from rollouts.observation import Pod
from rollouts.phases import Phase
from rollouts.spec import read_rollout
from rollouts.status import Canary, Former, Status
from rollouts.status_document import status_document
from tests.cluster.kubernetes_server import Kubernetes, Object
from tests.rollouts.controller.api_server import ROLLOUT, rollout

KEY = Key("models", "spam-1-1-0")
FORMER = "s3://models/spam/1.0.0/"

#: Makes a controller's looks: told whether it may act, it looks once for each call.
Controller = Callable[..., Tick]


class Nothing:
    """Tells that nothing was counted."""

    def snapshots(self, namespace: str, service: str, pods: Sequence[Pod]) -> dict[str, Snapshot]:
        return {}


@pytest.fixture
def metrics() -> Metrics:
    return Metrics(lambda: True)


@pytest.fixture
def controller(cluster: Cluster, metrics: Metrics) -> Iterator[Controller]:
    with ThreadPoolExecutor(2) as executor:

        def looks(may_act: Callable[[], bool] = lambda: True) -> Tick:
            return Tick(
                cluster=cluster,
                source=Nothing(),
                shadows=Shadows(cluster, executor),
                metrics=metrics,
                neighbours=Neighbours(),
                may_act=may_act,
                seconds=1.0,
            )

        yield looks


def put_service(state: Kubernetes) -> None:
    """Put the service ``spam`` and its route there."""
    parent = [{"type": name, "status": "True", "observedGeneration": 1} for name in ("Accepted", "ResolvedRefs")]
    state.put(
        {
            "apiVersion": "serving.kserve.io/v1beta1",
            "kind": "InferenceService",
            "metadata": {
                "name": "spam",
                "namespace": "models",
                "labels": {"networking.kserve.io/visibility": "cluster-local"},
                "annotations": {"serving.kserve.io/deploymentMode": "Standard"},
            },
            "spec": {"predictor": {"minReplicas": 1, "model": {"storageUri": FORMER}}},
        },
        {
            "apiVersion": "gateway.networking.k8s.io/v1",
            "kind": "HTTPRoute",
            "metadata": {"name": "spam", "namespace": "models"},
            "spec": {"rules": [{"backendRefs": [{"name": "spam-predictor", "port": 80}]}]},
            "status": {"parents": [{"conditions": parent}]},
        },
    )


def found(state: Kubernetes) -> Object:
    return state.get(*ROLLOUT, KEY.name, KEY.namespace)


def status(state: Kubernetes) -> Object:
    told: Object = found(state)["status"]
    return told


def events(state: Kubernetes) -> list[tuple[str, str]]:
    return [(each["type"], each["reason"]) for key, each in state.objects.items() if key[1] == "events"]


def counted(metrics: Metrics, name: str, **labels: str) -> float:
    return metrics.registry.get_sample_value(name, labels) or 0.0


def test_one_that_cannot_be_is_refused_with_an_event_and_leaves_no_mark(
    state: Kubernetes, controller: Controller, metrics: Metrics
) -> None:
    state.put(rollout())
    look = controller()
    assert look(KEY) == 1.0
    assert (status(state)["phase"], status(state)["version"]) == ("Refused", "1.1.0")
    assert status(state)["verdict"] == "there is no InferenceService spam in namespace models"
    assert "finalizers" not in found(state)["metadata"]
    assert events(state) == [("Warning", "Refused")]
    assert counted(metrics, "portside_rollouts_decisions_total", phase="Refused", reason="Refused") == 1
    # Nothing is left to do.
    writes = len(state.writes)
    assert look(KEY) is None
    assert len(state.writes) == writes


def test_one_that_is_older_than_the_rules_and_cannot_be_read_is_refused(
    state: Kubernetes, controller: Controller
) -> None:
    wrong = rollout()
    wrong["spec"]["steps"] = [{"traffic": 50}, {"traffic": 20}]
    state.put(wrong)
    controller()(KEY)
    assert status(state)["phase"] == "Refused"
    assert status(state)["verdict"] == "steps must rise: 50 %, 20 %"
    assert controller()(KEY) is None


def test_one_that_begins_is_marked_then_written_down_then_done(state: Kubernetes, controller: Controller) -> None:
    put_service(state)
    state.put(rollout(finalizers=["others/own"]))
    controller()(KEY)
    assert state.writes == [
        ("patch", f"ModelRollout {KEY.name}"),
        ("patch", f"ModelRollout {KEY.name}"),
        ("patch", "InferenceService spam"),
        ("create", f"Event {events_name(state)}"),
    ]
    assert found(state)["metadata"]["finalizers"] == ["others/own", FINALIZER]
    assert status(state)["phase"] == "Pending"
    assert status(state)["state"]["former"]["storage_uri"] == FORMER
    (canary,) = state.get("serving.kserve.io/v1beta1", "InferenceService", "spam", "models")["spec"]["canary"]
    assert canary["predictor"]["model"]["storageUri"] == "s3://models/spam/1.1.0/"


def test_what_was_changed_in_between_is_not_written_over_and_nothing_is_done(
    state: Kubernetes, controller: Controller, metrics: Metrics
) -> None:
    put_service(state)
    state.put(rollout())

    def another_writes() -> bool:
        state.put(rollout(status={"phase": "Pending", "verdict": "another one's"}))
        return True

    assert controller(another_writes)(KEY) == 1.0
    assert status(state) == {"phase": "Pending", "verdict": "another one's"}
    assert state.writes == []
    assert counted(metrics, "portside_rollouts_tick_failures_total", reason="conflict") == 1


def test_one_whose_time_is_over_does_nothing(state: Kubernetes, controller: Controller) -> None:
    put_service(state)
    state.put(rollout())
    controller(lambda: False)(KEY)
    assert state.writes == []


def test_one_whose_time_is_over_under_way_does_nothing_more(state: Kubernetes, controller: Controller) -> None:
    put_service(state)
    state.put(rollout())
    answers = iter([True, False])
    controller(lambda: next(answers))(KEY)
    assert ("patch", "InferenceService spam") not in state.writes
    # Whoever comes next reads what was wanted, and does it.
    controller()(KEY)
    assert ("patch", "InferenceService spam") in state.writes


def test_a_restarted_controller_goes_on_and_tells_again_what_may_not_have_been_told(
    state: Kubernetes, controller: Controller
) -> None:
    put_service(state)
    state.put(rollout())
    controller()(KEY)
    began = status(state)["startedAt"]
    for key in [key for key in state.objects if key[1] == "events"]:
        del state.objects[key]
    controller()(KEY)
    assert status(state)["startedAt"] == began
    assert events(state) == [("Normal", "Started")]


def test_an_event_is_written_once(state: Kubernetes, controller: Controller) -> None:
    put_service(state)
    state.put(rollout())
    controller()(KEY)
    controller()(KEY)
    assert [what for verb, what in state.writes if verb == "create"] == [f"Event {events_name(state)}"]


def test_a_refusal_of_the_cluster_is_told_once_and_tried_again(
    state: Kubernetes, controller: Controller, metrics: Metrics, caplog: pytest.LogCaptureFixture
) -> None:
    put_service(state)
    state.put(rollout())
    state.refusals["InferenceService"] = ["no, says a webhook"] * 2
    look = controller()
    with caplog.at_level(logging.INFO, "rollouts"):
        assert [look(KEY) for _ in range(3)] == [1.0] * 3
    told = [record.getMessage() for record in caplog.records]
    assert told[1:] == ["models/spam-1-1-0: InferenceService spam: no, says a webhook", "models/spam-1-1-0: goes on"]
    assert counted(metrics, "portside_rollouts_tick_failures_total", reason="cluster") == 2
    # What was decided is told although it could not be done, and so is why not, to the rollout's user, once.
    assert events(state) == [("Warning", "NotDone"), ("Normal", "Started")]
    (event,) = [each for key, each in state.objects.items() if key[3].endswith(".notdone")]
    assert event["message"] == "InferenceService spam: no, says a webhook"


def test_a_fault_is_counted_and_left_to_the_schedule(
    state: Kubernetes, controller: Controller, metrics: Metrics
) -> None:
    state.put(rollout(status={"phase": "Nonsense", "state": {}}))
    with pytest.raises(ValueError, match="Nonsense"):
        controller()(KEY)
    assert counted(metrics, "portside_rollouts_tick_failures_total", reason="fault") == 1


def test_one_that_is_gone_is_not_looked_at_again(controller: Controller) -> None:
    assert controller()(KEY) is None


def test_a_deleted_one_is_reverted_before_its_object_goes(state: Kubernetes, controller: Controller) -> None:
    put_service(state)
    state.put(rollout())
    look = controller()
    look(KEY)
    found(state)["metadata"]["deletionTimestamp"] = "2026-01-01T01:00:00Z"
    begin = time.monotonic()
    phases = []
    while found(state)["metadata"]["finalizers"]:
        look(KEY)
        phases.append(status(state)["phase"])
        assert time.monotonic() - begin < 20
        time.sleep(0.1)
    assert dict.fromkeys(phases) == {"Reverting": None, "Reverted": None}
    service = state.get("serving.kserve.io/v1beta1", "InferenceService", "spam", "models")
    assert not service["spec"].get("canary")
    assert service["spec"]["predictor"]["model"] == {"storageUri": FORMER}


def test_deleting_a_promoted_one_gives_up_what_it_kept_and_takes_nothing_back(
    state: Kubernetes, controller: Controller
) -> None:
    put_service(state)
    service = state.get("serving.kserve.io/v1beta1", "InferenceService", "spam", "models")
    service["spec"]["predictor"]["model"]["storageUri"] = "s3://models/spam/1.1.0/"
    service["spec"]["canary"] = [{"predictor": {"name": "previous", "model": {"storageUri": FORMER}}}]
    state.put(rollout(status=_kept(), finalizers=[FINALIZER], deletionTimestamp="2026-01-01T01:00:00Z"))
    look = controller()
    for _ in range(5):
        look(KEY)
    service = state.get("serving.kserve.io/v1beta1", "InferenceService", "spam", "models")
    assert found(state)["metadata"]["finalizers"] == []
    assert not service["spec"].get("canary")
    assert service["spec"]["predictor"]["model"]["storageUri"] == "s3://models/spam/1.1.0/"
    assert status(state)["phase"] == "Promoted"


def test_one_that_is_being_reverted_is_looked_at_more_often(state: Kubernetes, controller: Controller) -> None:
    put_service(state)
    aborted = rollout()
    state.put(aborted)
    look = controller()
    assert look(KEY) == 1.0
    state.put({**found(state), "spec": {**aborted["spec"], "end": "Abort"}})
    assert look(KEY) == 0.25


def _kept() -> Object:
    """The status of a rollout that was promoted, and keeps the former version for long."""
    now = datetime.now(UTC)
    kept = Status(
        phase=Phase.PROMOTED,
        former=Former(FORMER, 1, None),
        canary=Canary("previous", FORMER, 1),
        storage_uri="s3://models/spam/1.1.0/",
        started=now,
        ended=now,
        warm_until=now + timedelta(days=1),
    )
    document = status_document(read_rollout(rollout()), kept, 1)
    return {name: value for name, value in document.items() if value is not None}


def events_name(state: Kubernetes) -> str:
    (name,) = [key[3] for key in state.objects if key[1] == "events"]
    return name
