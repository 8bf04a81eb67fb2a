# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import auc, roc_auc_score

from pipelines.evaluation.curves import MOST_POINTS, curve

_scored = st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=2, max_size=40).filter(
    lambda rows: len({label for _, label in rows}) == 2
)


@given(_scored)
def test_each_point_is_what_flagging_from_its_threshold_gives(scored: list[tuple[float, bool]]) -> None:
    scores, truth = np.array([score for score, _ in scored]), np.array([label for _, label in scored])

    points = curve(scores, truth)
    flags = [scores >= point.threshold for point in points]

    assert [point.recall for point in points] == [(flagged & truth).sum() / truth.sum() for flagged in flags]
    assert [point.false_positive_rate for point in points] == [
        (flagged & ~truth).sum() / (~truth).sum() for flagged in flags
    ]
    assert [point.precision for point in points[1:]] == [
        (flagged & truth).sum() / flagged.sum() for flagged in flags[1:]
    ]
    assert (points[0].recall, points[0].false_positive_rate) == (0, 0)
    assert (points[-1].recall, points[-1].false_positive_rate) == (1, 1)
    assert auc([each.false_positive_rate for each in points], [each.recall for each in points]) == pytest.approx(
        roc_auc_score(truth, scores)
    )


def test_many_points_are_thinned_and_the_curve_stays() -> None:
    random = np.random.default_rng(0)
    truth = random.random(5_000) < 0.4
    scores = np.clip(random.normal(0.4 + 0.2 * truth, 0.2), 0, 1)

    points = curve(scores, truth)

    assert len(points) == MOST_POINTS
    assert np.isfinite([point.threshold for point in points]).all()
    assert auc([each.false_positive_rate for each in points], [each.recall for each in points]) == pytest.approx(
        roc_auc_score(truth, scores), abs=0.005
    )
