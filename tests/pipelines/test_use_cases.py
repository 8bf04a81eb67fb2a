# SPDX-License-Identifier: Apache-2.0
import re
import subprocess
import sys

import joblib
import numpy as np
import pytest
import skops.io
from sklearn.base import BaseEstimator

from pipelines.use_cases import NAMES, TrainedModel, UseCase, maintenance, recommender, spam, use_case

_DIGEST = re.compile(r"[0-9a-f]{64}")


@pytest.fixture(params=NAMES)
def trained(request: pytest.FixtureRequest) -> TrainedModel:
    model = request.getfixturevalue(f"trained_{request.param}")
    assert isinstance(model, TrainedModel)
    return model


def test_a_use_case_is_found_by_its_name() -> None:
    modules: dict[str, UseCase] = {"maintenance": maintenance, "recommender": recommender, "spam": spam}

    assert {name: use_case(name) for name in NAMES} == modules


def test_each_use_case_is_served_by_the_processing_of_its_name(trained: TrainedModel) -> None:
    assert trained.processing in NAMES


def test_metrics_are_plain_numbers_that_json_holds(trained: TrainedModel) -> None:
    assert {type(value) for value in trained.metrics.values()} <= {int, float}
    assert np.isfinite(list(trained.metrics.values())).all()


def test_the_lineage_names_the_data_by_digest_source_and_rows(trained: TrainedModel) -> None:
    assert _DIGEST.fullmatch(str(trained.lineage["data_digest"]))
    assert trained.lineage["data_source"]
    assert int(trained.lineage["rows"]) >= 4_000
    assert trained.lineage["seed"] == 0


def test_the_model_answers_every_row_of_its_sample(trained: TrainedModel) -> None:
    assert not trained.sample.isna().any(axis=None)
    assert len(_answers(trained.model, trained)) == len(trained.sample) > 500


def test_training_again_with_the_same_seed_gives_the_same_model_bit_for_bit(trained: TrainedModel) -> None:
    again = use_case(trained.processing).train(seed=0)

    assert joblib.hash(again.model) == joblib.hash(trained.model)
    assert np.array_equal(_answers(again.model, trained), _answers(trained.model, trained))
    assert again.metrics == trained.metrics
    assert again.lineage == trained.lineage
    assert again.sample.equals(trained.sample)


def test_skops_stores_the_model_with_types_of_sklearn_numpy_and_scipy_and_our_own_estimator(
    trained: TrainedModel,
) -> None:
    stored = skops.io.dumps(trained.model)
    untrusted = skops.io.get_untrusted_types(data=stored)
    foreign = [name for name in untrusted if not name.startswith(("sklearn.", "numpy.", "scipy."))]
    loaded = skops.io.loads(stored, trusted=untrusted)

    assert set(foreign) <= {"predictors.item_neighbours.ItemNeighbours"}
    assert np.array_equal(_answers(loaded, trained), _answers(trained.model, trained))


def test_no_part_of_the_model_starts_threads_or_processes_of_its_own(trained: TrainedModel) -> None:
    jobs = [value for name, value in trained.model.get_params(deep=True).items() if name.split("__")[-1] == "n_jobs"]

    assert set(jobs) <= {None, 1}


def test_progress_is_told_in_short_sentences() -> None:
    told: list[str] = []

    use_case("maintenance").train(seed=1, progress=told.append)

    assert told == ["growing 100 trees on 6,000 of 10,000 products"]


def test_an_unknown_use_case_is_refused_with_the_names_of_all() -> None:
    with pytest.raises(ValueError, match='no use case "fraud"; there are maintenance, recommender, spam'):
        use_case("fraud")


@pytest.mark.parametrize(
    ("statement", "absent"),
    [
        ("import pipelines.use_cases", ("pandas", "sklearn", "pipelines.use_cases.spam")),
        ("from pipelines.use_cases import spam", ("pipelines.use_cases.recommender", "kserve", "kfp", "onnxruntime")),
    ],
    ids=["the package alone", "one use case"],
)
def test_importing_brings_in_no_more_than_was_asked_for(statement: str, absent: tuple[str, ...]) -> None:
    script = f"import sys; {statement}; print([name for name in {absent!r} if name in sys.modules])"

    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"


def _answers(model: BaseEstimator, trained: TrainedModel) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    rows = trained.sample["text"].to_numpy(object) if trained.processing == "spam" else trained.sample
    answers: np.ndarray[tuple[int, ...], np.dtype[np.float64]] = (
        model.transform(rows) if trained.processing == "recommender" else model.predict_proba(rows)
    )
    return answers
