# SPDX-License-Identifier: Apache-2.0
import json
from types import ModuleType
from typing import cast

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.errors import StepError
from pipelines.evaluation.calibration import Calibration, CalibrationBin
from pipelines.evaluation.curves import CurvePoint
from pipelines.evaluation.evaluation import Confusion, Evaluation, evaluate
from pipelines.use_cases import Parts, TrainedModel, UseCase, recommender, spam
from tests.pipelines.evaluation import coin

COIN = cast(UseCase, coin)

_numbers = st.floats(allow_nan=False, allow_infinity=False)
_names = st.text(min_size=1, max_size=20)
_figures = st.dictionaries(_names, st.one_of(_numbers, st.integers(-(10**9), 10**9)), max_size=4)
_interval = st.tuples(_numbers, _numbers)
_intervals = st.dictionaries(_names, _interval, max_size=3)
_counts = st.integers(0, 10**6)
_bins = st.builds(CalibrationBin, _numbers, _numbers, _counts, _numbers, _numbers, _interval)
_calibrations = st.builds(Calibration, st.lists(_bins, max_size=3).map(tuple), _numbers, _numbers, _numbers)
_points = st.builds(CurvePoint, _numbers, _numbers, _numbers, _numbers)
_evaluations = st.builds(
    Evaluation,
    rows=_counts,
    primary=_names,
    resamples=_counts,
    metrics=_figures,
    intervals=_intervals,
    slices=st.dictionaries(_names, _figures, max_size=3),
    slice_intervals=st.dictionaries(_names, _intervals, max_size=3),
    calibration=st.none() | _calibrations,
    curve=st.lists(_points, max_size=3).map(tuple),
    confusion=st.none() | st.builds(Confusion, _counts, _counts, _counts, _counts),
)


@given(_evaluations)
def test_an_evaluation_comes_back_from_json_as_it_was(evaluation: Evaluation) -> None:
    assert Evaluation.from_json(evaluation.to_json()) == evaluation


@pytest.mark.parametrize("content", [b"", b"{}", b'{"metrics": 3}', b"[1]"])
def test_another_file_is_no_evaluation(content: bytes) -> None:
    with pytest.raises(StepError, match=r"this is not an evaluation: .*; run evaluate_model again"):
        Evaluation.from_json(content)


@pytest.fixture(scope="module")
def of_spam(trained_spam: TrainedModel, message_parts: Parts) -> Evaluation:
    return evaluate(spam, trained_spam.model, message_parts.test, seed=0)


def test_the_figures_are_those_of_training_and_lie_in_their_intervals(
    of_spam: Evaluation, trained_spam: TrainedModel
) -> None:
    shared = {name: value for name, value in of_spam.metrics.items() if name in trained_spam.metrics}

    assert shared == {name: trained_spam.metrics[name] for name in shared}
    assert {"precision", "recall", "average_precision", "false_positive_rate"} == set(of_spam.intervals)
    assert all(low <= of_spam.metrics[name] <= high for name, (low, high) in of_spam.intervals.items())
    assert (of_spam.rows, of_spam.primary) == (972, "average_precision")


def test_the_json_has_what_packaging_reads(of_spam: Evaluation) -> None:
    told = json.loads(of_spam.to_json())

    assert told["metrics"]["recall"] == of_spam.metrics["recall"]
    assert told["metrics"]["true_positives"] + told["metrics"]["false_negatives"] == 128
    assert told["intervals"]["recall"] == list(of_spam.intervals["recall"])
    assert told["slices"]["with digits"]["rows"] == of_spam.slices["with digits"]["rows"]


def test_a_classifier_has_calibration_curves_and_confusion(of_spam: Evaluation) -> None:
    assert of_spam.calibration is not None
    assert of_spam.confusion is not None
    assert sum(each.rows for each in of_spam.calibration.bins) == sum(vars(of_spam.confusion).values()) == 972
    assert of_spam.confusion.false_positives == of_spam.metrics["false_positives"]
    assert 3 < len(of_spam.curve) <= 50


def test_slices_have_intervals_where_they_have_rows_of_both_labels_enough(of_spam: Evaluation) -> None:
    assert set(of_spam.slices) == {"characters<=100", "characters>100", "without digits", "with digits"}
    assert "recall" in of_spam.slice_intervals["with digits"]
    assert "without digits" not in of_spam.slice_intervals
    assert of_spam.slices["without digits"]["rows"] > 500


def test_a_model_that_is_no_classifier_has_its_figures_alone(trained_recommender: TrainedModel) -> None:
    test = recommender.split(recommender.load()).test

    found = evaluate(recommender, trained_recommender.model, test, seed=0, resamples=200)

    assert (found.calibration, found.curve, found.confusion) == (None, (), None)
    assert {name: found.metrics[name] for name in trained_recommender.metrics} == trained_recommender.metrics
    assert "coverage" not in found.intervals
    low, high = found.intervals["lead_over_popularity"]
    assert low < 0 < found.metrics["lead_over_popularity"] < high
    assert found.slices["user=known"]["rows"] == 23
    assert Evaluation.from_json(found.to_json()) == found


def test_slices_without_rows_are_left_out_and_undefined_figures_too() -> None:
    test = coin.tosses(200, seed=0)
    test.loc[:2, "truth"] = False

    found = evaluate(COIN, coin.Guesser(), test, seed=0, resamples=50)

    assert set(found.slices) == {"first three", "rest"}
    assert "average_precision" not in found.slices["first three"]
    assert set(found.slice_intervals) == {"rest"}
    assert all(np.isfinite(list(figures.values())).all() for figures in found.slices.values())


def test_numbers_of_numpy_become_plain_ones_that_json_holds() -> None:
    found = evaluate(COIN, coin.Guesser(), coin.tosses(200, seed=0), seed=0, resamples=50)

    assert {type(value) for value in found.metrics.values()} == {float, int}
    assert "mean_score" in found.intervals
    assert Evaluation.from_json(found.to_json()) == found


def test_the_same_seed_gives_the_same_evaluation() -> None:
    test = coin.tosses(200, seed=0)
    found = [evaluate(COIN, coin.Guesser(), test, seed=seed, resamples=50).to_json() for seed in (1, 1, 2)]

    assert found[0] == found[1] != found[2]


def test_a_test_part_without_rows_or_without_a_label_is_refused() -> None:
    test = coin.tosses(50, seed=0)

    with pytest.raises(StepError, match="nothing to evaluate the model on"):
        evaluate(COIN, coin.Guesser(), test[:0], seed=0)
    with pytest.raises(StepError, match="average_precision has no value on the 50 test outcomes"):
        evaluate(COIN, coin.Guesser(), test.assign(truth=False), seed=0)


@pytest.mark.parametrize("strange", [-2.5, 1.5, float("nan")])
def test_scores_that_are_no_probabilities_are_refused(strange: float) -> None:
    class Own(ModuleType):
        PLAN, metrics, slices = coin.PLAN, staticmethod(coin.metrics), staticmethod(coin.slices)

        @staticmethod
        def outcomes(model: coin.Guesser, rows: pd.DataFrame) -> pd.DataFrame:
            found = coin.outcomes(model, rows)
            return found.assign(score=found["score"].mask(np.arange(len(found)) == 7, strange))

    with pytest.raises(StepError, match=rf"1 of 50 rows a score outside 0 to 1, such as {strange:g}; .* predict_proba"):
        evaluate(cast(UseCase, Own("own")), coin.Guesser(), coin.tosses(50, seed=0), seed=0, resamples=10)
