# SPDX-License-Identifier: Apache-2.0
"""All gates together."""

import numpy as np
import pytest

from benchmarks.rollouts.version import Pods, Version
from benchmarks.rollouts.window import Window
from rollouts.gates.judge import judge
from rollouts.gates.result import GateResult, Outcome
from rollouts.measurements.evidence import Evidence
from rollouts.measurements.sums import Sums
from rollouts.shadow.pairs import Pairs
from rollouts.spec import Gates, LatencyGate
from tests.rollouts.gates.counted import evidence, look

GATES = Gates(0.005, LatencyGate(99, 1.2, 50), 0.1, 0.02)
ANSWERS = {"label": {"ham": 90, "spam": 10}}


def outcomes(results: tuple[GateResult, ...]) -> dict[str, str]:
    return {result.gate: str(result.outcome) for result in results}


def test_all_that_is_asked_for_is_judged() -> None:
    looks = [look(100, outputs=ANSWERS)] * 60
    results = judge(GATES, evidence(looks, looks), Pairs(500, 0), 0.003)
    assert outcomes(results) == {
        "errors": "Holds",
        "latency": "Holds",
        "latency:ratio": "Within",
        "predictions": "Holds",
        "disagreements": "Holds",
    }


def test_what_is_not_asked_for_is_not_judged() -> None:
    looks = evidence([look(100)] * 60, [look(100)] * 60)
    assert judge(Gates(), looks, Pairs(), 0.003) == ()
    assert set(outcomes(judge(Gates(latency=LatencyGate(99, 1.2)), looks, Pairs(), 0.003))) == {"latency:ratio"}
    assert set(outcomes(judge(Gates(latency=LatencyGate(99, None, 50)), looks, Pairs(), 0.003))) == {"latency"}


def test_a_canary_without_requests_is_waited_for() -> None:
    results = judge(GATES, evidence([], [look(100, outputs=ANSWERS)] * 60), Pairs(), 0.003)
    assert set(outcomes(results).values()) == {"Beyond"}
    assert all(result.measured is None for result in results)


def test_without_a_stable_version_only_the_canarys_own_limits_are_judged() -> None:
    slow = [look(100, seconds={"0.08": 100}, outputs=ANSWERS)] * 60
    results = judge(GATES, evidence(slow), Pairs(500, 0), 0.003)
    assert outcomes(results) == {
        "errors": "Within",
        "latency": "Violated",
        "latency:ratio": "Within",
        "predictions": "Within",
        "disagreements": "Holds",
    }
    assert results[0].text == "errors: not compared, the stable version has answered no requests in this step"


def test_pairs_that_differ_are_counted() -> None:
    gates = Gates(max_disagreement=0.02)
    (few,) = judge(gates, Evidence(), Pairs(500, 12), 0.003)
    assert few.outcome is Outcome.BEYOND
    assert few.text == "disagreements: 12 of 500 pairs (2.4 %) differ; at most 2 %"
    (many,) = judge(gates, Evidence(), Pairs(500, 40), 0.003)
    assert many.outcome is Outcome.VIOLATED


def test_the_error_is_divided_among_the_gates() -> None:
    """Alone, a gate says with a fifth of the error what it says among five."""
    looks = evidence([look(5, failed=failed) for failed in [0, 0, 1, 0] * 8], [look(95)] * 60)
    (alone,) = judge(Gates(max_error_increase=0.005), looks, Pairs(), 0.003 / 5)
    assert judge(GATES, looks, Pairs(), 0.003)[0] == alone


def test_a_result_keeps_its_figures_in_a_document() -> None:
    looks = evidence([look(100, failed=1)] * 60, [look(100)] * 60)
    for result in judge(GATES, looks, Pairs(500, 2), 0.003):
        again = GateResult.of(result.as_document())
        assert again.as_document() == result.as_document()
        assert again.measured == (None if result.measured is None else pytest.approx(result.measured, rel=1e-5))


def test_the_simulation_counts_as_the_controller_does() -> None:
    pods = Pods(Version(failing=0.1, stalls=0.1, drift=0.2), 2, np.random.default_rng(1))
    window, sums = Window(), Sums()
    for _ in range(50):
        block, alone = pods.second(20), Window()
        window.add(block)
        alone.add(block)
        sums = sums.with_block(alone.sums().counts)
    assert window.sums().as_document() == sums.as_document()
