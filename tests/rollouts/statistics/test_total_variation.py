# SPDX-License-Identifier: Apache-2.0
"""How far the outputs of two versions lie apart: bounds that hold at every look, whatever the bins."""

from math import inf, lgamma, log

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from rollouts.statistics.multinomial import radius
from rollouts.statistics.nested_events import Bin, nested_distance
from rollouts.statistics.total_variation import total_variation

Counts = NDArray[np.float64]
counts = st.integers(1, 12).flatmap(
    lambda bins: st.tuples(*(arrays(np.float64, bins, elements=st.integers(0, 300).map(float)) for _ in range(2)))
)
SHARES = {
    "two": [0.9, 0.1],
    "three": [0.7, 0.2, 0.1],
    "twelve": [0.3, 0.2, 0.1, 0.1, 0.08, 0.06, 0.05, 0.04, 0.03, 0.02, 0.01, 0.01],
}


def distance(one: Counts, other: Counts) -> float:
    return float(np.abs(one / one.sum() - other / other.sum()).sum() / 2)


@given(counts, st.sampled_from([0.05, 0.001]))
def test_the_bounds_hold_the_distance_of_what_was_measured(both: tuple[Counts, Counts], error: float) -> None:
    canary, stable = both
    assume(canary.sum() and stable.sum())
    found = total_variation(canary, stable, error)
    apart = distance(canary, stable)
    assert 0 <= found.low <= apart + 1e-9
    assert apart <= found.high + 1e-9
    assert 0 <= found.measured <= apart + 1e-9


@pytest.mark.parametrize("shift", [0.0, 0.08])
@pytest.mark.parametrize("bins", SHARES)
def test_the_bounds_are_ever_wrong_no_more_often_than_stated(bins: str, shift: float) -> None:
    """60 courses of 10 looks; more than 8 with an error of 5 % come in fewer than 1 of 100 repetitions."""
    random = np.random.default_rng(5)
    stable = np.array(SHARES[bins])
    canary = stable.copy()
    canary[[0, -1]] += -shift, shift
    true = distance(canary, stable)
    too_high = too_low = 0
    for _ in range(60):
        seen = [random.multinomial(size, shares, 10).cumsum(axis=0) for size, shares in ((60, canary), (300, stable))]
        found = [
            total_variation(one.astype(float), other.astype(float), 0.05) for one, other in zip(*seen, strict=True)
        ]
        too_high += any(each.low > true + 1e-12 for each in found)
        too_low += any(each.high < true - 1e-12 for each in found)
    assert too_high <= 8
    assert too_low <= 8


def test_equal_versions_of_many_bins_are_measured_near_each_other() -> None:
    random = np.random.default_rng(2)
    shares = np.full(12, 1 / 12)
    pairs = [
        (random.multinomial(300, shares).astype(float), random.multinomial(5700, shares).astype(float))
        for _ in range(200)
    ]
    assert np.mean([total_variation(*pair, 0.001).measured for pair in pairs]) < 0.04
    assert np.mean([distance(*pair) for pair in pairs]) > 0.06


@pytest.mark.parametrize(
    "places", [slice(0, 6), slice(3, 9), slice(None, None, 2)], ids=["half", "middle", "every other"]
)
def test_a_large_shift_over_many_bins_is_proven_with_some_hundred_outputs(places: slice) -> None:
    random = np.random.default_rng(4)
    stable = np.full(12, 1 / 12)
    canary = np.full(12, 1 / 60)
    canary[places] = 9 / 60
    found = total_variation(
        random.multinomial(200, canary).astype(float), random.multinomial(3800, stable).astype(float), 0.001
    )
    assert found.low > 0.1


def test_one_and_the_same_bin_is_no_distance_and_leaves_room_for_others() -> None:
    found = total_variation(np.array([300.0]), np.array([5700.0]), 0.001)
    assert (found.measured, found.low) == (0, 0)
    assert 0 < found.high < 0.05


def test_three_hundred_bins_are_no_trouble() -> None:
    canary, stable = np.zeros(300), np.ones(300) * 20
    canary[:20] = 15
    found = total_variation(canary, stable, 0.001)
    assert found.low > 0.5


def test_the_radius_is_that_of_the_mixture_over_two_bins() -> None:
    """Against the beta function: M(p) = B(k + 1/2, n - k + 1/2) / B(1/2, 1/2) / p^k / (1 - p)^(n - k)."""
    part, count, error = 7.0, 40.0, 0.01
    mixture = lgamma(part + 0.5) + lgamma(count - part + 0.5) - lgamma(count + 1) - 2 * lgamma(0.5)
    share = part / count
    measured = part * log(share) + (count - part) * log(1 - share)
    expected = (measured - mixture - log(error)) / count
    assert radius(np.array([part, count - part]), error) == pytest.approx(expected)


def deciles(edges: list[float], values: np.ndarray) -> list[Bin]:
    bounds = [-inf, *edges, inf]
    found = np.histogram(values, bounds)[0]
    return [Bin(low, high, float(count)) for low, high, count in zip(bounds, bounds[1:], found, strict=False)]


@pytest.mark.parametrize("moved", [0.0, 0.05])
def test_other_edges_never_make_equal_outputs_look_apart(moved: float) -> None:
    random = np.random.default_rng(9)
    edges = np.quantile(random.normal(size=1000), np.arange(1, 10) / 10)
    for _ in range(100):
        canary, stable = random.normal(size=400), random.normal(size=4000)
        found = nested_distance(deciles(list(edges + moved), canary), deciles(list(edges), stable), 0.05)
        assert found.low == 0
        assert found.measured < 0.1


@pytest.mark.parametrize("shift", [1.0, -1.0])
def test_outputs_that_moved_are_found_between_other_edges_too(shift: float) -> None:
    random = np.random.default_rng(9)
    edges = np.quantile(random.normal(size=1000), np.arange(1, 10) / 10)
    canary, stable = random.normal(size=400) + shift, random.normal(size=4000)
    found = nested_distance(deciles(list(edges + 0.03), canary), deciles(list(edges), stable), 0.001)
    # Of two normal distributions one standard deviation apart it is 0.38.
    assert 0.15 < found.low < 0.38
    assert found.measured == pytest.approx(0.38, abs=0.05)
