# SPDX-License-Identifier: Apache-2.0
"""The design effect, where it is known."""

import numpy as np
import pytest
from numpy.typing import NDArray

from loadtests.judging.design_effect import design_effect

ERROR = 0.025


def counts(*values: int) -> NDArray[np.int64]:
    return np.array(values, np.int64)


def test_it_is_1_where_nothing_or_everything_is_bad() -> None:
    requests = counts(*[100] * 20)
    for bad in (requests * 0, requests):
        effect = design_effect(bad, requests, ERROR)
        assert (effect.plain, effect.lower, effect.upper) == (1, 1, 1)


def test_independent_requests_have_one_near_1() -> None:
    random = np.random.default_rng(1)
    requests = random.poisson(100, 600)
    effect = design_effect(random.binomial(requests, 0.1), requests, ERROR)
    assert 1 <= effect.plain < 1.6
    assert effect.plain <= effect.lower < 2.5


def test_requests_that_are_alike_within_a_second_count_as_one() -> None:
    random = np.random.default_rng(2)
    bad = 50 * random.integers(0, 2, 2000)
    assert design_effect(bad, counts(*[50] * 2000), ERROR).plain == pytest.approx(50, rel=0.25)


def test_requests_that_are_alike_for_many_seconds_count_as_one() -> None:
    random = np.random.default_rng(3)
    bad = 50 * np.repeat(random.integers(0, 2, 300), 10)
    # Each ten seconds are one event of 500 requests; blocks of a second would tell 50. Rather too many than too few.
    assert 450 <= design_effect(bad, counts(*[50] * 3000), ERROR).plain <= 1000


def test_seconds_with_more_requests_are_no_sign_of_correlation() -> None:
    """A tenth of the requests of every second are bad, however many there are: the ratio varies less than by chance."""
    requests = counts(*[10, 1000, 500, 50] * 10)
    assert design_effect(requests // 10, requests, ERROR).plain == 1


def test_seconds_without_requests_say_nothing() -> None:
    requests = counts(*[100, 0] * 30)
    bad = counts(*[10, 0] * 30)
    assert design_effect(bad, requests, ERROR).plain == 1


def test_a_run_of_one_second_is_one_event() -> None:
    effect = design_effect(counts(5), counts(100), ERROR)
    assert (effect.plain, effect.lower, effect.upper) == (100, 100, 100)


def test_the_fewer_bad_moments_the_greater_the_margin_of_an_upper_bound() -> None:
    requests = counts(*[100] * 200)
    margins = []
    for moments in (40, 4, 1):
        bad = requests * 0
        bad[:: 200 // moments][:moments] = 50
        effect = design_effect(bad, requests, ERROR)
        assert effect.upper >= effect.lower >= effect.plain
        margins.append(effect.upper / effect.plain)
    assert margins == sorted(margins)
    assert margins[0] < 1.2
    # Student's t with four degrees of freedom, against the normal: (2.776 / 1.960)^2.
    assert margins[-1] == pytest.approx(2.006, abs=0.01)
