# SPDX-License-Identifier: Apache-2.0
"""The population stability index: its value, and what of it is chance."""

import numpy as np
import numpy.typing as npt
import pytest

from pipelines.data.distribution import LIMIT, chance_limit, psi
from pipelines.data.intervals import share_bounds
from pipelines.data.label_agreement import error_limit

Floats = npt.NDArray[np.float64]


def test_the_index_is_that_of_its_definition() -> None:
    expected, found = np.array([500, 500]), np.array([800, 200])
    by_hand = (0.8 - 0.5) * np.log(0.8 / 0.5) + (0.2 - 0.5) * np.log(0.2 / 0.5)
    assert psi(expected, found) == pytest.approx(by_hand, abs=0.005)
    assert psi(expected, expected) == 0.0


def test_a_shift_by_seven_tenths_of_a_standard_deviation_reaches_the_limit() -> None:
    random = np.random.default_rng(0)
    before = random.standard_normal(100_000)
    edges = np.quantile(before, np.linspace(0, 1, 11)[1:-1])
    index = [psi(binned(before, edges), binned(before + shift, edges)) for shift in (0.6, 0.8)]
    assert index[0] < LIMIT < index[1]


@pytest.mark.parametrize("rows", [30, 200, 2000])
def test_samples_of_one_distribution_stay_below_what_chance_allows(rows: int) -> None:
    random = np.random.default_rng(1)
    edges = np.linspace(0, 1, 11)[1:-1]
    index = [psi(binned(random.random(5000), edges), binned(random.random(rows), edges)) for _ in range(300)]
    assert max(index) < 1.15 * chance_limit(10, 5000, rows)
    assert np.mean(index) == pytest.approx(9 * (1 / 5000 + 1 / rows), rel=0.2)


def test_bounds_of_a_share_are_those_of_clopper_and_pearson() -> None:
    assert share_bounds(0, 10) == pytest.approx((0.0, 1 - 0.001**0.1))
    assert share_bounds(10, 10) == pytest.approx((0.001**0.1, 1.0))
    assert share_bounds(0, 0) == (0.0, 1.0)


def test_the_limit_of_errors_is_twice_their_bound_and_never_out_of_reach() -> None:
    upper = share_bounds(5, 500)[1]
    assert error_limit(5, 500) == pytest.approx(2 * upper)
    assert error_limit(9, 10) < 1
    assert error_limit(10, 10) == 1


def binned(values: Floats, edges: Floats) -> npt.NDArray[np.int64]:
    return np.bincount(np.searchsorted(edges, values, side="right"), minlength=10)
