# SPDX-License-Identifier: Apache-2.0
"""The steps from a model that is to be promoted to the end of the run, as Kubeflow runs them."""

import json
import threading
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from pipelines.__main__ import main
from pipelines.registry import Registry, open_registry
from pipelines.running.claims import Claims
from pipelines.training_folder import write_training
from pipelines.use_cases import TrainedModel
from predictors.artifact import open_artifact

RUN = "spam-1"
FINGERPRINT = "sha256:ab"
SUCCEEDED = {"state": "SUCCEEDED", "pipeline_job_resource_name": "job", "pipeline_task_name": "training"}
FAILED = {**SUCCEEDED, "state": "FAILED", "error": {"code": 9, "message": "a task failed"}}


@pytest.fixture(scope="module")
def training(trained_spam: TrainedModel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What train_model leaves, and beside it the evaluation."""
    folder = tmp_path_factory.mktemp("steps")
    write_training(trained_spam, folder / "model")
    (folder / "evaluation").write_text(json.dumps({"metrics": {"recall": 0.9}, "intervals": {}, "slices": {}}))
    return folder


@pytest.fixture(scope="module")
def packed(training: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Version 1.0.0, packed for an empty registry."""
    work = tmp_path_factory.mktemp("packed")
    return package(training, work / "registry", work)


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    return open_registry(str(tmp_path / "registry"))


class Listener:
    """Somebody who wants to know how runs end: takes the first notifications, then says that it is broken.

    Attributes:
        url: Where it listens.
        told: What it was told.
        takes: How many notifications it takes.
    """

    def __init__(self, takes: int) -> None:
        self.told: list[dict[str, Any]] = []
        self.takes = takes
        self.url = ""


@pytest.fixture
def listener(request: pytest.FixtureRequest) -> Iterator[Listener]:
    heard = Listener(getattr(request, "param", 1))

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            heard.told.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200 if len(heard.told) <= heard.takes else 500)
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 (the library's name)
            """Keep quiet."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    heard.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield heard
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_a_model_is_packed_with_its_evaluation_and_its_lineage(packed: Path) -> None:
    manifest = open_artifact(packed).manifest
    assert (manifest.name, manifest.version, manifest.metrics["recall"]) == ("spam", "1.0.0", 0.9)
    told = {"run": RUN, "fingerprint": FINGERPRINT, "data_digest": "sha256:cd", "seed": 0, "reason": "drift"}
    assert manifest.lineage.items() >= told.items()
    assert "champion" not in manifest.lineage
    output = json.loads((packed.parent / "output.json").read_text())["artifacts"]["artifact"]["artifacts"][0]
    assert (output["metadata"]["model"], output["metadata"]["version"]) == ("spam", "1.0.0")


def test_a_version_that_this_run_has_published_is_taken_from_the_registry(
    training: Path, packed: Path, registry: Registry, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    registry.publish(packed)
    again = package(training, Path(registry.root), tmp_path, run="spam-2")
    assert open_artifact(again).manifest == open_artifact(packed).manifest
    assert "spam 1.0.0 is published already" in capsys.readouterr().out


def test_a_version_that_another_run_has_published_is_refused(
    training: Path, packed: Path, registry: Registry, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    registry.publish(packed)
    with pytest.raises(SystemExit, match="1"):
        package(training, Path(registry.root), tmp_path, fingerprint="sha256:other")
    assert "refused: " in (told := capsys.readouterr().err)
    assert "spam/1.0.0: this version exists with another content" in told


def test_a_version_is_published_tried_and_made_champion_once(
    packed: Path, registry: Registry, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    deploy(packed, registry, tmp_path)
    assert registry.aliases("spam").champion == "1.0.0"
    assert "spam 1.0.0 serves on trial here; its golden requests are answered right" in capsys.readouterr().out
    before = registry.aliases("spam")
    deploy(packed, registry, tmp_path, run="spam-2")
    assert registry.aliases("spam") == before
    assert "nothing to do: spam 1.0.0" in capsys.readouterr().out


def test_a_wrong_option_stops_the_deployment_before_anything_is_published(
    packed: Path, registry: Registry, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="1"):
        deploy(packed, registry, tmp_path, deploy_to="kserve", options={"replicas": "many"})
    assert "refused: the option replicas=many must be" in capsys.readouterr().err
    assert registry.versions("spam") == []


def test_a_run_that_brought_a_version_in_says_so_and_gives_its_claim_back(
    packed: Path, registry: Registry, listener: Listener, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    registry.publish(packed)
    registry.tag("spam", "champion", "1.0.0")
    claims = Claims(registry.records, "spam")
    claims.take(RUN, "drift", {}, lambda claim: False)
    report(registry, tmp_path, SUCCEEDED, notify=listener.url)
    line = f"spam: run {RUN} succeeded: spam 1.0.0 is the champion now"
    assert capsys.readouterr().out.splitlines() == [line]
    record = json.loads(registry.records.read(f".runs/spam/{RUN}.json") or b"")
    told = {"run": RUN, "model": "spam", "state": "succeeded", "because": "drift", "step": "", "reason": ""}
    assert record == {**told, "champion": "1.0.0", "version": "1.0.0", "ended": record["ended"]}
    assert listener.told == [record]
    assert claims.current() is None


def test_a_run_that_brought_nothing_in_leaves_another_runs_claim(
    packed: Path, registry: Registry, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    registry.publish(packed)
    registry.tag("spam", "champion", "1.0.0")
    claims = Claims(registry.records, "spam")
    claim = claims.take("spam-3", "drift", {}, lambda claim: False)
    report(registry, tmp_path, SUCCEEDED, run="spam-2")
    assert "spam: run spam-2 succeeded: spam 1.0.0 stays the champion" in capsys.readouterr().out
    assert "version" not in json.loads(registry.records.read(".runs/spam/spam-2.json") or b"")
    assert claims.current() == claim


def test_a_failed_run_names_the_step_and_the_cause(
    packed: Path, registry: Registry, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="1"):
        deploy(packed, registry, tmp_path, deploy_to="moon")
    report(registry, tmp_path, FAILED)
    cause = "moon: versions are deployed to local, kserve or vertex"
    line = f"spam: run {RUN} failed at deploy_model: {cause}; there is no champion"
    assert line in capsys.readouterr().out
    record = json.loads(registry.records.read(f".runs/spam/{RUN}.json") or b"")
    assert (record["state"], record["step"], record["reason"]) == ("failed", "deploy_model", cause)


def test_a_run_that_failed_without_a_word_is_told_in_kubeflows(
    registry: Registry, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report(registry, tmp_path, FAILED)
    assert f"spam: run {RUN} failed: a task failed; there is no champion" in capsys.readouterr().out


@pytest.mark.parametrize("listener", [0], indirect=True)
def test_a_listener_that_cannot_be_told_fails_nothing(
    registry: Registry, listener: Listener, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report(registry, tmp_path, SUCCEEDED, notify=listener.url)
    assert "notification: 127.0.0.1 was not told: HTTP Error 500" in capsys.readouterr().out
    assert registry.records.read(f".runs/spam/{RUN}.json") is not None


def package(
    training: Path, root: Path, work: Path, *, run: str = RUN, fingerprint: str = FINGERPRINT, champion: str = ""
) -> Path:
    """Run package_model and return the artifact's folder."""
    parameters = {"version": "1.0.0", "champion": champion, "data": "", "data_digest": "sha256:cd"}
    parameters |= {"fingerprint": fingerprint, "reason": "drift"}
    inputs = {
        "model": _artifact("model", "system.Model", training / "model"),
        "evaluation": _artifact("evaluation", "system.Artifact", training / "evaluation"),
    }
    outputs = {"artifact": _artifact("artifact", "system.Artifact", work / "artifact")}
    words = {**parameters, "root": str(root), "seed": 0}
    _run("package_model", work, run=run, parameters=words, inputs=inputs, outputs=outputs)
    return work / "artifact"


def deploy(
    artifact: Path,
    registry: Registry,
    work: Path,
    *,
    run: str = RUN,
    deploy_to: str = "local",
    options: Mapping[str, str] | None = None,
) -> None:
    """Run deploy_model."""
    parameters = {"root": registry.root, "version": "1.0.0", "champion": "", "deploy_to": deploy_to}
    inputs = {"artifact": _artifact("artifact", "system.Artifact", artifact)}
    words = {**parameters, "namespace": "models", "options": dict(options or {})}
    _run("deploy_model", work, run=run, parameters=words, inputs=inputs)


def report(registry: Registry, work: Path, status: Mapping[str, Any], *, run: str = RUN, notify: str = "") -> None:
    """Run report_run."""
    words = {"root": registry.root, "status": dict(status), "because": "drift", "notify": notify}
    _run("report_run", work, run=run, parameters=words)


def _artifact(name: str, title: str, path: Path) -> dict[str, Any]:
    one = {"name": name, "type": {"schemaTitle": title, "schemaVersion": "0.0.1"}, "uri": str(path), "metadata": {}}
    return {"artifacts": [one]}


def _run(
    step: str,
    work: Path,
    *,
    run: str,
    parameters: Mapping[str, Any],
    inputs: Mapping[str, Any] | None = None,
    outputs: Mapping[str, Any] | None = None,
) -> None:
    executor_input = {
        "inputs": {"parameterValues": {"use_case": "spam", **parameters}, "artifacts": inputs or {}},
        "outputs": {"artifacts": outputs or {}, "outputFile": str(work / "output.json")},
    }
    main([step, "--run", run, "--executor_input", json.dumps(executor_input)])
