# SPDX-License-Identifier: Apache-2.0
import re
import subprocess
import sys
from pathlib import Path

import joblib
import numpy as np
import pytest
import skops.io
from sklearn.base import BaseEstimator

from pipelines.errors import PipelineError
from pipelines.training_folder import write_training
from pipelines.use_cases import (
    NAMES,
    TrainedModel,
    UseCase,
    imports_of,
    maintenance,
    recommender,
    spam,
    use_case,
)
from predictors.model_files.pickle_file import dump_joblib

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")

EVALUATION_PAGE = Path(__file__).parents[2] / "docs" / "pipelines-evaluation.md"

_CHOSEN: dict[str, dict[str, float | int]] = {
    "maintenance": {"max_features": 0.8, "min_samples_leaf": 5},
    "recommender": {"neighbours": 50, "shrinkage": 10.0},
    "spam": {"C": 10.0},
}


@pytest.fixture(params=NAMES)
def trained(request: pytest.FixtureRequest) -> TrainedModel:
    model = request.getfixturevalue(f"trained_{request.param}")
    assert isinstance(model, TrainedModel)
    return model


def test_a_use_case_is_found_by_its_name() -> None:
    modules: dict[str, UseCase] = {"maintenance": maintenance, "recommender": recommender, "spam": spam}

    assert {name: use_case(name) for name in modules} == modules
    assert sorted(modules) == list(NAMES)


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


def test_training_again_with_the_same_seed_writes_the_same_bytes(trained: TrainedModel, tmp_path: Path) -> None:
    module = use_case(str(trained.processing))
    parts = module.split(module.load(), 0)

    write_training(trained, tmp_path / "first")
    dump_joblib(module.fit(parts, _CHOSEN[module.PLAN.name], 0), tmp_path / "again.joblib")

    assert (tmp_path / "again.joblib").read_bytes() == (tmp_path / "first" / "model.joblib").read_bytes()
    assert module.features(parts.train).reset_index(drop=True).equals(trained.sample)


def test_the_whole_training_gives_the_same_again_and_tells_what_it_does(trained_spam: TrainedModel) -> None:
    told: list[str] = []
    again = use_case("spam").train(seed=0, progress=told.append)

    assert told == ["choosing among 3 values of C in 5 folds of 2,918 messages", "fitting on 2,918 rows with C=10"]
    assert joblib.hash(again.model) == joblib.hash(trained_spam.model)
    assert again.metrics == trained_spam.metrics
    assert again.lineage == trained_spam.lineage
    assert again.sample.equals(trained_spam.sample)


@pytest.mark.parametrize("name", NAMES)
def test_the_plan_names_metrics_and_columns_that_there_are_and_stands_in_the_documentation(
    name: str, request: pytest.FixtureRequest
) -> None:
    trained: TrainedModel = request.getfixturevalue(f"trained_{name}")
    plan = use_case(name).PLAN

    assert plan.name == name
    assert {plan.primary, *plan.floors} <= set(trained.metrics)
    assert [metric for metric, floor in plan.floors.items() if trained.metrics[metric] < floor] == []
    row = next(line for line in EVALUATION_PAGE.read_text().splitlines() if line.startswith(f"| {name} |"))
    assert f"| {plan.equal_within:g} |" in row
    assert [f"{floor:g}" for floor in plan.floors.values()] == re.findall(r"(?<![\d@.])\d[\d.]*", row.split("|")[4])
    assert plan.target is None or plan.target in use_case(name).load()
    assert len(plan.cron.split()) == 5


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


@pytest.mark.parametrize("name", ["fraud", "acme.fraud", "no/module", "", ".fraud", "fraud."])
def test_an_unknown_use_case_is_refused_with_the_names_of_all(name: str) -> None:
    with pytest.raises(PipelineError, match=f'no use case "{name}"; there are maintenance, recommender, spam'):
        use_case(name)


def test_a_module_of_ones_own_is_a_use_case(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "own_spam.py").write_text("from pipelines.use_cases.spam import *\n")
    monkeypatch.syspath_prepend(tmp_path)

    assert use_case("own_spam").PLAN is spam.PLAN
    assert (imports_of("own_spam"), imports_of("acme.spam"), imports_of("spam")) == (("own_spam",), ("acme",), ())


def test_a_module_that_lacks_something_is_told_what(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "half_done.py").write_text("from pipelines.use_cases.spam import load, schema, split, fit, features\n")
    monkeypatch.syspath_prepend(tmp_path)

    lacks = r"half_done is not a use case, it lacks PLAN \(a Plan\), search\(\), outcomes\(\), metrics\(\), slices\(\);"
    with pytest.raises(PipelineError, match=lacks):
        use_case("half_done")


def test_a_package_that_a_module_needs_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "needy.py").write_text("import no_such_package\n")
    monkeypatch.syspath_prepend(tmp_path)

    with pytest.raises(PipelineError, match="the module needy needs the package no_such_package"):
        use_case("needy")


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
