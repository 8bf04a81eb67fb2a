# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from pipelines.use_cases import TrainedModel
from predictors.errors import ArtifactError, InvalidRequestError
from predictors.item_neighbours import ItemNeighbours
from predictors.processing import processing_class
from predictors.recommender import Recommender
from predictors.signature import Signature, Tensors, TensorSpec


def _processing(model: ItemNeighbours | Pipeline) -> Recommender:
    return Recommender(
        Signature(
            inputs=(TensorSpec(name="user_id", datatype="INT64", shape=(-1,)),),
            outputs=(TensorSpec(name="output", datatype="FP64", shape=(-1, 7356)),),
        ),
        model,
    )


def _answer(model: ItemNeighbours, users: list[int], k: int = 10) -> Tensors:
    processing = _processing(model)
    inputs = {"user_id": np.array(users), "k": np.array([k])}
    outputs = {"output": model.transform(processing.preprocess(inputs)["user_id"])}
    return processing.postprocess(outputs, inputs)


def test_clients_send_user_ids_and_may_send_how_many_items_they_want(trained_recommender: TrainedModel) -> None:
    public = _processing(trained_recommender.model).signature()

    assert [(spec.name, spec.datatype, spec.shape, spec.default) for spec in public.inputs] == [
        ("user_id", "INT64", (-1,), None),
        ("k", "INT64", (1,), (10,)),
    ]
    assert [(spec.name, spec.datatype, spec.shape) for spec in public.outputs] == [
        ("item_ids", "INT64", (-1, -1)),
        ("scores", "FP64", (-1, -1)),
        ("known_user", "BOOL", (-1,)),
    ]


def test_a_user_is_offered_the_best_items_first_and_none_that_the_user_has_rated(
    trained_recommender: TrainedModel,
) -> None:
    model = trained_recommender.model
    users = trained_recommender.sample["user_id"].tolist()

    answer = _answer(model, users, k=25)

    assert answer["item_ids"].shape == answer["scores"].shape == (len(users), 25)
    assert answer["item_ids"].dtype == np.int64
    assert answer["scores"].dtype == np.float64
    assert np.isfinite(answer["scores"]).all()
    assert (np.diff(answer["scores"], axis=1) <= 0).all()
    for place, user in enumerate(model.user_ids_.tolist()):
        rated = model.item_ids_[model.history_.indices[model.history_.indptr[place] : model.history_.indptr[place + 1]]]
        assert not np.isin(answer["item_ids"][users.index(user)], rated).any()


def test_an_unknown_user_is_flagged_and_offered_the_most_rated_items(trained_recommender: TrainedModel) -> None:
    model = trained_recommender.model
    known, unknown = int(model.user_ids_[0]), 10**15
    most_rated = sorted(zip(-model.popularity_, model.item_ids_, strict=True))[:10]

    answer = _answer(model, [unknown, known])

    assert answer["known_user"].tolist() == [False, True]
    assert answer["item_ids"][0].tolist() == [item for _, item in most_rated]
    assert answer["scores"][0].tolist() == [-negative for negative, _ in most_rated]
    assert answer["item_ids"][0].tolist() != answer["item_ids"][1].tolist()


def test_equal_scores_come_by_ascending_item_id() -> None:
    ratings = pd.DataFrame({"user_id": [1, 2, 3, 4], "item_id": [30, 10, 20, 5], "rating": 3.0})

    assert _answer(ItemNeighbours().fit(ratings), [9], k=3)["item_ids"].tolist() == [[5, 10, 20]]


def test_fewer_items_than_asked_for_leave_places_without_an_item() -> None:
    ratings = pd.DataFrame({"user_id": [1, 1, 2], "item_id": [10, 20, 30], "rating": [3.0, 3.0, 3.0]})

    answer = _answer(ItemNeighbours().fit(ratings), [1, 9], k=10)

    assert answer["item_ids"].tolist() == [[30, -1, -1], [10, 20, 30]]
    assert answer["scores"].tolist() == [[1.0, 0.0, 0.0], [1.0, 1.0, 1.0]]


@settings(deadline=None, max_examples=50)
@given(users=st.lists(st.integers(0, 800), min_size=1, max_size=10), k=st.integers(1, 100))
def test_a_user_gets_the_same_answer_alone_and_among_others(
    trained_recommender: TrainedModel, users: list[int], k: int
) -> None:
    together = _answer(trained_recommender.model, users, k)
    alone = [_answer(trained_recommender.model, [user], k) for user in users]

    for name, array in together.items():
        assert np.array_equal(array, np.concatenate([answer[name] for answer in alone]))


@pytest.mark.parametrize("k", [0, -1, 101, 2**62])
def test_k_out_of_range_is_refused(trained_recommender: TrainedModel, k: int) -> None:
    with pytest.raises(InvalidRequestError) as refusal:
        _answer(trained_recommender.model, [1], k)

    assert str(refusal.value) == f"k must be from 1 to 100; it is {k}"


def test_a_pipeline_may_end_in_the_model(trained_recommender: TrainedModel) -> None:
    model = trained_recommender.model
    scores = model.transform(np.array([1]))
    inputs = {"user_id": np.array([1]), "k": np.array([5])}

    answer = _processing(Pipeline([("neighbours", model)])).postprocess({"output": scores}, inputs)

    assert np.array_equal(answer["item_ids"], _answer(model, [1], 5)["item_ids"])


def test_another_model_is_refused() -> None:
    with pytest.raises(ArtifactError, match="needs a model that is, or ends in, an ItemNeighbours"):
        _processing(Pipeline([("scale", StandardScaler())]))


def test_the_platform_knows_it_by_name_and_loads_the_estimator_for_it() -> None:
    assert processing_class("recommender") is Recommender
    assert Recommender.needs_estimator


def test_only_outputs_may_have_a_free_axis_beside_the_rows() -> None:
    free = TensorSpec(name="item_ids", datatype="INT64", shape=(-1, -1))
    rows = TensorSpec(name="user_id", datatype="INT64", shape=(-1,))

    assert Signature(inputs=(rows,), outputs=(free,)).output("item_ids") == free
    with pytest.raises(ValidationError, match="of the input item_ids only the first axis may be free"):
        Signature(inputs=(free,), outputs=(rows,))
    with pytest.raises(ValidationError, match="never below that"):
        TensorSpec(name="item_ids", datatype="INT64", shape=(-2,))
