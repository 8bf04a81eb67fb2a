# SPDX-License-Identifier: Apache-2.0
"""Challengers of the spam filter against champions whose training data can, or cannot, be told any more."""

import pandas as pd
import pytest

from pipelines.evaluation.evaluation import Evaluation, evaluate
from pipelines.evaluation.judgement import Champion, judge
from pipelines.evaluation.unseen import unseen_by
from pipelines.use_cases import Parts, TrainedModel, maintenance, spam


@pytest.fixture(scope="module")
def of_spam(trained_spam: TrainedModel, message_parts: Parts) -> Evaluation:
    return evaluate(spam, trained_spam.model, message_parts.test, seed=0, resamples=50)


@pytest.fixture(scope="module")
def of_another_seed(messages: pd.DataFrame, trained_spam: TrainedModel) -> Champion:
    """The same kind of model on another split of the same messages: it has been trained on most of the test rows."""
    model = spam.fit(spam.split(messages, 1), {"C": 10.0}, 1)
    return Champion("1.0.0", model, {**trained_spam.lineage, "seed": 1})


def test_rows_that_the_champion_was_trained_on_are_left_out(
    trained_spam: TrainedModel, message_parts: Parts, of_spam: Evaluation, of_another_seed: Champion
) -> None:
    test = message_parts.test

    fair = judge(spam, trained_spam.model, test, of_spam, champion=of_another_seed, seed=0)

    assert fair.comparison is not None
    assert 150 < fair.comparison.rows < 250
    assert fair.decision.sentence.endswith(
        f"; {972 - fair.comparison.rows} test rows are left out, which the champion was trained on"
    )
    assert fair.decision.ground in {"not proven", "equal"}


def test_a_champion_of_unknown_data_is_compared_on_all_rows_and_that_is_said(
    trained_spam: TrainedModel, message_parts: Parts, of_spam: Evaluation, of_another_seed: Champion
) -> None:
    lineage = {**of_another_seed.lineage, "data_source": "nowhere/messages.csv"}
    unknown = Champion("1.0.0", of_another_seed.model, lineage)

    judgement = judge(spam, trained_spam.model, message_parts.test, of_spam, champion=unknown, seed=0)

    assert judgement.comparison is not None
    assert judgement.comparison.rows == 972
    assert "is not known, and such rows favour it" in judgement.decision.sentence


def test_a_champion_of_the_same_split_has_seen_no_test_row(
    trained_spam: TrainedModel, trained_maintenance: TrainedModel, message_parts: Parts, product_parts: Parts
) -> None:
    found = [
        unseen_by(trained_spam.lineage, spam, message_parts.test),
        unseen_by(trained_maintenance.lineage, maintenance, product_parts.test),
        unseen_by({**trained_spam.lineage, "data_digest": "sha256:other"}, spam, message_parts.test),
        unseen_by({}, spam, message_parts.test),
    ]

    assert [(unseen.seen, len(unseen.rows)) for unseen in found] == [(0, 972), (0, 2_000), (None, 972), (None, 972)]


def test_a_champion_that_was_trained_on_every_test_row_stays(
    trained_spam: TrainedModel, message_parts: Parts, of_spam: Evaluation
) -> None:
    rows = message_parts.train.head(30)

    judgement = judge(
        spam,
        trained_spam.model,
        rows,
        of_spam,
        champion=Champion("2.0.0", trained_spam.model, trained_spam.lineage),
        seed=0,
    )

    assert judgement.decision.promote is False
    assert judgement.decision.sentence == (
        "kept: there is nothing to compare on; 30 test rows are left out, which the champion was trained on"
    )
    assert judgement.to_markdown().startswith("## kept")


def test_the_first_model_is_judged_by_its_floors_alone(
    trained_spam: TrainedModel, message_parts: Parts, of_spam: Evaluation
) -> None:
    judgement = judge(spam, trained_spam.model, message_parts.test, of_spam, champion=None, seed=0)

    assert judgement.decision.ground == "first"
    assert judgement.figures() == {"promoted": 1}
    assert judgement.to_markdown() == f"## promoted\n\n{judgement.decision.sentence}\n"
