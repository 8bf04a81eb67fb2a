# SPDX-License-Identifier: Apache-2.0
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from rollouts.controller.metrics import Metrics
from rollouts.phases import Phase
from rollouts.status import Status

EXPOSED = datetime(2026, 1, 1, tzinfo=UTC)
DECIDED = EXPOSED + timedelta(seconds=12)


def told(metrics: Metrics, name: str, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(name, labels)


def test_the_time_to_a_verdict_is_counted_when_it_falls() -> None:
    metrics = Metrics(lambda: True)
    before = Status(phase=Phase.PROGRESSING, exposed=EXPOSED)
    after = replace(before, phase=Phase.REVERTING, decided=DECIDED, outcome=Phase.REVERTED)
    metrics.moved(before, after)
    metrics.moved(after, after)
    assert told(metrics, "portside_rollouts_exposure_to_verdict_seconds_count", outcome="Reverted") == 1
    assert told(metrics, "portside_rollouts_exposure_to_verdict_seconds_sum", outcome="Reverted") == 12


def test_the_time_to_zero_traffic_is_counted_once_it_is_final() -> None:
    metrics = Metrics(lambda: True)
    reverting = Status(phase=Phase.REVERTING, exposed=EXPOSED, decided=DECIDED, zero_traffic=DECIDED)
    later = replace(reverting, zero_traffic=DECIDED + timedelta(seconds=1.25))
    metrics.moved(reverting, later)
    assert told(metrics, "portside_rollouts_verdict_to_zero_traffic_seconds_count") == 0
    metrics.moved(later, replace(later, phase=Phase.REVERTED))
    assert told(metrics, "portside_rollouts_verdict_to_zero_traffic_seconds_sum") == 1.25


def test_a_rollout_that_never_had_traffic_counts_for_neither() -> None:
    metrics = Metrics(lambda: True)
    before = Status(phase=Phase.PENDING)
    after = replace(before, phase=Phase.REVERTING, decided=DECIDED)
    metrics.moved(before, after)
    metrics.moved(after, replace(after, phase=Phase.REVERTED))
    assert told(metrics, "portside_rollouts_verdict_to_zero_traffic_seconds_count") == 0
    assert told(metrics, "portside_rollouts_exposure_to_verdict_seconds_count", outcome="Reverted") is None


def test_whether_it_leads_is_asked_each_time() -> None:
    answers = iter([True, False])
    metrics = Metrics(lambda: next(answers))
    assert [told(metrics, "portside_rollouts_is_leader") for _ in range(2)] == [1.0, 0.0]
