# SPDX-License-Identifier: Apache-2.0
"""Each use case from training to a served answer: serving says bit for bit what the trained model says in Python."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipelines.use_cases import TrainedModel
from predictors import open_artifact
from predictors.golden import request_document
from predictors.model_inputs import disassemble
from tests.predictors.servers import RunningServer, serving
from tests.trained_models import pack_trained

ROWS = 200


@pytest.fixture(scope="module")
def use_cases(
    trained_spam: TrainedModel, trained_maintenance: TrainedModel, trained_recommender: TrainedModel
) -> dict[str, TrainedModel]:
    return {"spam": trained_spam, "maintenance": trained_maintenance, "recommender": trained_recommender}


@pytest.fixture(scope="module")
def folders(use_cases: dict[str, TrainedModel], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    out = tmp_path_factory.mktemp("models")
    return {name: pack_trained(trained, name, out) for name, trained in use_cases.items()}


@pytest.fixture(scope="module")
def server(folders: dict[str, Path]) -> Iterator[RunningServer]:
    with serving(*folders.values()) as running:
        yield running


def ask(server: RunningServer, folders: dict[str, Path], name: str, trained: TrainedModel) -> dict[str, Any]:
    """Return the served outputs, as lists, for the sample's first rows."""
    manifest = open_artifact(folders[name]).manifest
    specs = tuple(spec for spec in manifest.signature.inputs if spec.default is None)
    rows = disassemble(trained.sample.head(ROWS), specs)
    answer = server.infer(name, request_document(rows, specs))
    return {output["name"]: output["data"] for output in answer["outputs"]}


def test_the_spam_filter_says_what_its_pipeline_says(
    server: RunningServer, folders: dict[str, Path], use_cases: dict[str, TrainedModel]
) -> None:
    trained = use_cases["spam"]
    texts = trained.sample["text"].head(ROWS)
    got = ask(server, folders, "spam", trained)
    place = list(trained.model.classes_).index("spam")
    assert got["label"] == trained.model.predict(texts).tolist()
    assert got["spam_probability"] == trained.model.predict_proba(texts)[:, place].tolist()


def test_maintenance_says_what_its_pipeline_says(
    server: RunningServer, folders: dict[str, Path], use_cases: dict[str, TrainedModel]
) -> None:
    trained = use_cases["maintenance"]
    rows = trained.sample.head(ROWS)
    got = ask(server, folders, "maintenance", trained)
    assert got["failure"] == trained.model.predict(rows).astype(bool).tolist()
    assert got["failure_probability"] == trained.model.predict_proba(rows)[:, 1].tolist()


def test_the_recommender_says_what_its_estimator_says(
    server: RunningServer, folders: dict[str, Path], use_cases: dict[str, TrainedModel]
) -> None:
    trained = use_cases["recommender"]
    got = ask(server, folders, "recommender", trained)
    matrix = np.asarray(trained.model.transform(trained.sample.head(ROWS)))
    best = np.sort(matrix, axis=1)[:, ::-1][:, :10]
    scores = np.array(got["scores"]).reshape(len(best), -1)
    np.testing.assert_array_equal(scores, best)


def test_a_product_type_that_does_not_exist_is_refused_by_a_sentence(
    server: RunningServer, use_cases: dict[str, TrainedModel], folders: dict[str, Path]
) -> None:
    specs = open_artifact(folders["maintenance"]).manifest.signature.inputs
    request = request_document(disassemble(use_cases["maintenance"].sample.head(1), specs), specs)
    request["inputs"][0]["data"] = ["X"]
    status, answer = server.post("/v2/models/maintenance/infer", request)
    assert (status, answer["error"]) == (400, 'product_type must be one of H, L, M; row 0 has "X"')


def test_an_unknown_user_gets_the_popular_items_and_a_flag(server: RunningServer) -> None:
    users = {"name": "user_id", "datatype": "INT64", "shape": [2], "data": [1, 10**9]}
    items = {"name": "k", "datatype": "INT64", "shape": [1], "data": [3]}
    answer = server.infer("recommender", {"inputs": [users, items]})
    got = {output["name"]: output for output in answer["outputs"]}
    assert got["item_ids"]["shape"] == [2, 3]
    assert got["known_user"]["data"] == [True, False]
    alone = server.infer("recommender", {"inputs": [users]})
    assert alone["outputs"][0]["shape"] == [2, 10]
