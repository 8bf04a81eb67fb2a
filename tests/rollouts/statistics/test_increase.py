# SPDX-License-Identifier: Apache-2.0
"""How far one share lies above another at least: against all pairs of shares, and by simulation."""

from itertools import pairwise
from math import log

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from rollouts.statistics.bernoulli import log_evidence_above, log_evidence_below, log_odds
from rollouts.statistics.increase import least_increase
from rollouts.statistics.share import Share, most_increase

shares = st.integers(1, 2000).flatmap(lambda count: st.builds(Share, st.integers(0, count), st.just(count)))
GRID = 1 / (1 + np.exp(-np.linspace(-14, 14, 1200)))


@pytest.mark.parametrize(
    ("canary", "stable"),
    [((8, 150), (3, 2850)), ((5, 100), (0, 1900)), ((60, 600), (3, 600)), ((10, 10), (1, 200)), ((90, 100), (3, 10))],
    ids=str,
)
def test_no_pair_that_is_nearer_is_left(canary: tuple[int, int], stable: tuple[int, int]) -> None:
    """Over a grid of all pairs; where the grid has no pair as near as the bound, its nearest one is just above it."""
    error = 0.001
    against = np.array([log_evidence_above(*canary, log_odds(share)) for share in GRID])
    bets = np.array([log_evidence_below(*stable, log_odds(share)) for share in GRID])
    stakes = np.logaddexp(log(1 / 16), log(15 / 16) + against)[:, None] + np.logaddexp(0, bets)[None, :] - log(2)
    left = stakes < -log(error)
    nearest = (GRID[:, None] - GRID[None, :])[left].min()
    assert least_increase(Share(*canary), Share(*stable), error) == pytest.approx(nearest, rel=0.06, abs=1e-3)


@given(shares, shares)
def test_the_bounds_hold_what_was_measured(canary: Share, stable: Share) -> None:
    measured = canary.value - stable.value
    assert -1 <= least_increase(canary, stable, 0.001) <= measured <= most_increase(canary, stable, 0.001) <= 1


@settings(max_examples=40)
@given(shares, shares)
def test_a_greater_error_makes_the_bound_no_lower(canary: Share, stable: Share) -> None:
    bounds = [least_increase(canary, stable, error) for error in (1e-6, 1e-3, 0.05)]
    assume(bounds[0] > 0)
    assert all(one <= other + 1e-6 for one, other in pairwise(bounds))


def test_it_beats_the_difference_of_two_bounds_where_stable_errors_are_few() -> None:
    canary, stable = Share(8, 150), Share(3, 2850)
    assert least_increase(canary, stable, 0.001) > 0.005
    assert canary.lower(0.00075) - stable.upper(0.00025) < 0.002


@pytest.mark.parametrize(("canary", "stable"), [(0.006, 0.001), (0.05, 0.05), (0.5, 0.2)], ids=str)
@pytest.mark.parametrize("portion", [0.05, 0.5])
def test_it_is_ever_wrong_no_more_often_than_stated(canary: float, stable: float, portion: float) -> None:
    """60 courses of 12 looks; more than 8 with an error of 5 % come in fewer than 1 of 100 repetitions."""
    random = np.random.default_rng(11)
    wrong = 0
    for _ in range(60):
        rates = 100 * portion, 100 * (1 - portion)
        counts = [random.poisson(5 * rate, 12) for rate in rates]
        parts = [random.binomial(count, share) for count, share in zip(counts, (canary, stable), strict=True)]
        seen = [each.cumsum().tolist() for each in (*parts, *counts)]
        wrong += any(
            least_increase(Share(one, among), Share(other, of), 0.05) > canary - stable
            for one, other, among, of in zip(*seen, strict=True)
        )
    assert wrong <= 8


def test_too_few_blocks_prove_nothing() -> None:
    assert least_increase(Share(10, 10, None), Share(0, 100), 0.01) == -1
    assert most_increase(Share(0, 10, None), Share(0, 100), 0.01) == 1
