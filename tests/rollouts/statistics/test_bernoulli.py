# SPDX-License-Identifier: Apache-2.0
"""Bounds of a share: against their definition, over all courses of looks, and against the bounds of a single look."""

from math import exp, log

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.special import betaincinv
from scipy.stats import binom

from rollouts.statistics.bernoulli import log_evidence_above, log_evidence_below, log_odds, lower, upper

counts = st.integers(1, 5000).flatmap(lambda count: st.tuples(st.integers(0, count), st.just(count)))
errors = st.sampled_from([0.05, 0.01, 0.001, 1e-6])


def by_definition(part: float, count: float, share: float) -> float:
    """Return the integral of the bets, in which t is put as 1 - (1 - share) u^2 so that it has no singularity."""

    def density(other: float) -> float:
        return float(other**-1 * (1 - other) ** -0.5)

    def bet(other: float) -> float:
        return float(exp(part * log(other / share) + (count - part) * log((1 - other) / (1 - share))) * density(other))

    return float(quad(bet, share, 1)[0] / quad(density, share, 1)[0])


@pytest.mark.parametrize("share", [0.003, 0.05, 0.4])
@pytest.mark.parametrize(("part", "count"), [(3, 40), (2.5, 17.3), (20, 20.5)])
def test_the_evidence_is_the_integral_that_it_is_said_to_be(part: float, count: float, share: float) -> None:
    expected = by_definition(part, count, share)
    assert exp(log_evidence_above(part, count, log_odds(share))) == pytest.approx(expected, rel=1e-6)
    mirrored = log_evidence_below(count - part, count, log_odds(1 - share))
    assert exp(mirrored) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("error", [0.05, 0.003])
@pytest.mark.parametrize("share", [0.001, 0.0055, 0.05, 0.3, 0.97])
def test_a_bound_is_ever_wrong_no_more_often_than_stated(share: float, error: float) -> None:
    """Exactly, over all courses of 300 requests with a look after each."""
    odds = log_odds(share)
    for evidence in (log_evidence_above, log_evidence_below):
        right = np.ones(1)
        for count in range(1, 301):
            right = np.append(right, 0) * (1 - share) + np.insert(right, 0, 0) * share
            likely = np.flatnonzero(right > 1e-15)
            refuted = [part for part in likely.tolist() if evidence(part, count, odds) >= -log(error)]
            right[refuted] = 0
        assert 1 - right.sum() <= error


@pytest.mark.parametrize("error", [0.05, 0.003])
def test_bounds_of_single_looks_would_be_wrong_more_often_than_stated(error: float) -> None:
    """Why they are not used: the same course of looks, with Clopper and Pearson's bound."""
    right = np.ones(1)
    for count in range(1, 301):
        right = np.append(right, 0) * 0.95 + np.insert(right, 0, 0) * 0.05
        right[binom.sf(np.arange(count + 1) - 1, count, 0.05) <= error] = 0
    assert 1 - right.sum() > 2 * error


@given(counts, errors)
def test_bounds_hold_what_was_measured_and_what_a_single_look_would(seen: tuple[int, int], error: float) -> None:
    part, count = seen
    low, high = lower(part, count, error), upper(part, count, error)
    assert 0 <= low <= part / count <= high <= 1
    if 0 < part < count:
        assert low <= betaincinv(part, count - part + 1, error)
        assert high >= betaincinv(part + 1, count - part, 1 - error)


@given(counts, errors)
def test_bounds_are_where_the_evidence_comes_to_the_error(seen: tuple[int, int], error: float) -> None:
    part, count = seen
    low, high = lower(part, count, error), upper(part, count, error)
    if low > 1e-12:
        assert log_evidence_above(part, count, log_odds(low)) == pytest.approx(-log(error), rel=1e-3)
    if high < 1 - 1e-12:
        assert log_evidence_below(part, count, log_odds(high)) == pytest.approx(-log(error), rel=1e-3)


@given(counts, errors)
def test_the_upper_bound_mirrors_the_lower_one(seen: tuple[int, int], error: float) -> None:
    part, count = seen
    assert upper(part, count, error) == pytest.approx(1 - lower(count - part, count, error), abs=1e-12)


@given(counts, errors)
def test_more_of_as_many_raise_both_bounds(seen: tuple[int, int], error: float) -> None:
    part, count = seen
    if part < count:
        assert lower(part, count, error) <= lower(part + 0.5, count, error) <= lower(part + 1, count, error)
        assert upper(part, count, error) <= upper(part + 0.5, count, error) <= upper(part + 1, count, error)


@given(counts, st.floats(0.0001, 0.9999), st.floats(0.0001, 0.9999))
def test_evidence_that_a_share_is_above_falls_with_what_it_is_above(
    seen: tuple[int, int], one: float, other: float
) -> None:
    part, count = seen
    low, high = sorted((one, other))
    if part > 0 and log_evidence_above(part, count, log_odds(high)) > 0:
        assert log_evidence_above(part, count, log_odds(low)) >= log_evidence_above(part, count, log_odds(high)) - 1e-9


@pytest.mark.parametrize(
    ("part", "count", "bound"),
    [(5, 100, 0.003), (8, 150, 0.007), (300, 300, 0.97)],
    ids=["5 of 100", "8 of 150", "all of 300"],
)
def test_small_shares_are_told_from_none_after_some_hundred_requests(part: int, count: int, bound: float) -> None:
    assert lower(part, count, 0.001) > bound


def test_none_of_many_bounds_a_share_nearly_as_closely_as_a_single_look() -> None:
    single = 1 - 0.001 ** (1 / 3000)
    assert single < upper(0, 3000, 0.001) < 1.25 * single


def test_extremes_are_bounded_too() -> None:
    assert lower(0, 10, 0.01) == 0
    assert upper(10, 10, 0.01) == 1
    assert upper(0, 0, 0.01) == 1
    assert lower(0, 0, 0.01) == 0
    assert 0.99998 < lower(1e6, 1e6, 0.001) < 1
    assert lower(0.01, 10, 0.01) == pytest.approx(0, abs=1e-12)
    with pytest.raises(ValueError, match="not a share"):
        log_odds(1.0)
