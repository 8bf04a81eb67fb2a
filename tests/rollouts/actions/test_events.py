# SPDX-License-Identifier: Apache-2.0
"""Decisions as Events about the ModelRollout."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from cluster.api import Cluster
from rollouts.actions.events import record
from rollouts.phases import Phase
from rollouts.status import Decision
from tests.rollouts.actions.services import ROLLOUT

NOW = datetime(2026, 11, 25, 8, 0, 0, 250_000, tzinfo=UTC)


def test_a_decision_is_an_event_about_its_rollout(kubernetes: Cluster) -> None:
    record(kubernetes, ROLLOUT, Decision(NOW, Phase.REVERTING, "Crashed", "1.1.0 crashed: no way"))
    (event,) = kubernetes.objects("v1", "Event", "models")
    assert event["involvedObject"] == {
        "apiVersion": "portside.dev/v1alpha1",
        "kind": "ModelRollout",
        "name": "iris-1-1-0",
        "namespace": "models",
        "uid": "uid",
    }
    assert (event["type"], event["reason"], event["message"]) == ("Warning", "Crashed", "1.1.0 crashed: no way")
    assert event["firstTimestamp"] == "2026-11-25T08:00:00Z"


def test_a_decision_is_told_once(kubernetes: Cluster) -> None:
    decision = Decision(NOW, Phase.PROGRESSING, "Step", "5 %")
    later = Decision(NOW + timedelta(milliseconds=1), Phase.PROGRESSING, "Step", "25 %")
    for each in (decision, decision, later):
        record(kubernetes, ROLLOUT, each)
    assert [event["message"] for event in kubernetes.objects("v1", "Event", "models")] == ["5 %", "25 %"]


@pytest.mark.parametrize(
    ("phase", "kind"),
    [
        (Phase.PROGRESSING, "Normal"),
        (Phase.PROMOTED, "Normal"),
        (Phase.REVERTED, "Warning"),
        (Phase.INCONCLUSIVE, "Warning"),
        (Phase.REFUSED, "Warning"),
    ],
)
def test_what_nobody_wishes_for_is_a_warning(kubernetes: Cluster, phase: Phase, kind: str) -> None:
    record(kubernetes, ROLLOUT, Decision(NOW, phase, str(phase), "why"))
    assert [event["type"] for event in kubernetes.objects("v1", "Event", "models")] == [kind]


@pytest.mark.parametrize("reason", ["NotDone", "Unreadable"])
def test_what_keeps_a_rollout_from_going_on_is_a_warning(kubernetes: Cluster, reason: str) -> None:
    record(kubernetes, ROLLOUT, Decision(NOW, Phase.PROGRESSING, reason, "why"))
    assert [event["type"] for event in kubernetes.objects("v1", "Event", "models")] == ["Warning"]


def test_a_rollout_of_the_longest_name_has_events_too(kubernetes: Cluster) -> None:
    rollout = replace(ROLLOUT, name="r" * 253)
    for reason in ("Started", "Step"):
        record(kubernetes, rollout, Decision(NOW, Phase.PROGRESSING, reason, "why"))
    events = kubernetes.objects("v1", "Event", "models")
    assert [len(event["metadata"]["name"]) for event in events] == [253, 253]
    assert {event["involvedObject"]["name"] for event in events} == {rollout.name}


def test_a_long_message_is_cut(kubernetes: Cluster) -> None:
    record(kubernetes, ROLLOUT, Decision(NOW, Phase.PROGRESSING, "Step", "x" * 2000))
    assert len(kubernetes.objects("v1", "Event", "models")[0]["message"]) == 1024
