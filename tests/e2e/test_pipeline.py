# SPDX-License-Identifier: Apache-2.0
"""The training pipeline on a cluster: from raw data to a version that serves, run from this machine and by a Job."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from pipelines.deploying.package import Origin, package
from pipelines.training_folder import read_model
from tests.e2e.gateway import Service
from tests.e2e.kubernetes import kubectl, poll
from tests.e2e.object_store import environ
from tests.e2e.pipeline_place import PipelinePlace, pipeline_place
from tests.e2e.use_cases import portside

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1200)]

ROWS = 200
EFFECTS = {"resolve_inputs", "deploy_model", "report_run"}


@pytest.fixture(scope="module")
def place(platform: None, pipeline_image: str) -> Iterator[PipelinePlace]:
    with pipeline_place() as place:
        yield place


@pytest.fixture(scope="module")
def work(place: PipelinePlace, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The work folder after a first run, which has brought version 1.0.0 in."""
    work = tmp_path_factory.mktemp("work")
    first = run(place, work)
    assert (first["state"], first["promoted"], first["version"]) == ("succeeded", True, "1.0.0"), first
    return work


def test_a_run_ends_with_a_service_that_answers_as_the_trained_model_does(place: PipelinePlace, work: Path) -> None:
    (status,) = json.loads(portside("status", "spam", "--json", "--namespace", place.namespace.name).stdout)
    assert (status["ready"], status["version"]) == (True, "1.0.0")
    training = trained(work)
    texts = pd.read_parquet(training / "sample.parquet")["text"].head(ROWS)
    model: Any = read_model(training, ())
    service = Service("spam", place.hostname("spam"))
    poll(60, "the gateway to lead there", service.is_answering)
    for answer in (service.rest(asked(texts)), service.grpc(asked(texts))):
        np.testing.assert_array_equal(answer["label"], model.predict(texts))
        spam = list(model.classes_).index("spam")
        np.testing.assert_array_equal(answer["spam_probability"], model.predict_proba(texts)[:, spam])


def test_the_same_again_is_all_cache_and_changes_nothing(place: PipelinePlace, work: Path) -> None:
    before, champions = service_of(place), champions_of(place)
    second = run(place, work)
    assert (second["state"], second["promoted"], second["version"]) == ("succeeded", False, "1.0.0"), second
    assert {step["step"] for step in second["steps"] if step["state"] != "cached"} == EFFECTS
    assert service_of(place)["metadata"]["generation"] == before["metadata"]["generation"]
    assert champions_of(place) == champions == ["1.0.0"]


def test_a_version_that_cannot_start_leaves_the_old_one_serving(
    place: PipelinePlace, work: Path, tmp_path: Path
) -> None:
    origin = Origin("a test", "sha256:0", 0, "sha256:1", champion="1.0.0", reason="", run="by-hand")
    challenger = package(
        trained(work), name="spam", version="1.1.0", origin=origin, metrics={}, into=tmp_path / "artifact"
    )
    ended = deploy(place, challenger.folder, tmp_path, image="portside/predictor:none")
    assert ended.returncode == 1
    (refusal,) = [line for line in ended.stderr.splitlines() if line.startswith("refused: ")]
    assert "spam is put back to 1.0.0: 1.1.0 is not ready, 1.0.0 goes on serving" in refusal
    assert "image portside/predictor:none cannot be pulled" in refusal
    (status,) = json.loads(portside("status", "spam", "--json", "--namespace", place.namespace.name).stdout)
    assert (status["ready"], status["version"], status["former"]) == (True, "1.0.0", [])
    assert champions_of(place) == ["1.0.0"]


def test_a_job_under_its_own_account_trains_and_deploys(place: PipelinePlace) -> None:
    condition, log = place.run_job("train-maintenance")
    print(log)
    assert condition == "Complete", log
    (status,) = json.loads(portside("status", "maintenance", "--json", "--namespace", place.namespace.name).stdout)
    assert (status["ready"], status["version"]) == (True, "1.0.0")
    assert "maintenance 1.0.0 serves" in log.splitlines()[-1]


def test_the_webhook_listens(place: PipelinePlace) -> None:
    words = ("rollout", "status", "deployment/retrain", "--timeout=55s", "--namespace", place.namespace.name)
    assert "successfully rolled out" in kubectl(*words)


@pytest.mark.parametrize(
    ("verb", "group", "resource", "allowed"),
    [
        ("create", "serving.kserve.io", "inferenceservices", True),
        ("get", "", "secrets", False),
        ("create", "", "pods", False),
        ("create", "", "pods/exec", False),
        ("patch", "", "serviceaccounts", False),
        ("create", "rbac.authorization.k8s.io", "rolebindings", False),
    ],
)
def test_the_account_of_pipelines_may_deploy_and_little_else(
    place: PipelinePlace, verb: str, group: str, resource: str, allowed: bool
) -> None:
    name, (kind, _, part) = place.namespace.name, resource.partition("/")
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SubjectAccessReview",
        "spec": {
            "user": f"system:serviceaccount:{name}:pipeline",
            "resourceAttributes": {
                "namespace": name,
                "verb": verb,
                "group": group,
                "resource": kind,
                "subresource": part,
            },
        },
    }
    told = kubectl("create", "--filename", "-", "--output", "json", stdin=json.dumps(review))
    assert json.loads(told)["status"]["allowed"] is allowed


def run(place: PipelinePlace, work: Path) -> dict[str, Any]:
    """Run the training pipeline of the spam filter from this machine and return its result."""
    words = ("pipeline", "run", "spam", *place.options, f"--work={work}", "--json")
    result: dict[str, Any] = json.loads(portside(*words, environ=environ(), check=False).stdout)
    return result


def deploy(place: PipelinePlace, artifact: Path, work: Path, **options: str) -> subprocess.CompletedProcess[str]:
    """Run the step that deploys."""
    parameters = {
        "use_case": "spam",
        "root": place.root,
        "version": "1.1.0",
        "champion": "1.0.0",
        "deploy_to": "kserve",
        "namespace": place.namespace.name,
        "options": options,
    }
    one = {"name": "artifact", "type": {"schemaTitle": "system.Artifact"}, "uri": str(artifact), "metadata": {}}
    executor_input = {
        "inputs": {"parameterValues": parameters, "artifacts": {"artifact": {"artifacts": [one]}}},
        "outputs": {"outputFile": str(work / "output.json")},
    }
    words = ("deploy_model", "--run", "by-hand", "--executor_input", json.dumps(executor_input))
    command = [sys.executable, "-m", "pipelines", *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, env={**os.environ, **environ()})


def trained(work: Path) -> Path:
    """Return what the run's training has left."""
    (model,) = work.glob("**/train-model/**/model.joblib")
    return model.parent


def asked(texts: "pd.Series[str]") -> dict[str, Any]:
    """Return the tensors that ask about texts."""
    return {"text": texts.to_numpy(dtype=object)}


def service_of(place: PipelinePlace) -> dict[str, Any]:
    """Return the InferenceService."""
    return place.namespace.get("inferenceservice", "spam")


def champions_of(place: PipelinePlace) -> list[str]:
    """Return the versions that were made champion, oldest first."""
    told = json.loads(
        portside("models", "show", "spam", "champion", "--root", place.root, "--json", environ=environ()).stdout
    )
    return [change["version"] for change in told["history"] if change["alias"] == "champion"]
