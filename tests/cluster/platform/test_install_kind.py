# SPDX-License-Identifier: Apache-2.0
"""`make cluster`, with programs in the place of kind, docker and kubectl that write down how they were called."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.cluster.platform.installation import ROOT

IMAGE = "portside/predictor:0.1.0"
ROLLOUTS_IMAGE = "portside/rollouts:0.1.0"
RECORDER = """#!/bin/bash
echo "{name} $*" >> "$CALLS"
case "{name} $*" in
  "kind get "*) echo other; echo "$CLUSTERS" ;;
  "docker info"*) exit ${{DOCKER_FAILS:-0}} ;;
  "kubectl kustomize manifests/runtimes/"*) echo "      image: {image}" ;;
  "kubectl kustomize manifests/controllers/rollouts/"*) echo "      image: {rollouts}" ;;
esac
"""


@pytest.fixture
def tools(tmp_path: Path) -> Path:
    """A folder to be PATH: what the script needs of a system, and the recorders."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in ("bash", "dirname", "grep", "sed"):
        (folder / name).symlink_to(shutil.which(name) or name)
    for name in ("kind", "docker", "kubectl", "make", "portside"):
        (folder / name).write_text(RECORDER.format(name=name, image=IMAGE, rollouts=ROLLOUTS_IMAGE))
        (folder / name).chmod(0o755)
    return folder


def make_cluster(tools: Path, *words: str, **environ: str) -> tuple["subprocess.CompletedProcess[str]", list[str]]:
    calls = tools.parent / "calls"
    calls.write_text("")
    env = {"PATH": str(tools), "CALLS": str(calls), "PORTSIDE": str(tools / "portside"), "CLUSTERS": "", **environ}
    script = [str(ROOT / "kind-cluster.sh"), *words]
    ended = subprocess.run(["bash", *script], capture_output=True, text=True, timeout=60, env=env, check=False)
    return ended, calls.read_text().splitlines()


AFTER_THE_CLUSTER = [
    "kubectl kustomize manifests/runtimes/overlays/kind",
    f"docker build --tag {IMAGE} .",
    f"kind load docker-image {IMAGE} --name portside",
    "kubectl kustomize manifests/controllers/rollouts/overlays/kind",
    f"docker build --tag {ROLLOUTS_IMAGE} --target rollouts .",
    f"kind load docker-image {ROLLOUTS_IMAGE} --name portside",
    "portside install --context kind-portside --place kind --no-services",
    "make --no-print-directory models",
    "portside install --context kind-portside --place kind --skip-controllers",
]


def test_a_cluster_is_made_gets_the_images_and_then_the_platform(tools: Path) -> None:
    ended, calls = make_cluster(tools)
    assert ended.returncode == 0, ended.stderr
    create = "kind create cluster --config kind-config.yaml --wait 120s"
    assert calls == ["docker info", "kind get clusters", create, *AFTER_THE_CLUSTER]


def test_a_cluster_that_is_there_is_not_made_again(tools: Path) -> None:
    ended, calls = make_cluster(tools, CLUSTERS="portside")
    assert ended.returncode == 0, ended.stderr
    export = "kind export kubeconfig --name portside"
    assert calls == ["docker info", "kind get clusters", export, *AFTER_THE_CLUSTER]


def test_what_is_asked_for_besides_goes_to_install(tools: Path) -> None:
    _, calls = make_cluster(tools, "--timeout", "600")
    installed = [call for call in calls if call.startswith("portside install")]
    assert [call.endswith("--timeout 600") for call in installed] == [True, True]


@pytest.mark.parametrize(
    ("missing", "told"),
    [(["kind"], "needs kind on PATH"), (["docker", "kind", "kubectl"], "needs docker kind kubectl on PATH")],
    ids=["kind", "all"],
)
def test_missing_tools_are_named_and_nothing_is_done(tools: Path, missing: list[str], told: str) -> None:
    for name in missing:
        (tools / name).unlink()
    ended, calls = make_cluster(tools)
    assert ended.returncode == 2
    assert told in ended.stderr
    assert calls == []


def test_an_engine_that_does_not_answer_is_told(tools: Path) -> None:
    ended, calls = make_cluster(tools, DOCKER_FAILS="1")
    assert ended.returncode == 2
    assert "start it first" in ended.stderr
    assert calls == ["docker info"]


def test_the_makefile_calls_the_script_and_install() -> None:
    words = ["make", "--dry-run", "--assume-old=.venv/installed", "cluster", "install", "PLACE=staging", "DOWNLOADS=d"]
    told = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True, env={**os.environ, "ARGS": ""})
    assert "./kind-cluster.sh" in told.stdout
    assert "portside install --place staging --downloads d" in told.stdout
