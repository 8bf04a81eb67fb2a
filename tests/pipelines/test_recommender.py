# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pandas as pd
import pytest

from pipelines.use_cases import TrainedModel, recommender
from predictors.item_neighbours import ItemNeighbours


def test_the_data_have_100004_ratings(ratings: pd.DataFrame) -> None:
    assert len(ratings) == 100_004
    assert (ratings["user_id"].nunique(), ratings["item_id"].nunique()) == (671, 9_066)
    assert ratings["rating"].between(0.5, 5).all()
    assert ratings["timestamp"].is_monotonic_increasing
    assert not ratings.duplicated(["user_id", "item_id"]).any()


def test_the_split_is_one_moment_for_all_users(ratings: pd.DataFrame) -> None:
    earlier, later = recommender.split(ratings)

    assert earlier["timestamp"].max() < later["timestamp"].min()
    assert len(earlier) + len(later) == 100_004
    assert len(earlier) == pytest.approx(80_000, abs=50)


def test_the_model_beats_popularity_on_later_ratings(trained_recommender: TrainedModel) -> None:
    metrics = trained_recommender.metrics

    assert metrics["recall_at_10"] > 1.1 * metrics["popularity_recall_at_10"] > 0.15
    assert metrics["test_users"] == 23
    assert metrics["test_ratings"] > 3_000


@pytest.mark.parametrize("earlier", [0.5, 0.6, 0.7])
def test_the_model_beats_popularity_after_other_moments_too(ratings: pd.DataFrame, earlier: float) -> None:
    # Few users have ratings on both sides of a moment, so one of them might be luck.
    before, after = recommender.split(ratings, earlier)

    metrics = recommender.evaluate(recommender.fit(before), after)

    assert metrics["recall_at_10"] > 1.2 * metrics["popularity_recall_at_10"]


def test_more_is_offered_than_the_most_popular_films(trained_recommender: TrainedModel) -> None:
    films = len(trained_recommender.model.item_ids_)

    assert trained_recommender.metrics["coverage"] * films > 100


def test_the_report_is_of_ratings_that_the_model_has_not_seen(
    trained_recommender: TrainedModel, ratings: pd.DataFrame
) -> None:
    earlier, later = recommender.split(ratings)

    assert trained_recommender.model.history_.nnz == len(earlier)
    assert recommender.evaluate(trained_recommender.model, later) == trained_recommender.metrics


def test_recall_counts_what_fits_in_ten() -> None:
    # Users 1 and 2 have rated item 1 and are offered 2 and 3; user 3 has no history and is not asked.
    earlier = pd.DataFrame({"user_id": [1, 2, 8, 9, 9], "item_id": [1, 1, 2, 2, 3], "rating": 3.0})
    later = pd.DataFrame({"user_id": [1, 2, 2, 3], "item_id": [2, 3, 77, 2], "rating": 3.0})

    metrics = recommender.evaluate(ItemNeighbours().fit(earlier), later)

    assert metrics["recall_at_10"] == (1 + 1 / 2) / 2
    assert metrics["test_users"] == 2
    assert metrics["test_ratings"] == 3


def test_the_sample_has_known_and_unknown_users(trained_recommender: TrainedModel) -> None:
    sample = trained_recommender.sample
    known = trained_recommender.model.known(sample["user_id"].to_numpy())

    assert list(sample.columns) == ["user_id"]
    assert sample["user_id"].dtype == np.int64
    assert len(sample) == 671
    assert 500 < known.sum() < 600
