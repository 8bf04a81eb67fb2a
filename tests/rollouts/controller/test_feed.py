# SPDX-License-Identifier: Apache-2.0
"""What the cluster tells of rollouts, and what of it is put on the schedule."""

import pytest

from rollouts.controller.feed import hear
from rollouts.controller.metrics import Metrics
from rollouts.controller.neighbours import Neighbours
from rollouts.controller.schedule import Schedule
from rollouts.finalizer import FINALIZER
from tests.rollouts.controller.api_server import rollout


@pytest.fixture
def schedule() -> Schedule:
    """One that nobody works at."""
    return Schedule(lambda _: None, 1)


@pytest.fixture
def metrics() -> Metrics:
    return Metrics(lambda: False)


def in_phase(metrics: Metrics, phase: str) -> float:
    return metrics.registry.get_sample_value("portside_rollouts", {"phase": phase}) or 0.0


@pytest.mark.parametrize("kind", [None, "ADDED", "MODIFIED"])
def test_one_that_has_not_ended_is_looked_at(schedule: Schedule, metrics: Metrics, kind: str | None) -> None:
    hear(schedule, metrics, Neighbours(), kind, rollout())
    assert schedule.size == 1
    assert in_phase(metrics, "Pending") == 1


def test_one_that_has_ended_costs_nothing(schedule: Schedule, metrics: Metrics) -> None:
    hear(schedule, metrics, Neighbours(), None, rollout(status={"phase": "Promoted"}))
    assert schedule.size == 0
    assert in_phase(metrics, "Promoted") == 1


def test_one_that_still_has_something_on_the_cluster_is_looked_at_after_its_end(
    schedule: Schedule, metrics: Metrics
) -> None:
    hear(schedule, metrics, Neighbours(), "MODIFIED", rollout(status={"phase": "Promoted"}, finalizers=[FINALIZER]))
    assert schedule.size == 1
    hear(schedule, metrics, Neighbours(), "MODIFIED", rollout(status={"phase": "Promoted"}, finalizers=[]))
    assert schedule.size == 0


def test_one_that_is_gone_is_forgotten(schedule: Schedule, metrics: Metrics) -> None:
    hear(schedule, metrics, Neighbours(), "ADDED", rollout())
    hear(schedule, metrics, Neighbours(), "DELETED", rollout())
    assert schedule.size == 0
    assert in_phase(metrics, "Pending") == 0
