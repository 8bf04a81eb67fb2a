# SPDX-License-Identifier: Apache-2.0
import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from pipelines.use_cases import TrainedModel
from predictors.item_neighbours import ItemNeighbours, largest

_rating = st.tuples(st.integers(1, 6), st.integers(1, 8), st.sampled_from([0.5, 1.0, 2.5, 3.0, 4.0, 5.0]))
_ratings = st.lists(_rating, min_size=1, max_size=30, unique_by=lambda rating: rating[:2]).map(
    lambda rows: pd.DataFrame(rows, columns=["user_id", "item_id", "rating"])
)


@settings(deadline=None)
@given(_ratings, st.sampled_from([0.0, 0.5, 10.0]))
def test_scores_follow_the_formula(ratings: pd.DataFrame, shrinkage: float) -> None:
    users = np.arange(8)

    found = ItemNeighbours(neighbours=8, shrinkage=shrinkage).fit(ratings).transform(users)

    assert found == pytest.approx(_by_the_formula(ratings, users, shrinkage), rel=1e-9, abs=1e-12)


@settings(deadline=None)
@given(_ratings, st.integers(1, 8))
def test_each_item_keeps_its_most_similar_neighbours(ratings: pd.DataFrame, neighbours: int) -> None:
    kept = ItemNeighbours(neighbours).fit(ratings).similarity_.toarray()
    everything = ItemNeighbours(8).fit(ratings).similarity_.toarray()

    of_each_item = largest(everything.T, min(neighbours, len(everything))).T
    assert np.array_equal(kept, np.where(of_each_item, everything, 0.0))


@settings(deadline=None, max_examples=50)
@given(users=st.lists(st.integers(-3, 900), min_size=1, max_size=12))
def test_a_user_scores_the_same_to_the_last_bit_alone_and_among_others(
    trained_recommender: TrainedModel, users: list[int]
) -> None:
    together = trained_recommender.model.transform(np.array(users))
    alone = [trained_recommender.model.transform(np.array([user]))[0] for user in users]

    assert np.array_equal(together, np.array(alone))


def test_an_unknown_user_is_offered_what_is_popular() -> None:
    ratings = pd.DataFrame({"user_id": [1, 2, 3, 3], "item_id": [7, 7, 7, 9], "rating": [3.0, 4.0, 5.0, 1.0]})

    assert ItemNeighbours().fit(ratings).transform(np.array([99])).tolist() == [[1.0, 1 / 3]]


def test_rated_items_are_out_of_the_question_even_when_their_weight_is_nothing() -> None:
    # User 1 rates 3 and 5: the mean is 4, so that the 3 weighs 1 + (3 - 4) = 0.
    ratings = pd.DataFrame({"user_id": [1, 1, 2], "item_id": [7, 8, 9], "rating": [3.0, 5.0, 4.0]})

    assert np.isneginf(ItemNeighbours().fit(ratings).transform(np.array([1]))).tolist() == [[True, True, False]]


def test_an_item_keeps_no_more_neighbours_than_asked(trained_recommender: TrainedModel) -> None:
    model = trained_recommender.model
    per_item = np.bincount(model.similarity_.indices, minlength=len(model.item_ids_))

    assert per_item.max() == model.neighbours == 50
    assert model.similarity_.data.min() > 0
    assert model.similarity_.data.max() <= 1
    assert not model.similarity_.diagonal().any()


def test_users_come_as_a_frame_a_column_or_a_row_of_ids(trained_recommender: TrainedModel) -> None:
    model, ids = trained_recommender.model, np.array([1, 5, 9_999])
    expected = model.transform(ids)

    assert np.array_equal(model.transform(pd.DataFrame({"user_id": ids})), expected)
    assert np.array_equal(model.transform(ids[:, np.newaxis]), expected)
    with pytest.raises(ValueError, match=r"not in an array of shape \(1, 3\)"):
        model.transform(ids[np.newaxis])


def test_no_users_get_no_scores(trained_recommender: TrainedModel) -> None:
    model = trained_recommender.model

    assert model.transform(np.array([], dtype=np.int64)).shape == (0, len(model.item_ids_))


def test_known_says_who_has_a_history(trained_recommender: TrainedModel) -> None:
    model = trained_recommender.model

    assert model.known(np.array([int(model.user_ids_[0]), -1, 10**12])).tolist() == [True, False, False]


