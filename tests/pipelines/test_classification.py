# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, brier_score_loss, roc_auc_score

from pipelines.use_cases.classification import average_precision, brier_score, roc_auc

_scored = st.lists(
    st.tuples(st.one_of(st.floats(0, 1), st.sampled_from([0.0, 0.25, 0.5, 1.0])), st.booleans()), min_size=2
).filter(lambda rows: len({label for _, label in rows}) == 2)


@given(_scored)
def test_figures_are_those_of_scikit_learn_ties_included(scored: list[tuple[float, bool]]) -> None:
    scores, truth = np.array([score for score, _ in scored]), np.array([label for _, label in scored])

    assert average_precision(scores, truth) == pytest.approx(average_precision_score(truth, scores))
    assert roc_auc(scores, truth) == pytest.approx(roc_auc_score(truth, scores))
    assert brier_score(scores, truth) == pytest.approx(brier_score_loss(truth, scores))


def test_figures_of_one_label_or_no_rows_are_not_numbers() -> None:
    scores, none = np.array([0.1, 0.7]), np.array([], dtype=np.float64)
    positive = np.array([True, True])

    assert np.isnan(roc_auc(scores, positive))
    assert np.isnan(roc_auc(scores, ~positive))
    assert average_precision(scores, positive) == 1
    assert np.isnan(average_precision(scores, ~positive))
    assert np.isnan([average_precision(none, none.astype(bool)), brier_score(none, none.astype(bool))]).all()
