# SPDX-License-Identifier: Apache-2.0
"""`portside retrain`: it starts a run, or joins the one that is under way, whatever runs it."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from click.testing import CliRunner, Result

from pipelines.errors import PipelineError
from pipelines.registry import open_registry
from pipelines.retrain_commands import retrain
from pipelines.running.claims import Claims
from pipelines.running.process import this_process
from pipelines.running.retraining import Joined, Started
from pipelines.running.retraining import retrain as begin
from tests.pipelines.registry.conftest import KEYS
from tests.pipelines.registry.s3_server import Store, s3_server
from tests.pipelines.running.conftest import IMAGE, another_server
from tests.pipelines.running.fake_kfp import FakeKubeflow
from tests.pipelines.running.waiting import Waiting


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("PORTSIDE_REGISTRY", str(tmp_path / "registry"))
    return str(tmp_path / "registry")


@pytest.fixture(scope="module")
def server() -> Iterator[Store]:
    with s3_server(KEYS) as running:
        yield running


@pytest.fixture
def bucket(server: Store, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A registry that the pods of a run elsewhere can read too."""
    for name, value in {**KEYS, "AWS_ENDPOINT_URL": server.url}.items():
        monkeypatch.setenv(name, value)
    with server.bucket():
        yield "s3://models"


def run(*words: str) -> Result:
    return CliRunner().invoke(retrain, words)


def on(kubeflow: FakeKubeflow, root: str, *words: str) -> str:
    result = run("spam", "--kfp", kubeflow.url, "--root", root, *words)
    assert result.exit_code == 0, result.output + str(result.exception)
    return result.output


def claims(root: str) -> Claims:
    return Claims(open_registry(root).records, "spam")


def claim(root: str, **where: str) -> None:
    taken = claims(root).take("spam-before", "drift", where, lambda _: True)
    assert taken.mine


def test_a_run_is_started_on_kubeflow_with_its_reason_and_everything_that_was_asked(
    kubeflow: FakeKubeflow, bucket: str
) -> None:
    said = on(
        kubeflow, bucket, "--because", "drift", "--seed", "3", "--option", "replicas=1:3", "--data", "s3://in/a.csv"
    )
    (made,) = kubeflow.runs.values()
    page = f"{kubeflow.url}/#/runs/details/{made['run_id']}"
    assert said == f"started run {made['display_name']} because drift: {page}\n"
    assert made["runtime_config"]["parameters"] == {
        "use_case": "spam",
        "root": bucket,
        "data": "s3://in/a.csv",
        "seed": 3,
        "because": "drift",
        "deploy_to": "kserve",
        "namespace": "models",
        "options": {"replicas": "1:3"},
        "notify": "",
    }
    assert IMAGE in str(made["pipeline_spec"])


def test_a_second_trigger_joins_the_run_that_is_under_way(kubeflow: FakeKubeflow, bucket: str) -> None:
    on(kubeflow, bucket, "--because", "drift")
    (made,) = kubeflow.runs.values()
    since = claims(bucket).current()
    assert since is not None
    said = on(kubeflow, bucket, "--because", "new data")
    assert said == (
        f"joined run {made['display_name']}, under way since {since.since:%Y-%m-%d %H:%M:%S} UTC because drift\n"
    )
    assert len(kubeflow.runs) == 1


@pytest.mark.parametrize("state", ["SUCCEEDED", "FAILED", "CANCELED"])
def test_once_the_run_is_over_the_next_trigger_starts_another(kubeflow: FakeKubeflow, bucket: str, state: str) -> None:
    on(kubeflow, bucket, "--because", "drift")
    next(iter(kubeflow.runs.values()))["state"] = state
    assert on(kubeflow, bucket, "--because", "drift").startswith("started run ")
    assert len(kubeflow.runs) == 2


def test_a_run_that_says_itself_that_it_is_over_is_believed(kubeflow: FakeKubeflow, bucket: str) -> None:
    on(kubeflow, bucket, "--because", "drift")
    (made,) = kubeflow.runs.values()
    claims(bucket).release_run(made["display_name"])
    assert on(kubeflow, bucket, "--because", "drift").startswith("started run ")


def test_a_claimed_run_that_is_not_there_yet_is_waited_for(kubeflow: FakeKubeflow, bucket: str) -> None:
    claim(bucket, backend="kfp", url=kubeflow.url, namespace="")
    assert on(kubeflow, bucket, "--because", "drift").startswith("joined run spam-before")


def test_a_claimed_run_that_was_never_submitted_is_given_up_after_a_while(kubeflow: FakeKubeflow, bucket: str) -> None:
    long_ago = (datetime.now(UTC) - timedelta(minutes=20)).isoformat(timespec="seconds")
    where = {"backend": "kfp", "url": kubeflow.url, "namespace": ""}
    note = {"id": uuid4().hex, "since": long_ago, "run": "spam-before", "because": "drift", "where": where}
    open_registry(bucket).records.write(".claims/spam/000001.json", json.dumps(note).encode())
    assert on(kubeflow, bucket, "--because", "drift").startswith("started run ")


