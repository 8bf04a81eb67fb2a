# SPDX-License-Identifier: Apache-2.0
"""The README's code is run as it stands there: a block that is changed or added must hold here."""

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest

import predictors
from pipelines.use_cases import TrainedModel
from tests.predictors.servers import RunningServer, serving
from tests.trained_models import pack_trained

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
IRIS = {"inputs": [{"name": "input", "datatype": "FP64", "shape": [1, 4], "data": [5.1, 3.5, 1.4, 0.2]}]}


def _blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


#: All of them: with another number of blocks these lines fail, and so does every test here.
MAKE, CURL, PACK_COMMANDS, SERVE, LOAD, PIPELINE, ON_KIND, ON_A_CLUSTER, ROLL_OUT = _blocks("bash")
TRITON_HTTP, TRITON_GRPC, PACK, SAVE = _blocks("python")
(ANSWER,) = _blocks("json")

CODE = "\n".join([*_blocks("bash"), *re.findall(r"(?<!`)`([^`\n]+)`(?!`)", README)])


def run(*words: str, cwd: Path) -> str:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        words, cwd=cwd, env={**os.environ, "PATH": path}, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def server(trained_spam: TrainedModel, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    folder = pack_trained(trained_spam, "spam", tmp_path_factory.mktemp("models"))
    with serving(folder) as running:
        yield running


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder in which everything of "Pack your own model" was run."""
    folder = tmp_path_factory.mktemp("bench")
    run(sys.executable, "-c", PACK, cwd=folder)
    run(sys.executable, "-c", SAVE, cwd=folder)
    (folder / "printed").write_text(run("bash", "-euo", "pipefail", "-c", PACK_COMMANDS, cwd=folder))
    return folder


def test_the_answer_shown_is_the_one_that_make_run_prints(server: RunningServer) -> None:
    answer = server.infer("spam", orjson.loads((ROOT / "examples/spam-request.json").read_bytes()))
    shown = orjson.loads(ANSWER)
    probabilities = answer["outputs"][1].pop("data")
    assert probabilities == pytest.approx(shown["outputs"][1].pop("data"), rel=1e-6)
    assert answer == shown


def test_curl_is_answered_spam(server: RunningServer, tmp_path: Path) -> None:
    printed = run("bash", "-c", _on_ports_of(server, CURL), cwd=tmp_path)
    assert orjson.loads(printed)["outputs"][0]["data"] == ["spam"]


def test_the_load_test_gives_a_verdict_and_a_report(server: RunningServer, tmp_path: Path) -> None:
    printed = run("bash", "-c", f"{_on_ports_of(server, LOAD.strip())} --max-lag 1000", cwd=tmp_path)
    assert printed.splitlines()[-1] == "PASS: 200 requests show that the SLO is kept"
    assert "PASS" in (tmp_path / "build/report.html").read_text()


def test_the_pipeline_ends_with_a_version_that_the_registry_lists(tmp_path: Path) -> None:
    printed = run("bash", "-euo", "pipefail", "-c", PIPELINE, cwd=tmp_path).splitlines()
    assert [line for line in printed if line.endswith(": spam 1.0.0 serves")] != []
    assert printed[-1].split()[:3] == ["spam", "1.0.0", "champion"]


@pytest.mark.parametrize("block", [pytest.param(TRITON_HTTP, id="http"), pytest.param(TRITON_GRPC, id="grpc")])
def test_tritonclient_is_answered_spam(server: RunningServer, block: str, tmp_path: Path) -> None:
    printed = run(sys.executable, "-c", _on_ports_of(server, block), cwd=tmp_path)
    assert printed == "[b'spam']\n"
    assert "print(answer.as_numpy(\"label\"))  # [b'spam']" in block


def test_what_the_python_block_packs_loads_and_answers(bench: Path) -> None:
    answer = predictors.load(bench / "models/iris/1.0.0").answer(orjson.dumps(IRIS))
    assert orjson.loads(answer.body)["outputs"][0]["data"] == [0]


def test_what_the_commands_pack_is_inspected(bench: Path) -> None:
    printed = (bench / "printed").read_text()
    assert printed.startswith("packed models/iris/1.1.0\niris 1.1.0\n")
    assert "linear (serves): " in printed


def test_what_the_commands_pack_is_served(bench: Path) -> None:
    program, verb, folder = shlex.split(SERVE)
    assert (program, verb) == ("portside", "serve")
    with serving(bench / folder) as running:
        assert running.infer("iris", IRIS)["outputs"][0]["data"] == [0]


def test_the_first_block_is_the_two_commands() -> None:
    assert [line.partition("#")[0].split() for line in MAKE.splitlines()] == [["make", "run"], ["make", "test"]]


@pytest.mark.parametrize("target", sorted(set(re.findall(r"\bmake ([a-z][a-z0-9]*)", CODE))))
def test_every_make_target_named_exists(target: str) -> None:
    run("make", "-n", target, cwd=ROOT)


@pytest.mark.parametrize("command", sorted(set(re.findall(r"\bportside ([a-z]+)", CODE))))
def test_every_command_named_exists(command: str, tmp_path: Path) -> None:
    assert run("portside", command, "--help", cwd=tmp_path).startswith(f"Usage: portside {command} ")


def _on_ports_of(server: RunningServer, block: str) -> str:
    ported = block.replace("127.0.0.1:8080", f"127.0.0.1:{server.http_port}")
    return ported.replace("127.0.0.1:8081", f"127.0.0.1:{server.grpc_port}")
