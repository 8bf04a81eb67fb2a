# SPDX-License-Identifier: Apache-2.0
"""`portside pipeline new`: what it writes works as it is, and it writes over nothing."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from pipelines.data.source import read_data
from pipelines.errors import PipelineError
from pipelines.evaluation.evaluation import evaluate
from pipelines.evaluation.report.page import evaluation_page
from pipelines.new_module.writing import write_module
from pipelines.pipeline_commands import pipeline
from pipelines.use_cases import UseCase, use_case
from pipelines.use_cases.training import train_on

NAME = "late_payers"


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("new") / NAME
    done = CliRunner().invoke(pipeline, ["new", NAME, "--out", str(folder)])
    assert done.exit_code == 0, done.output
    assert done.output.endswith(f"try it:  cd {folder} && portside pipeline run {NAME}\n")
    return folder


@pytest.fixture
def module(written: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[UseCase]:
    monkeypatch.syspath_prepend(written)
    yield use_case(NAME)
    sys.modules.pop(NAME)


def run(*words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", *words], cwd=cwd, capture_output=True, text=True)


def test_the_written_module_passes_the_written_tests(written: Path) -> None:
    done = run("pytest", "-q", "-W", "error", "-p", "no:cacheprovider", cwd=written)
    assert done.returncode == 0, done.stdout
    assert "7 passed" in done.stdout


def test_the_written_module_goes_all_the_way_to_its_report(module: UseCase) -> None:
    parts = module.split(read_data(module, "").frame, 0)
    trained = train_on(module, parts, 0)
    found = evaluate(module, trained.model, parts.test, 0, resamples=100)
    assert {name for name, floor in module.PLAN.floors.items() if found.metrics[name] < floor} == set()
    assert set(found.intervals) == {"average_precision", "recall", "precision"}
    assert "radius&gt;=15" in evaluation_page(found, module.PLAN.title, {})


def test_the_model_is_called_as_kubernetes_takes_it(module: UseCase) -> None:
    assert module.PLAN.name == "late-payers"
    assert module.PLAN.title == "Late payers"


@pytest.mark.parametrize("name", [NAME, "x", "a_much_longer_name_than_anybody_would_give_a_use_case"])
def test_the_written_code_is_formatted_and_without_fault(name: str, tmp_path: Path) -> None:
    write_module(name, tmp_path)
    rules = ["--select", "B,C4,D,E,F,I,N,PERF,RUF,SIM,UP", "--ignore", "D203,D213,D103"]
    checked = run("ruff", "check", "--isolated", *rules, ".", cwd=tmp_path)
    assert checked.returncode == 0, checked.stdout
    formatted = run("ruff", "format", "--isolated", "--diff", ".", cwd=tmp_path)
    assert formatted.returncode == 0, formatted.stdout


def test_the_image_holds_the_module_where_its_steps_look_for_it(written: Path) -> None:
    lines = (written / "Dockerfile").read_text().splitlines()
    assert f"COPY --chmod=644 {NAME}.py /opt/use-cases/" in lines
    assert "ENV PYTHONPATH=/opt/use-cases" in lines


def test_a_file_that_is_there_is_left_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("mine")
    with pytest.raises(PipelineError, match=r"README\.md is there already"):
        write_module("churn", tmp_path)
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"README.md": "mine"}


def test_a_second_call_leaves_what_the_first_has_written(tmp_path: Path) -> None:
    module, *_ = write_module("churn", tmp_path)
    module.write_text("changed")
    with pytest.raises(PipelineError, match=r"churn\.py is there already"):
        write_module("churn", tmp_path)
    assert module.read_text() == "changed"


def test_a_folder_of_that_name_may_be_there_but_not_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "churn").mkdir()
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(PipelineError, match=f'"churn" would hide the module of that name in {tmp_path}/churn'):
        write_module("churn", tmp_path / "other")
    assert len(write_module("churn", tmp_path / "churn")) == 4


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(PipelineError, match="file/churn: cannot be written: Not a directory"):
        write_module("churn", tmp_path / "file" / "churn")


def test_a_disk_that_is_full_in_between_leaves_nothing_in_the_way(tmp_path: Path) -> None:
    words = [sys.executable, "-m", "portside", "pipeline", "new", "churn"]
    limited = ["bash", "-c", 'ulimit -f 4; exec "$@"', "bash", *words]
    done = subprocess.run(limited, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 2, done.stderr
    assert done.stderr == "portside: churn: cannot be written: File too large\n"
    assert list((tmp_path / "churn").iterdir()) == []
    assert len(write_module("churn", tmp_path / "churn")) == 4


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        pytest.param("my-model", "cannot be the name of a module", id="hyphen"),
        pytest.param("Churn", "cannot be the name of a module", id="capital"),
        pytest.param("1st", "cannot be the name of a module", id="digit first"),
        pytest.param("../churn", "cannot be the name of a module", id="path"),
        pytest.param("churn\n", "cannot be the name of a module", id="line break"),
        pytest.param("kündigung", "cannot be the name of a module", id="not ASCII"),
        pytest.param("", "cannot be the name of a module", id="empty"),
        pytest.param("churn_", "no _ last", id="underscore last"),
        pytest.param("c" * 54, "take up to 53 small letters", id="too long"),
        pytest.param("lambda", "a word of Python's", id="keyword"),
        pytest.param("conftest", "a file of pytest's", id="pytest's own"),
        pytest.param("spam", "one of the use cases that come with Portside", id="built-in use case"),
        pytest.param("numpy", "would hide the module of that name in .*numpy", id="installed module"),
        pytest.param("json", "would hide the module of that name in .*json", id="standard library"),
        pytest.param("abc", "would hide the module of that name in Python itself", id="built in"),
        pytest.param("pipelines", "would hide the module of that name in .*pipelines", id="ours"),
    ],
)
def test_a_name_that_would_not_work_is_refused(tmp_path: Path, name: str, sentence: str) -> None:
    with pytest.raises(PipelineError, match=sentence):
        write_module(name, tmp_path / "new")
    assert list(tmp_path.iterdir()) == []


def test_a_refusal_on_the_command_line_is_one_sentence_and_exit_code_2(tmp_path: Path) -> None:
    done = run("portside", "pipeline", "new", "numpy", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith('portside: "numpy" would hide the module of that name in ')
    assert done.stderr.count("\n") == 1
