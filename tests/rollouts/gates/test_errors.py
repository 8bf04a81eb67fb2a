# SPDX-License-Identifier: Apache-2.0
"""The gate on errors."""

import numpy as np
import pytest

from rollouts.gates.errors import judge_errors
from rollouts.gates.result import GateResult, Outcome
from rollouts.measurements.evidence import Evidence
from rollouts.measurements.snapshot import Snapshot
from rollouts.measurements.sums import Sums
from tests.rollouts.gates.counted import evidence, look

HEALTHY = [look(95, failed=1), *[look(95)] * 59]


def errors(failed: list[int], requests: int = 5) -> GateResult:
    canary = [look(requests, failed=each) for each in failed]
    return judge_errors(evidence(canary, HEALTHY), 0.005, 0.001)


def test_some_per_cent_of_errors_are_proven_with_some_150_requests() -> None:
    result = errors([0, 0, 1, 0] * 8)
    assert result.outcome is Outcome.VIOLATED
    assert result.low is not None
    assert result.low > 0.005
    assert result.text == "errors: 5 % of 160 requests, stable 0.018 % of 5,700; at most 0.5 % more"
    assert result.measured == pytest.approx(0.05 - 1 / 5700)


def test_as_many_errors_in_one_look_are_one_event() -> None:
    assert errors([0] * 20 + [5] + [0] * 11).outcome is Outcome.BEYOND
    assert errors([0] * 20 + [5, 3] + [0] * 10).outcome is Outcome.BEYOND


def test_all_failed_is_proven_after_five_looks() -> None:
    assert errors([5] * 4).outcome is Outcome.BEYOND
    assert errors([5] * 5).outcome is Outcome.VIOLATED


def test_a_few_more_errors_are_waited_on() -> None:
    result = errors([0] * 40 + [1, 1, 1])
    assert result.outcome is Outcome.BEYOND
    assert result.low is not None
    assert result.high is not None
    assert result.low < 0.005 < result.high


def test_no_errors_are_within_and_kept_once_there_are_requests_enough() -> None:
    assert errors([0] * 60).outcome is Outcome.WITHIN
    assert errors([0] * 60, requests=50).outcome is Outcome.HOLDS


def test_a_stable_version_that_fails_as_often_excuses_the_canary() -> None:
    looks = [look(50, failed=5)] * 60
    result = judge_errors(evidence(looks, looks), 0.02, 0.001)
    assert result.outcome is Outcome.WITHIN
    assert result.measured == 0


def bursts(random: np.random.Generator, rate: float, pods: int, length: float) -> list[Snapshot]:
    """Return three minutes of looks at pods that fail wholly 2 % of the time, for some seconds on end on average."""
    failing = random.random(pods) < 0.02
    looks = []
    for _ in range(180):
        requests = random.poisson(rate / pods, pods)
        looks.append(look(int(requests.sum()), failed=int(requests[failing].sum())))
        ends, begins = random.random(pods) < 1 / length, random.random(pods) < 0.02 / 0.98 / length
        failing = np.where(failing, ~ends, begins)
    return looks


@pytest.mark.parametrize("length", [1, 2])
def test_equal_versions_that_fail_in_bursts_are_not_reverted(length: float) -> None:
    random = np.random.default_rng(12)
    for _ in range(25):
        sums = Sums(), Sums()
        for canary, stable in zip(bursts(random, 5, 1, length), bursts(random, 95, 3, length), strict=True):
            sums = sums[0].with_block(canary), sums[1].with_block(stable)
            result = judge_errors(Evidence(canary=sums[0], stable=sums[1]), 0.005, 0.001)
            assert result.outcome is not Outcome.VIOLATED


def test_a_version_that_begins_to_fail_for_good_is_found_within_some_looks() -> None:
    assert errors([0] * 20 + [5] * 6).outcome is Outcome.BEYOND
    assert errors([0] * 20 + [5] * 12).outcome is Outcome.VIOLATED
