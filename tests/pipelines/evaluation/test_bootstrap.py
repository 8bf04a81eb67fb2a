# SPDX-License-Identifier: Apache-2.0
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from pipelines.evaluation.bootstrap import bca_interval, drawn, intervals, percentile_interval
from tests.pipelines.evaluation import coin

Floats = np.ndarray[tuple[int, ...], np.dtype[np.float64]]
Draw = Callable[[np.random.Generator], Floats]

SAMPLES = 400
RESAMPLES = 400


def _covered(draw: Draw, true_mean: float) -> tuple[float, float]:
    """Return in which shares of many samples the BCa and the percentile interval of the mean hold the true one."""
    random = np.random.default_rng(0)
    held = []
    for _ in range(SAMPLES):
        sample = draw(random)
        replicates = sample[random.integers(0, len(sample), (RESAMPLES, len(sample)))].mean(axis=1)
        left_out = (sample.sum() - sample) / (len(sample) - 1)
        found = bca_interval(float(sample.mean()), replicates, left_out), percentile_interval(replicates)
        held.append([interval is not None and interval[0] <= true_mean <= interval[1] for interval in found])
    bca, percentile = np.mean(held, axis=0).tolist()
    return bca, percentile


@pytest.mark.parametrize(
    ("draw", "true_mean"),
    [
        pytest.param(lambda random: random.normal(2, 1, 60), 2.0, id="normal"),
        pytest.param(lambda random: (random.random(300) < 0.9).astype(float), 0.9, id="a share"),
        pytest.param(lambda random: random.exponential(1.0, 60), 1.0, id="skewed"),
    ],
)
def test_intervals_of_95_percent_hold_the_true_value_about_so_often(draw: Draw, true_mean: float) -> None:
    bca, percentile = _covered(draw, true_mean)

    assert 0.91 < bca < 0.98
    assert 0.90 < percentile < 0.98


def test_the_interval_of_a_mean_is_about_two_standard_errors_each_way() -> None:
    rows = pd.DataFrame({"value": np.random.default_rng(1).normal(5, 2, 400)})

    low, high = intervals(lambda part: {"mean": float(part["value"].mean())}, rows, seed=0)["mean"]
    error = rows["value"].std() / 20

    assert low == pytest.approx(rows["value"].mean() - 1.96 * error, abs=0.15 * error)
    assert high == pytest.approx(rows["value"].mean() + 1.96 * error, abs=0.15 * error)


def test_counts_have_no_interval_nor_has_what_resampling_can_only_lower() -> None:
    outcomes = coin.outcomes(coin.Guesser(), coin.tosses(300, seed=0))

    found = intervals(coin.metrics, outcomes, seed=0)

    assert sorted(found) == ["average_precision", "precision", "recall"]


def test_what_is_often_undefined_has_no_interval() -> None:
    outcomes = coin.outcomes(coin.Guesser(), coin.tosses(300, seed=0)).assign(truth=[True, *[False] * 299])

    assert "recall" not in intervals(coin.metrics, outcomes, seed=0, resamples=200)
    assert bca_interval(float("nan"), np.ones(10), np.ones(10)) is None
    assert percentile_interval(np.array([np.nan, 1.0, 2.0])) is None


def test_a_figure_that_never_changes_has_an_interval_of_one_point() -> None:
    assert bca_interval(1.0, np.ones(100), np.ones(20)) == (1.0, 1.0)


def test_the_seed_decides_the_draws() -> None:
    outcomes = coin.outcomes(coin.Guesser(), coin.tosses(100, seed=0))

    assert intervals(coin.metrics, outcomes, 3, 100) == intervals(coin.metrics, outcomes, 3, 100)
    assert intervals(coin.metrics, outcomes, 3, 100) != intervals(coin.metrics, outcomes, 4, 100)
    assert [places.tolist() for places in drawn(5, 0, 3)] == [places.tolist() for places in drawn(5, 0, 3)]