def test_the_order_of_the_ratings_does_not_matter_to_any_bit() -> None:
    random = np.random.default_rng(0)
    ratings = pd.DataFrame(
        {
            "user_id": random.integers(0, 40, 900),
            "item_id": random.integers(0, 60, 900),
            "rating": random.integers(1, 11, 900) / 2,
        }
    ).drop_duplicates(["user_id", "item_id"])
    users = np.arange(45)

    one = ItemNeighbours(5).fit(ratings).transform(users)
    other = ItemNeighbours(5).fit(ratings.sample(frac=1, random_state=0)).transform(users)

    assert np.array_equal(one, other)


def test_it_is_a_scikit_learn_estimator() -> None:
    model = ItemNeighbours(neighbours=7, shrinkage=3.0)

    assert clone(model).get_params() == {"neighbours": 7, "shrinkage": 3.0}
    with pytest.raises(NotFittedError):
        model.transform(np.array([1]))
    with pytest.raises(NotFittedError):
        model.known(np.array([1]))


@pytest.mark.parametrize(
    ("ratings", "sentence"),
    [
        ({"user_id": [1], "rating": [1.0]}, 'need a column "item_id"'),
        ({"user_id": [], "item_id": [], "rating": []}, "no ratings to learn from"),
        ({"user_id": [1], "item_id": [1], "rating": [np.nan]}, "not a finite number"),
        ({"user_id": [1, 1], "item_id": [1, 1], "rating": [1.0, 2.0]}, "rated an item twice"),
    ],
    ids=["a column is missing", "no rows", "no number", "rated twice"],
)
def test_ratings_that_cannot_be_learnt_from_are_refused(ratings: dict[str, list[float]], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        ItemNeighbours().fit(pd.DataFrame(ratings))


@pytest.mark.parametrize("parameters", [{"neighbours": 0}, {"shrinkage": -1.0}])
def test_parameters_out_of_range_are_refused(parameters: dict[str, float]) -> None:
    ratings = pd.DataFrame({"user_id": [1], "item_id": [1], "rating": [1.0]})

    with pytest.raises(ValueError, match="neighbours must be at least 1 and shrinkage at least 0"):
        ItemNeighbours().set_params(**parameters).fit(ratings)


@given(
    st.integers(1, 6).flatmap(
        lambda width: st.tuples(
            st.lists(
                st.lists(st.sampled_from([-np.inf, 0.0, 0.5, 1.0]), min_size=width, max_size=width),
                min_size=1,
                max_size=4,
            ),
            st.integers(1, width),
        )
    )
)
def test_the_largest_of_a_row_are_marked_and_of_equal_ones_those_further_left(
    drawn: tuple[list[list[float]], int],
) -> None:
    rows, count = drawn
    best = [sorted((-value, place) for place, value in enumerate(row))[:count] for row in rows]

    marked = largest(np.array(rows), count)

    assert [sorted(place for _, place in pairs) for pairs in best] == [np.flatnonzero(row).tolist() for row in marked]


def _by_the_formula(ratings: pd.DataFrame, users: npt.NDArray[np.int64], shrinkage: float) -> npt.NDArray[np.float64]:
    """Return what the class's docstring says, all items being neighbours, with dense matrices and loops."""
    table = ratings.pivot_table(index="user_id", columns="item_id", values="rating")
    weights = (1 + table.sub(table.mean(axis=1), axis=0)).fillna(0).to_numpy()
    rated = table.notna().to_numpy()
    items = weights.shape[1]
    similarity = np.zeros((items, items))
    for one in range(items):
        for other in range(items):
            norm = np.linalg.norm(weights[:, one]) * np.linalg.norm(weights[:, other])
            common = (rated[:, one] & rated[:, other]).sum()
            if one != other and norm and common:
                similarity[other, one] = weights[:, one] @ weights[:, other] / norm * common / (common + shrinkage)
    similarity[similarity < 0] = 0
    scores = np.tile(rated.sum(axis=0) / rated.sum(axis=0).max(), (len(users), 1))
    for row, user in enumerate(users):
        if user in table.index:
            place = table.index.get_loc(user)
            scores[row] += weights[place] @ similarity
            scores[row, rated[place]] = -np.inf
    return scores
