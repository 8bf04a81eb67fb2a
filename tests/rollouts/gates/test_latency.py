# SPDX-License-Identifier: Apache-2.0
"""The gates on latency."""

import numpy as np
import pytest

from rollouts.gates.histogram import Histogram
from rollouts.gates.latency import judge_latency, judge_latency_ratio
from rollouts.gates.result import GateResult, Outcome
from rollouts.measurements.sums import Sums
from tests.rollouts.gates.counted import counted, look

ERROR = 0.001
STABLE = counted([look(95, seconds={"0.004": 90, "0.005": 5})] * 30)


def slow_looks(slow: list[int], requests: int = 5, bound: str = "0.063") -> Sums:
    return counted(
        look(requests, seconds={name: n for name, n in (("0.004", requests - bad), (bound, bad)) if n}) for bad in slow
    )


def absolute(canary: Sums, limit: float = 50) -> GateResult:
    return judge_latency(Histogram(canary), Histogram(STABLE), 99, limit, ERROR)


def ratio(canary: Sums, limit: float = 1.2, stable: Sums = STABLE) -> GateResult:
    return judge_latency_ratio(Histogram(canary), Histogram(stable), 99, limit, ERROR)


def test_fifty_milliseconds_more_are_found_at_the_fifth_look() -> None:
    assert absolute(slow_looks([5] * 4)).outcome is Outcome.BEYOND
    result = absolute(slow_looks([5] * 5))
    assert result.outcome is Outcome.VIOLATED
    assert result.low == pytest.approx(50)
    assert result.text == "latency: p99 62.9 ms of 25 requests, stable 4.79 ms; at most 50 ms"
    assert ratio(slow_looks([5] * 5)).outcome is Outcome.VIOLATED


def test_one_stall_makes_no_slow_version() -> None:
    assert absolute(slow_looks([0] * 10 + [5] + [0] * 5)).outcome is Outcome.BEYOND
    assert ratio(slow_looks([0] * 10 + [50] + [0] * 50, requests=50)).outcome is Outcome.BEYOND


def test_one_slow_request_in_ten_is_found() -> None:
    assert absolute(slow_looks([1, 0] * 20)).outcome is Outcome.VIOLATED


def test_a_limit_between_two_bounds_is_proven_at_the_one_above_it() -> None:
    canary = slow_looks([5] * 6)
    assert absolute(canary, limit=50).outcome is Outcome.VIOLATED
    assert absolute(canary, limit=51).outcome is Outcome.BEYOND
    assert absolute(slow_looks([5] * 6, bound="0.08"), limit=51).outcome is Outcome.VIOLATED


def test_a_limit_is_kept_once_enough_requests_were_below_it() -> None:
    assert absolute(slow_looks([0] * 30)).outcome is Outcome.WITHIN
    result = absolute(slow_looks([0] * 30, requests=50))
    assert result.outcome is Outcome.HOLDS
    assert result.high == pytest.approx(4)


def test_a_ratio_takes_a_stable_version_that_is_proven_too() -> None:
    few = counted([look(20, seconds={"0.004": 20})] * 10)
    assert ratio(slow_looks([5] * 10), stable=few).outcome is Outcome.BEYOND
    result = ratio(slow_looks([5] * 10))
    assert result.outcome is Outcome.VIOLATED
    # Its p99 lies above 50 ms, the stable version's not above 5 ms.
    assert result.low == pytest.approx(10)
    assert result.text.startswith(
        "latency: p99 62.9 ms of 50 requests, 13.1 times the stable 4.79 ms of 2,850; at most 1.2"
    )


@pytest.mark.parametrize(
    ("bound", "outcome"),
    [("0.0063", Outcome.BEYOND), ("0.008", Outcome.VIOLATED)],
    ids=["the next bin", "the one after"],
)
def test_a_ratio_below_the_step_from_bound_to_bound_is_not_proven(bound: str, outcome: Outcome) -> None:
    canary = slow_looks([20] * 20, requests=20, bound=bound)
    stable = counted([look(95, seconds={"0.005": 95})] * 30)
    assert ratio(canary, stable=stable).outcome is outcome


def test_percentiles_are_interpolated_within_their_bin() -> None:
    times = np.exp(np.random.default_rng(1).normal(np.log(0.02), 0.4, 20_000))
    bounds = [
        0.0,
        *(float(f"{step}e-{power}") for power in (3, 2, 1) for step in (1, 1.25, 1.6, 2, 2.5, 3.15, 4, 5, 6.3, 8)),
    ]
    found = np.histogram(times, bounds)[0]
    sums = counted([look(20_000, seconds={str(b): int(n) for b, n in zip(bounds[1:], found, strict=True) if n})])
    for percentile in (10, 50, 90, 99):
        assert Histogram(sums).percentile(percentile) == pytest.approx(np.quantile(times, percentile / 100), rel=0.03)


def test_what_took_longer_than_the_last_bound_is_at_least_that() -> None:
    canary = slow_looks([5] * 6, bound="+Inf")
    result = absolute(canary)
    assert result.outcome is Outcome.VIOLATED
    assert result.measured == 10_000
    assert result.low == pytest.approx(10_000)
    assert ratio(canary).outcome is Outcome.VIOLATED


def test_bounds_of_another_histogram_are_told_from_one_another() -> None:
    histogram = Histogram(counted([look(10, seconds={"0.003": 5, "0.03": 3, "+Inf": 2})] * 10))
    assert histogram.bounds == [0.003, 0.03, 10.0]
    assert histogram.slower(0.003).value == 0.5
    assert histogram.slower(0.03).value == 0.2
