# SPDX-License-Identifier: Apache-2.0
import re

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.errors import PipelineError
from pipelines.use_cases import TrainedModel, spam
from pipelines.use_cases.operating_point import scores_of
from pipelines.use_cases.use_case import Parts


def test_the_collection_has_4862_messages(messages: pd.DataFrame) -> None:
    assert messages["label"].value_counts().to_dict() == {"ham": 4_220, "spam": 642}
    assert all(isinstance(text, str) for text in messages["text"])
    assert messages["text"].str.strip().ne("").all()


def test_quotes_and_entities_of_the_file_are_resolved(messages: pd.DataFrame) -> None:
    texts = messages["text"]

    assert texts.str.startswith('Superb Thought- "Be grateful that').any()
    assert not texts.str.contains('""').any()
    assert not texts.str.contains("&(?:lt|gt|amp);").any()
    assert texts.str.contains("<#>").sum() > 100
    assert texts.str.contains("£").sum() > 200


def test_the_parts_hold_every_message_once(messages: pd.DataFrame, message_parts: Parts) -> None:
    together = pd.concat(message_parts)

    assert together.index.is_unique
    assert together.sort_index().equals(messages)
    assert [len(part) / len(messages) for part in message_parts] == pytest.approx([0.6, 0.2, 0.2], abs=0.01)
    assert [(part["label"] == "spam").mean() for part in message_parts] == pytest.approx([0.132] * 3, abs=0.01)


def test_messages_that_differ_in_digits_case_or_marks_are_in_one_part(message_parts: Parts) -> None:
    gists = [
        {re.sub(r"\d+", "0", re.sub(r"\W+", " ", text.casefold())).strip() for text in part["text"]}
        for part in message_parts
    ]

    assert sum(map(len, gists)) == len(set.union(*gists)) == 4_481


def test_other_seeds_split_otherwise(messages: pd.DataFrame, message_parts: Parts) -> None:
    assert not spam.split(messages, seed=1).test.index.equals(message_parts.test.index)


def test_the_threshold_is_the_lowest_that_keeps_validation_ham_in_limit(
    trained_spam: TrainedModel, message_parts: Parts
) -> None:
    scores = scores_of(trained_spam.model, message_parts.validation["text"].to_numpy(object), "spam")
    is_ham = (message_parts.validation["label"] == "ham").to_numpy()
    threshold = trained_spam.metrics["threshold"]
    next_lower = scores[scores < threshold].max()

    assert (scores[is_ham] >= threshold).mean() <= 0.002
    assert (scores[is_ham] >= next_lower).mean() > 0.002
    assert trained_spam.metrics["validation_false_positive_rate"] == (scores[is_ham] >= threshold).mean()


def test_the_model_itself_applies_the_threshold(trained_spam: TrainedModel, message_parts: Parts) -> None:
    texts = message_parts.test["text"].to_numpy(object)
    scores = scores_of(trained_spam.model, texts, "spam")
    labels = trained_spam.model.predict(texts)

    assert trained_spam.model.classes_.tolist() == ["ham", "spam"]
    assert np.array_equal(labels == "spam", scores >= trained_spam.metrics["threshold"])
    assert not np.array_equal(labels == "spam", scores >= 0.5)


def test_the_report_is_of_the_untouched_test_messages(trained_spam: TrainedModel, message_parts: Parts) -> None:
    reported = spam.metrics(spam.outcomes(trained_spam.model, message_parts.test))

    assert {name: trained_spam.metrics[name] for name in reported} == reported
    assert (reported["ham"], reported["spam"]) == (844, 128)
    assert set(trained_spam.sample["text"]).isdisjoint(message_parts.test["text"])
    assert trained_spam.sample["text"].tolist() == message_parts.train["text"].tolist()


def test_the_regularisation_that_was_chosen_is_the_model_s_and_in_its_lineage(trained_spam: TrainedModel) -> None:
    assert trained_spam.lineage["hyperparameters"] == "C=10"
    assert trained_spam.model[-1].estimator.estimator.C == 10


def test_messages_without_spam_cannot_be_searched(message_parts: Parts) -> None:
    ham = message_parts.train[message_parts.train["label"] == "ham"].head(50)

    with pytest.raises(PipelineError, match="every fold needs rows of both labels"):
        spam.search(ham, seed=0)


def test_slices_part_the_messages_by_length_and_by_digits(trained_spam: TrainedModel, message_parts: Parts) -> None:
    outcomes = spam.outcomes(trained_spam.model, message_parts.test)
    texts = message_parts.test["text"]
    slices = spam.slices(outcomes)

    assert (outcomes.index == texts.index).all()
    assert np.array_equal(slices["with digits"], texts.str.contains(r"\d"))
    assert np.array_equal(slices["characters>100"], texts.str.len() > 100)
    assert (slices["with digits"] ^ slices["without digits"]).all()
    assert (slices["characters>100"] ^ slices["characters<=100"]).all()


def test_spam_is_found_and_ham_let_through(trained_spam: TrainedModel) -> None:
    assert trained_spam.metrics["recall"] > 0.9
    assert trained_spam.metrics["precision"] > 0.97
    assert trained_spam.metrics["false_positive_rate"] < 0.005
    assert trained_spam.metrics["average_precision"] > 0.98


@settings(deadline=None, max_examples=50)
@given(st.lists(st.text(max_size=200), min_size=1, max_size=8))
def test_a_text_scores_the_same_to_the_last_bit_alone_and_among_others(
    trained_spam: TrainedModel, texts: list[str]
) -> None:
    together = trained_spam.model.predict_proba(np.array(texts, dtype=object))
    alone = [trained_spam.model.predict_proba(np.array([text], dtype=object))[0] for text in texts]

    assert np.array_equal(together, np.array(alone))
