# SPDX-License-Identifier: Apache-2.0
"""The steps from data to the decision, as Kubeflow runs them, on the real messages."""

import json
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from pipelines.__main__ import main
from pipelines.evaluation.evaluation import Evaluation, evaluate
from pipelines.registry import Registry, open_registry
from pipelines.running.refusals import read_refusal
from pipelines.training_folder import write_training
from pipelines.use_cases import Parts, TrainedModel, recommender, spam
from predictors import pack

RUN = "spam-1"
TITLES = {
    "model": "system.Model",
    "metrics": "system.Metrics",
    "curves": "system.ClassificationMetrics",
    "report": "system.HTML",
    "verdict": "system.Markdown",
    "evaluation": "system.Artifact",
}


class Outputs:
    """What a step left.

    Attributes:
        folder: Where its outputs are, each by its name.
        printed: What it printed.
    """

    def __init__(self, folder: Path, printed: str) -> None:
        self.folder = folder
        self.printed = printed
        self._told = json.loads((folder / "output.json").read_bytes())

    def metadata(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = self._told["artifacts"][name]["artifacts"][0].get("metadata", {})
        return found


class Steps:
    """Runs steps of the spam filter over the parts of its messages."""

    def __init__(self, data: Path, registry: Registry, capture: pytest.CaptureFixture[str], work: Path) -> None:
        self._data, self._registry, self._capture, self._work = data, registry, capture, work
        self._runs = 0

    def train(self, seed: int = 0, use_case: str = "spam") -> Outputs:
        return self._run(
            "train_model",
            {"use_case": use_case, "seed": seed},
            {part: self._data / part for part in ("train", "validation")},
            ("model", "metrics"),
        )

    def evaluate(self, model: Path, use_case: str = "spam") -> Outputs:
        inputs = {"model": model, "test": self._data / "test"}
        outputs = ("evaluation", "metrics", "curves", "report")
        return self._run("evaluate_model", {"use_case": use_case, "seed": 0}, inputs, outputs)

    def compare(self, model: Path, evaluation: Path, champion: str) -> Outputs:
        inputs = {"model": model, "test": self._data / "test", "evaluation": evaluation}
        words = {"use_case": "spam", "champion": champion, "seed": 0}
        return self._run("compare_models", words, inputs, ("verdict", "metrics"), promote=True)

    def _run(
        self,
        step: str,
        words: dict[str, Any],
        inputs: dict[str, Path],
        outputs: tuple[str, ...],
        *,
        promote: bool = False,
    ) -> Outputs:
        self._runs += 1
        folder = self._work / f"{self._runs}-{step}"
        folder.mkdir()
        executor_input = {
            "inputs": {
                "parameterValues": {"root": self._registry.root, **words},
                "artifacts": {name: _artifact(name, path) for name, path in inputs.items()},
            },
            "outputs": {
                "artifacts": {name: _artifact(name, folder / name) for name in outputs},
                "parameters": {"promote": {"outputFile": str(folder / "promote")}} if promote else {},
                "outputFile": str(folder / "output.json"),
            },
        }
        self._capture.readouterr()
        main([step, "--run", RUN, "--executor_input", json.dumps(executor_input)])
        return Outputs(folder, self._capture.readouterr().out)


def _artifact(name: str, path: Path) -> dict[str, Any]:
    title = TITLES.get(name, "system.Dataset")
    return {"artifacts": [{"name": name, "type": {"schemaTitle": title}, "uri": str(path), "metadata": {}}]}


@pytest.fixture(scope="module")
def data(message_parts: Parts, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    for name, rows in zip(Parts._fields, message_parts, strict=True):
        rows.to_parquet(folder / name)
    return folder


@pytest.fixture(scope="module")
def published(trained_spam: TrainedModel, poor: TrainedModel, tmp_path_factory: pytest.TempPathFactory) -> Registry:
    """Version 1.0.0 is the trained filter with ballast, 2.0.0 just that filter, 3.0.0 a poor one."""
    work = tmp_path_factory.mktemp("registry")
    registry = open_registry(str(work / "models"))
    heavy = deepcopy(trained_spam.model)
    heavy[0].ballast_ = np.zeros(100_000)
    for version, model in (("1.0.0", heavy), ("2.0.0", trained_spam.model), ("3.0.0", poor.model)):
        folder = pack(
            model,
            trained_spam.sample,
            name="spam",
            version=version,
            out=work,
            tensors=trained_spam.tensors,
            processing=trained_spam.processing,
            lineage=trained_spam.lineage,
            onnx=False,
        )
        registry.publish(folder)
    return registry


@pytest.fixture(scope="module")
def poor(trained_spam: TrainedModel, message_parts: Parts) -> TrainedModel:
    """A filter that was trained on few messages."""
    few = message_parts._replace(train=message_parts.train.head(60))
    return replace(trained_spam, model=spam.fit(few, {"C": 1.0}, 0))


@pytest.fixture
def steps(data: Path, published: Registry, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Steps:
    return Steps(data, published, capsys, tmp_path)


class Challenger:
    """A model as the steps hand it on.

    Attributes:
        model: The training's folder.
        evaluation: The file of its evaluation.
    """

    def __init__(self, trained: TrainedModel, test: pd.DataFrame, folder: Path) -> None:
        self.model, self.evaluation = folder / "model", folder / "evaluation"
        write_training(trained, self.model)
        self.evaluation.write_bytes(evaluate(spam, trained.model, test, seed=0, resamples=50).to_json())


@pytest.fixture(scope="module")
def good(trained_spam: TrainedModel, message_parts: Parts, tmp_path_factory: pytest.TempPathFactory) -> Challenger:
    return Challenger(trained_spam, message_parts.test, tmp_path_factory.mktemp("good"))


@pytest.fixture(scope="module")
def worse(poor: TrainedModel, message_parts: Parts, tmp_path_factory: pytest.TempPathFactory) -> Challenger:
    return Challenger(poor, message_parts.test, tmp_path_factory.mktemp("worse"))


def test_training_writes_the_very_bytes_that_the_command_writes(
    steps: Steps, trained_spam: TrainedModel, good: Challenger
) -> None:
    trained = steps.train()

    files = {path.name: path.read_bytes() for path in (trained.folder / "model").iterdir()}
    assert set(files) == {"model.joblib", "sample.parquet", "training.json"}
    assert files["model.joblib"] == (good.model / "model.joblib").read_bytes()
    assert files["sample.parquet"] == (good.model / "sample.parquet").read_bytes()
    told = json.loads(files["training.json"])
    assert (told["lineage"]["hyperparameters"], told["lineage"]["seed"]) == ("C=10", 0)
    assert trained.metadata("metrics")["validation_recall"] == trained_spam.metrics["validation_recall"]
    assert trained.metadata("model")["framework"] == "scikit-learn"
    assert trained.printed.splitlines()[-1] == "trained on 2,918 rows: C=10"


def test_evaluation_leaves_figures_curves_and_a_page(
    steps: Steps, trained_spam: TrainedModel, good: Challenger
) -> None:
    evaluated = steps.evaluate(good.model)

    found = Evaluation.from_json((evaluated.folder / "evaluation").read_bytes())
    metrics, curves = evaluated.metadata("metrics"), evaluated.metadata("curves")
    assert found.metrics["recall"] == metrics["recall"] == trained_spam.metrics["recall"]
    assert metrics["recall_low"] < metrics["recall"] < metrics["recall_high"]
    rows = curves["confusionMatrix"]["rows"]
    assert [row["row"] for row in rows] == [[842, 2], [7, 121]]
    points = curves["confidenceMetrics"]
    assert 3 < len(points) <= 50
    assert np.isfinite([list(point.values()) for point in points]).all()
    assert (evaluated.folder / "report").read_text().startswith("<!doctype html>")
    assert evaluated.printed.startswith("average_precision 0.9860 (")


def test_a_model_that_is_no_classifier_is_trained_and_evaluated_too(
    trained_recommender: TrainedModel,
    ratings: pd.DataFrame,
    published: Registry,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    parts = recommender.split(ratings)
    parts.test.to_parquet(tmp_path / "test")
    write_training(trained_recommender, tmp_path / "model")
    (tmp_path / "work").mkdir()

    evaluated = Steps(tmp_path, published, capsys, tmp_path / "work").evaluate(tmp_path / "model", "recommender")

    assert evaluated.metadata("curves") == {}
    assert evaluated.metadata("metrics")["recall_at_10"] == trained_recommender.metrics["recall_at_10"]


def test_training_without_validation_rows_is_possible(
    ratings: pd.DataFrame, published: Registry, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    parts = recommender.split(ratings.head(12_000))
    parts.train.to_parquet(tmp_path / "train")
    parts.validation.to_parquet(tmp_path / "validation")
    (tmp_path / "work").mkdir()

    trained = Steps(tmp_path, published, capsys, tmp_path / "work").train(use_case="recommender")

    assert trained.metadata("metrics") == {}
    assert trained.metadata("model")["hyperparameters"].startswith("shrinkage=")


@pytest.mark.parametrize(
    ("challenger", "champion", "promote", "sentence"),
    [
        pytest.param("good", "", "true", "promoted: the first model reaches its floors (", id="the first"),
        pytest.param("worse", "", "false", "not promoted: the first model misses its floor: ", id="a poor first"),
        pytest.param("worse", "2.0.0", "false", "kept: the challenger is worse: average_precision ", id="a worse one"),
        pytest.param("good", "3.0.0", "true", "promoted: the challenger is better: ", id="a better one"),
        pytest.param("good", "2.0.0", "false", "kept: the challenger answers just as ", id="the champion itself"),
        pytest.param("good", "1.0.0", "true", "promoted: the challenger is equal and ", id="equal and cheaper"),
    ],
)
def test_a_challenger_is_promoted_or_not_and_the_step_says_why(
    steps: Steps, request: pytest.FixtureRequest, *, challenger: str, champion: str, promote: str, sentence: str
) -> None:
    chosen: Challenger = request.getfixturevalue(challenger)

    compared = steps.compare(chosen.model, chosen.evaluation, champion)

    assert (compared.folder / "promote").read_text() == promote
    assert compared.printed.startswith(sentence)
    assert compared.printed.strip() in (compared.folder / "verdict").read_text()
    assert compared.metadata("metrics")["promoted"] == int(promote == "true")


def test_the_verdict_tells_what_was_compared(steps: Steps, worse: Challenger) -> None:
    compared = steps.compare(worse.model, worse.evaluation, "2.0.0")

    verdict, metrics = (compared.folder / "verdict").read_text(), compared.metadata("metrics")
    assert verdict.startswith("## kept\n")
    assert "|  | challenger | champion 2.0.0 |" in verdict
    assert metrics["difference"] == metrics["challenger_average_precision"] - metrics["champion_average_precision"]
    assert metrics["difference_low"] < metrics["difference"] < metrics["difference_high"] < 0


def test_a_champion_that_is_not_there_is_refused(
    steps: Steps, good: Challenger, published: Registry, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        steps.compare(good.model, good.evaluation, "9.0.0")

    assert ended.value.code == 1
    assert "9.0.0" in capsys.readouterr().err
    refusal = read_refusal(published.root, "spam", RUN)
    assert refusal is not None
    assert refusal["step"] == "compare_models"
