# SPDX-License-Identifier: Apache-2.0
import pandas as pd
import pytest

from pipelines.errors import PipelineError
from pipelines.use_cases import TrainedModel, recommender
from predictors.item_neighbours import ItemNeighbours


def test_the_data_have_100004_ratings(ratings: pd.DataFrame) -> None:
    assert len(ratings) == 100_004
    assert (ratings["user_id"].nunique(), ratings["item_id"].nunique()) == (671, 9_066)
    assert ratings["rating"].between(0.5, 5).all()
    assert ratings["timestamp"].is_monotonic_increasing
    assert not ratings.duplicated(["user_id", "item_id"]).any()


def test_the_split_is_one_moment_for_all_users(ratings: pd.DataFrame) -> None:
    earlier, validation, later = recommender.split(ratings)

    assert validation.empty
    assert list(validation.columns) == list(earlier.columns) == list(later.columns)
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
    parts = recommender.split(ratings, earlier=earlier)
    model = recommender.fit(parts, {"neighbours": 50, "shrinkage": 10.0}, seed=0)

    metrics = recommender.metrics(recommender.outcomes(model, parts.test))

    assert metrics["recall_at_10"] > 1.2 * metrics["popularity_recall_at_10"]
    assert metrics["lead_over_popularity"] == metrics["recall_at_10"] - metrics["popularity_recall_at_10"]


def test_more_is_offered_than_the_most_popular_films(trained_recommender: TrainedModel) -> None:
    films = len(trained_recommender.model.item_ids_)

    assert trained_recommender.metrics["coverage"] * films > 100


def test_the_report_is_of_ratings_that_the_model_has_not_seen(
    trained_recommender: TrainedModel, ratings: pd.DataFrame
) -> None:
    parts = recommender.split(ratings)

    assert trained_recommender.model.history_.nnz == len(parts.train)
    outcomes = recommender.outcomes(trained_recommender.model, parts.test)
    assert recommender.metrics(outcomes) == trained_recommender.metrics


def test_recall_counts_what_fits_in_ten() -> None:
    # Users 1 and 2 have rated item 1 and are offered 2 and 3; user 3 has no history and is not asked.
    earlier = pd.DataFrame({"user_id": [1, 2, 8, 9, 9], "item_id": [1, 1, 2, 2, 3], "rating": 3.0})
    later = pd.DataFrame({"user_id": [1, 2, 2, 3], "item_id": [2, 3, 77, 2], "rating": 3.0})

    outcomes = recommender.outcomes(ItemNeighbours().fit(earlier), later)
    metrics = recommender.metrics(outcomes)

    assert outcomes[["known", "wanted", "hits"]].to_dict("index") == {
        1: {"known": True, "wanted": 1, "hits": 1},
        2: {"known": True, "wanted": 2, "hits": 1},
        3: {"known": False, "wanted": 1, "hits": 1},
    }
    assert metrics["recall_at_10"] == (1 + 1 / 2) / 2
    assert metrics["recall_at_10_all_users"] == (1 + 1 / 2 + 1) / 3
    assert metrics["coverage"] == 1
    assert metrics["test_users"] == 2
    assert metrics["test_ratings"] == 3


def test_the_neighbourhood_is_chosen_after_moments_inside_the_training_ratings(
    trained_recommender: TrainedModel,
) -> None:
    assert trained_recommender.lineage["hyperparameters"] == "shrinkage=10, neighbours=50"
    assert trained_recommender.model.get_params() == {"neighbours": 50, "shrinkage": 10.0}


def test_fewer_neighbours_of_one_fit_are_those_of_another(ratings: pd.DataFrame) -> None:
    rows = ratings.head(8_000)

    fewer = recommender.with_fewer_neighbours(ItemNeighbours(40, 10.0).fit(rows), 7)
    fitted = ItemNeighbours(7, 10.0).fit(rows)

    assert fewer.get_params() == fitted.get_params()
    assert (fewer.similarity_ != fitted.similarity_).nnz == 0


def test_ratings_of_items_that_hardly_anybody_rated_cannot_be_searched() -> None:
    rows = pd.DataFrame({"user_id": range(20), "item_id": range(20), "rating": 3.0, "timestamp": range(20)})

    with pytest.raises(PipelineError, match="no item has 8 ratings"):
        recommender.search(rows, seed=0)


def test_the_sample_is_each_user_of_the_training_once(trained_recommender: TrainedModel, ratings: pd.DataFrame) -> None:
    sample = trained_recommender.sample

    assert sample.dtypes.astype(str).to_dict() == {"user_id": "int64"}
    assert sample["user_id"].tolist() == trained_recommender.model.user_ids_.tolist()
    assert 500 < len(sample) < ratings["user_id"].nunique()