def test_a_refused_run_leaves_the_model_free(kubeflow: FakeKubeflow, bucket: str) -> None:
    kubeflow.unwilling = "no more runs today"
    result = run("spam", "--kfp", kubeflow.url, "--because", "drift", "--root", bucket)
    assert isinstance(result.exception, PipelineError)
    assert "no more runs today" in str(result.exception)
    assert result.output == ""
    assert claims(bucket).current() is None


def test_a_trigger_on_this_machine_joins_a_run_of_a_process_that_is_alive(root: str) -> None:
    claim(root, backend="local", **this_process())
    result = run("spam", "--because", "drift")
    assert result.exit_code == 0
    assert result.output.startswith("joined run spam-before, under way since ")


def test_a_run_of_a_process_that_has_ended_is_taken_over(root: str, tmp_path: Path) -> None:
    claim(root, backend="local", **{**this_process(), "began": "long ago"})
    (tmp_path / "go").touch()
    started = begin("spam", "drift", Waiting(root, tmp_path))
    assert isinstance(started, Started)
    lines: list[str] = []
    assert started.carry_out(lines.append).sentence == f"{started.run}: done"
    assert lines == ["waiting"]
    assert claims(root).current() is None


def test_a_run_of_a_process_whose_end_nobody_has_asked_for_yet_is_taken_over(root: str, tmp_path: Path) -> None:
    program = "import json; from pipelines.running.process import this_process; print(json.dumps(this_process()))"
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as ended:
        assert ended.stdout is not None
        claim(root, backend="local", **json.loads(ended.stdout.read()))
        os.waitid(os.P_PID, ended.pid, os.WEXITED | os.WNOWAIT)
        assert isinstance(begin("spam", "drift", Waiting(root, tmp_path)), Started)


def test_a_module_of_ones_own_is_found_in_the_folder_where_the_command_is_started(
    root: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "own_churn.py").touch()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [place for place in sys.path if place])
    result = run("own_churn", "--because", "drift")
    assert "own_churn" in str(result.exception)
    assert "lacks" in str(result.exception)


def test_a_run_of_another_machine_is_joined_for_nobody_here_can_see_it(root: str, tmp_path: Path) -> None:
    claim(root, backend="local", host="another", pid="1", began="1")
    assert isinstance(begin("spam", "drift", Waiting(root, tmp_path)), Joined)


def test_while_the_backend_of_a_run_does_not_answer_the_run_is_not_taken_for_over(root: str, tmp_path: Path) -> None:
    claim(root, backend="kfp", url="http://127.0.0.1:1", namespace="")
    assert isinstance(begin("spam", "drift", Waiting(root, tmp_path)), Joined)


@pytest.mark.parametrize(
    ("status", "state", "kind"),
    [
        (200, "PIPELINE_STATE_RUNNING", Joined),
        (200, "PIPELINE_STATE_SUCCEEDED", Started),
        (200, "PIPELINE_STATE_FAILED", Started),
        (200, "PIPELINE_STATE_CANCELLED", Started),
        (404, "", Joined),
        (403, "", Joined),
    ],
)
def test_vertex_ai_is_asked_for_the_job_of_a_claim(
    *, root: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, status: int, state: str, kind: type
) -> None:
    claim(root, backend="vertex", project="my-project", region="europe-west4")
    job = {"name": "projects/my-project/locations/europe-west4/pipelineJobs/spam-before", "state": state}
    refused = {"error": {"code": status, "message": "no"}}
    with another_server(status, json.dumps(job if status == 200 else refused).encode()) as url:
        monkeypatch.setenv("VERTEX_API_ENDPOINT", url)
        assert isinstance(begin("spam", "drift", Waiting(root, tmp_path)), kind)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--because", " "], "say why, as in --because drift"),
        (["--because", "x", "--kfp", "http://kfp", "--vertex"], "say where it runs: --kfp URL, or --vertex"),
        (["--because", "x", "--vertex"], "--vertex needs --project, --region, --root gs://BUCKET"),
        (["--because", "x", "--project", "p"], "--project is for runs elsewhere: add --kfp URL or --vertex"),
        (["--because", "x", "--image", "i"], "--image is for runs elsewhere: add --kfp URL or --vertex"),
        (["--because", "x", "--kfp", "http://kfp", "--deploy", "local"], "--deploy is for runs on this machine"),
        (["--because", "x", "--kfp", "http://kfp", "--root", "registry"], "registry is a folder of this machine"),
    ],
)
def test_choices_that_contradict_one_another_are_told_and_nothing_is_claimed(
    root: str, words: list[str], sentence: str
) -> None:
    result: Any = run("spam", *words)
    assert isinstance(result.exception, PipelineError)
    assert str(result.exception).startswith(sentence)
    assert not Path(root).exists()


def test_a_reason_must_be_given() -> None:
    result = run("spam")
    assert result.exit_code == 2
    assert "Missing option '--because'" in result.output
