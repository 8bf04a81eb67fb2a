# SPDX-License-Identifier: Apache-2.0
"""Bounds of a percentile from a histogram."""

from math import inf

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollouts.statistics.percentile import lower, upper
from rollouts.statistics.share import Share

BOUNDS = np.arange(1, 80) / 10


def bounds_of(times: np.ndarray, percentile: float, error: float) -> tuple[float, float]:
    def slower(bound: float) -> Share:
        return Share(int((times > bound).sum()), len(times))

    low = lower(BOUNDS.tolist(), slower, percentile, error)
    return low, upper(BOUNDS[::-1].tolist(), slower, percentile, error)


@pytest.mark.parametrize("percentile", [50.0, 90.0, 99.0])
def test_the_true_percentile_is_ever_outside_no_more_often_than_stated(percentile: float) -> None:
    """60 courses of 8 looks; more than 8 with an error of 5 % come in fewer than 1 of 100 repetitions."""
    random = np.random.default_rng(7)
    true = -np.log(1 - percentile / 100)
    below = above = 0
    for _ in range(60):
        times = random.exponential(size=800)
        looks = [bounds_of(times[:count], percentile, 0.05) for count in range(100, 801, 100)]
        below += any(high < true for _, high in looks)
        above += any(low > true for low, _ in looks)
    assert below <= 8
    assert above <= 8


@given(st.integers(1, 400), st.floats(1, 99.9), st.integers(0, 2**32 - 1))
def test_the_measured_percentile_is_between_the_bounds(count: int, percentile: float, seed: int) -> None:
    times = np.random.default_rng(seed).exponential(size=count)
    low, high = bounds_of(times, percentile, 0.01)
    assert low <= np.quantile(times, percentile / 100, method="inverted_cdf")
    assert np.quantile(times, percentile / 100, method="inverted_cdf") <= high


def test_bounds_close_in_with_more_requests() -> None:
    times = np.random.default_rng(1).exponential(size=40_000)
    few, many = bounds_of(times[:400], 90, 0.01), bounds_of(times, 90, 0.01)
    assert few[0] < many[0] <= 2.4
    assert 2.3 <= many[1] < few[1]


def test_a_few_requests_bound_nothing_from_above() -> None:
    assert bounds_of(np.full(100, 0.05), 99, 0.01) == (0.0, inf)


def test_a_bound_that_the_ones_before_it_do_not_bear_out_does_not_count() -> None:
    shares = {1.0: Share(50, 100), 2.0: Share(40, 100, 40.0), 3.0: Share(30, 100)}
    assert lower([1.0, 2.0, 3.0], shares.__getitem__, 99, 0.001) == 1
