# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.evaluation.calibration import calibration, wilson_interval

_scored = st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=60)


def test_bins_count_what_is_in_them() -> None:
    scores, truth = np.array([0.0, 0.04, 0.1, 0.55, 1.0]), np.array([False, True, False, True, True])

    found = calibration(scores, truth)

    assert [(each.low, each.high, each.rows) for each in found.bins] == [
        (0.0, 0.1, 2),
        (0.1, 0.2, 1),
        (0.5, 0.6, 1),
        (0.9, 1.0, 1),
    ]
    assert [(each.score, each.share) for each in found.bins] == [(0.02, 0.5), (0.1, 0.0), (0.55, 1.0), (1.0, 1.0)]
    assert found.expected_error == pytest.approx((2 * 0.48 + 0.1 + 0.45 + 0) / 5)
    assert found.brier_score == pytest.approx((0.0 + 0.96**2 + 0.01 + 0.45**2) / 5)
    assert found.reference == pytest.approx(0.6 * 0.4)


def test_probabilities_that_are_true_are_calibrated_and_pushed_ones_are_not() -> None:
    random = np.random.default_rng(0)
    scores = random.random(20_000)
    truth = random.random(20_000) < scores

    honest, pushed = calibration(scores, truth), calibration(scores**3, truth)

    assert honest.expected_error < 0.02
    assert pushed.expected_error > 0.2
    assert all(each.interval[0] - 0.02 < each.score < each.interval[1] + 0.02 for each in honest.bins)


@given(_scored)
def test_every_row_is_in_one_bin_and_all_figures_are_shares(scored: list[tuple[float, bool]]) -> None:
    found = calibration(np.array([score for score, _ in scored]), np.array([label for _, label in scored]))

    assert sum(each.rows for each in found.bins) == len(scored)
    assert 0 <= found.expected_error <= 1
    assert all(0 <= each.interval[0] <= each.share <= each.interval[1] <= 1 for each in found.bins)


def test_wilson_s_interval_is_the_published_one() -> None:
    # R. Newcombe, Two-sided confidence intervals for the single proportion, 1998, table I
    assert wilson_interval(81, 263) == pytest.approx((0.2553, 0.3662), abs=5e-5)
    assert wilson_interval(15, 148) == pytest.approx((0.0624, 0.1605), abs=5e-5)
    assert wilson_interval(0, 20) == pytest.approx((0.0, 0.1611), abs=5e-5)
