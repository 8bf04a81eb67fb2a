# SPDX-License-Identifier: Apache-2.0
"""Confidence bounds, against the binomial distribution itself and published values."""

import math
from fractions import Fraction
from itertools import accumulate
from math import comb

import numpy as np
import pytest

from loadtests.judging.intervals import (
    exact_lower_share,
    exact_upper_share,
    lower_rank,
    lower_share,
    upper_rank,
    upper_share,
    wilson,
)


def exactly(seen: int, count: int, share: float) -> float:
    """Return P(B = seen) by its definition."""
    return float(comb(count, seen) * Fraction(share) ** seen * (1 - Fraction(share)) ** (count - seen))


@pytest.mark.parametrize("error", [0.025, 0.005, 0.1])
@pytest.mark.parametrize("quantile", [0.5, 0.9, 0.99])
@pytest.mark.parametrize("count", [5, 60, 475])
def test_ranks_are_the_narrowest_that_the_binomial_allows(count: int, quantile: float, error: float) -> None:
    below = list(accumulate(exactly(seen, count, quantile) for seen in range(count)))
    lower = max((rank for rank in range(1, count + 1) if below[rank - 1] <= error), default=None)
    upper = min((rank for rank in range(1, count + 1) if below[rank - 1] >= 1 - error), default=None)
    assert lower_rank(count, quantile, error) == lower
    assert upper_rank(count, quantile, error) == upper


def test_the_ranks_of_a_median_of_100_are_those_of_the_tables() -> None:
    assert (lower_rank(100, 0.5, 0.025), upper_rank(100, 0.5, 0.025)) == (40, 61)


def test_an_upper_rank_takes_as_many_requests_as_its_formula_says() -> None:
    fewest = math.ceil(math.log(0.05) / math.log(0.95))
    assert fewest == 59
    assert upper_rank(fewest, 0.95, 0.05) == fewest
    assert upper_rank(fewest - 1, 0.95, 0.05) is None


def test_a_lower_rank_takes_a_few_requests_too() -> None:
    assert lower_rank(4, 0.5, 0.025) is None
    assert lower_rank(6, 0.5, 0.025) == 1


def test_no_requests_have_no_ranks() -> None:
    assert lower_rank(0, 0.5, 0.025) is None
    assert upper_rank(0, 0.5, 0.025) is None


def test_ranks_hold_the_true_quantile_as_often_as_stated() -> None:
    random = np.random.default_rng(1)
    values = np.sort(random.exponential(size=(4000, 200)), axis=1)
    true = -math.log(0.1)
    lower, upper = lower_rank(200, 0.9, 0.05), upper_rank(200, 0.9, 0.05)
    assert lower is not None
    assert upper is not None
    # Two standard deviations of 4,000 runs are 0.7 %.
    assert (values[:, lower - 1] > true).mean() <= 0.057
    assert (values[:, upper - 1] < true).mean() <= 0.057


def test_ranks_of_a_million_requests_are_found() -> None:
    assert lower_rank(1_000_000, 0.999, 0.025) == pytest.approx(998_938, abs=2)
    assert upper_rank(1_000_000, 0.999, 0.025) == pytest.approx(999_063, abs=2)


def test_correlated_requests_have_wider_ranks() -> None:
    independent = lower_rank(2000, 0.9, 0.025), upper_rank(2000, 0.9, 0.025)
    correlated = lower_rank(2000, 0.9, 0.025, 10), upper_rank(2000, 0.9, 0.025, 10)
    few = lower_rank(200, 0.9, 0.025), upper_rank(200, 0.9, 0.025)
    assert None not in {*independent, *correlated, *few}
    width, wide = ((upper or 0) - (lower or 0) for lower, upper in (independent, correlated))
    assert wide == pytest.approx(math.sqrt(10) * width, rel=0.1)
    # A tenth as many requests, at ranks a tenth as high.
    assert [(rank or 0) / 10 for rank in correlated] == pytest.approx(few, abs=1)
    assert upper_rank(2000, 0.9, 0.025, 200) is None


def test_wilsons_interval_is_the_published_one() -> None:
    assert wilson(10, 100, 0.025) == pytest.approx((0.05523, 0.17437), abs=1e-5)
    assert wilson(0, 100, 0.025) == pytest.approx((0, 0.03699), abs=1e-5)
    assert wilson(100, 100, 0.025) == pytest.approx((0.96301, 1), abs=1e-5)


def test_the_exact_interval_is_the_published_one() -> None:
    bounds = exact_lower_share(10, 100, 0.025), exact_upper_share(10, 100, 0.025)
    assert bounds == pytest.approx((0.04900, 0.17622), abs=1e-5)
    assert exact_lower_share(0, 100, 0.025) == 0
    assert exact_upper_share(100, 100, 0.025) == 1
    assert exact_upper_share(0, 100, 0.025) == pytest.approx(1 - 0.025 ** (1 / 100))


@pytest.mark.parametrize("share", [0.0002, 0.001, 0.01, 0.3, 0.97, 0.9999])
@pytest.mark.parametrize("count", [50, 400])
def test_a_share_is_within_its_bounds_as_often_as_stated(count: int, share: float) -> None:
    likely = [exactly(seen, count, share) for seen in range(count + 1)]
    too_high = sum(p for k, p in enumerate(likely) if lower_share(k, count, 0.025) > share)
    too_low = sum(p for k, p in enumerate(likely) if upper_share(k, count, 0.025) < share)
    assert too_high <= 0.025
    assert too_low <= 0.025


def test_wilsons_lower_bound_alone_would_be_wrong_more_often_than_stated() -> None:
    """Why the exact bound is asked too: one failure in 170 requests would show an error rate above 0.001."""
    assert wilson(1, 170, 0.025)[0] > 0.001
    assert 1 - 0.999**170 > 0.15
    assert lower_share(1, 170, 0.025) < 0.001


def test_correlated_requests_count_as_fewer_independent_ones() -> None:
    assert wilson(100, 1000, 0.025, 10) == pytest.approx(wilson(10, 100, 0.025))
    assert lower_share(100, 1000, 0.025, 10) == pytest.approx(lower_share(10, 100, 0.025))
    assert upper_share(100, 1000, 0.025, 10) == pytest.approx(upper_share(10, 100, 0.025))
