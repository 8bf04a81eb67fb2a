# SPDX-License-Identifier: Apache-2.0
"""Whole rollouts as ``python -m benchmarks.rollouts`` simulates them, a few of each kind."""

import numpy as np
import pytest

from benchmarks.rollouts.scenarios import EQUAL, Scenario, faults
from benchmarks.rollouts.simulation import Course, End, roll_out

BAD = {scenario.name: scenario for scenario in faults()}


def courses(scenario: Scenario, rollouts: int) -> list[Course]:
    random = np.random.default_rng(8)
    return [roll_out(scenario.canary, scenario.stable, random, 120) for _ in range(rollouts)]


@pytest.mark.parametrize("scenario", EQUAL, ids=lambda scenario: scenario.name)
def test_a_version_as_good_as_the_other_is_not_reverted(scenario: Scenario) -> None:
    ends = [course.end for course in courses(scenario, 5)]
    assert End.REVERTED not in ends
    assert End.PROMOTED in ends


@pytest.mark.parametrize(
    ("name", "gate", "seconds"),
    [
        ("latency +50 ms", "latency", 8),
        ("errors +10 %", "errors", 60),
        ("predictions shifted by 0.5", "predictions", 30),
    ],
)
def test_a_bad_version_is_reverted_by_its_gate_in_time(name: str, gate: str, seconds: int) -> None:
    for course in courses(BAD[name], 5):
        assert course.end is End.REVERTED
        assert all(each.partition(":")[0] == gate for each in course.gates)
        assert course.seconds <= seconds
