# SPDX-License-Identifier: Apache-2.0
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from pipelines.errors import PipelineError
from pipelines.use_cases.operating_point import (
    Flags,
    false_positive_rate,
    lowest_threshold,
    precision,
    recall,
    scores_of,
    threshold_of,
    with_threshold,
)

_scored = st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=2, max_size=40)


@given(_scored, st.floats(0, 1))
def test_the_threshold_is_the_lowest_that_keeps_false_positives_in_limit(
    scored: list[tuple[float, bool]], limit: float
) -> None:
    scores, positive = np.array([score for score, _ in scored]), np.array([label for _, label in scored])
    assume(not positive.all())

    def holds(flagged: Flags) -> bool:
        return false_positive_rate(flagged, positive) <= limit

    _check_lowest(scores, holds)


@given(_scored, st.floats(0.5, 1))
def test_the_threshold_is_the_lowest_that_keeps_precision_up(scored: list[tuple[float, bool]], floor: float) -> None:
    scores, positive = np.array([score for score, _ in scored]), np.array([label for _, label in scored])

    def holds(flagged: Flags) -> bool:
        return precision(flagged, positive) >= floor

    _check_lowest(scores, holds)


def test_the_threshold_lies_halfway_between_two_scores() -> None:
    scores = np.array([0.1, 0.2, 0.6, 0.9])

    assert lowest_threshold(scores, lambda flagged: flagged.sum() <= 2) == pytest.approx(0.4)


def test_a_rule_that_never_holds_is_an_error() -> None:
    with pytest.raises(PipelineError, match="no threshold keeps the rule"):
        lowest_threshold(np.array([0.1, 0.2]), lambda _: False)


def test_rates_are_shares_of_the_right_rows() -> None:
    flagged, positive = np.array([True, True, True, False, False]), np.array([True, True, False, True, False])

    assert false_positive_rate(flagged, positive) == 1 / 2
    assert precision(flagged, positive) == 2 / 3
    assert recall(flagged, positive) == 2 / 3
    assert precision(np.zeros(5, dtype=np.bool_), positive) == 0


def test_rates_of_no_rows_are_not_numbers() -> None:
    flagged, all_positive = np.array([True, False]), np.array([True, True])

    assert np.isnan(false_positive_rate(flagged, all_positive))
    assert np.isnan(recall(flagged, ~all_positive))


@pytest.mark.parametrize(
    ("classes", "positive"), [(["ham", "spam"], "spam"), ([False, True], True), ([True, False], True)]
)
def test_the_threshold_moves_predictions_and_leaves_probabilities_alone(
    classes: list[str | bool], positive: str | bool
) -> None:
    random = np.random.default_rng(0)
    rows = random.normal(size=(200, 2))
    labels = np.array(classes)[(rows[:, 0] + random.normal(size=200) > 0).astype(int)]
    model = Pipeline([("scale", StandardScaler()), ("classifier", LogisticRegression())]).fit(rows, labels)

    fixed = with_threshold(model, 0.8, positive)
    scores = scores_of(fixed, rows, positive)

    assert np.array_equal(fixed.predict_proba(rows), model.predict_proba(rows))
    assert np.array_equal(fixed.predict(rows) == positive, scores >= 0.8)
    assert 0 < (scores >= 0.8).sum() < (scores >= 0.5).sum()
    assert (threshold_of(fixed), threshold_of(model)) == (0.8, None)


def _check_lowest(scores: np.ndarray[tuple[int], np.dtype[np.float64]], holds: Callable[[Flags], bool]) -> None:
    distinct = np.unique(scores)
    tried = [threshold for threshold in (distinct[:-1] + distinct[1:]) / 2 if holds(scores >= threshold)]
    if not tried:
        with pytest.raises(PipelineError, match="no threshold keeps the rule"):
            lowest_threshold(scores, holds)
        return
    assert lowest_threshold(scores, holds) == min(tried)
