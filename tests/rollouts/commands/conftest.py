# SPDX-License-Identifier: Apache-2.0
"""``portside`` against an API server of the test's own: in this process, or in one of its own where it is followed."""

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import pytest

import portside as command_line
from tests.cluster.kubernetes_server import Kubernetes
from tests.rollouts.commands.cluster_with_rollouts import cluster_with_rollouts


@dataclass(frozen=True, slots=True)
class Ended:
    stdout: str
    stderr: str


class Portside(Protocol):
    """Runs a command, which must end with an exit code."""

    def __call__(self, *words: str, code: int = 0) -> Ended: ...


@pytest.fixture
def cluster() -> Iterator[Kubernetes]:
    with cluster_with_rollouts() as state:
        yield state


@pytest.fixture
def portside(
    cluster: Kubernetes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Portside:
    """Return what runs a command in this process, from its words to its exit code."""
    kubeconfig = str(cluster.kubeconfig(tmp_path / "kubeconfig"))
    monkeypatch.setenv("KUBECONFIG", kubeconfig)
    # The client keeps where it once looked.
    monkeypatch.setattr("kubernetes.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", kubeconfig)
    monkeypatch.chdir(tmp_path)

    def run(*words: str, code: int = 0) -> Ended:
        monkeypatch.setattr(sys, "argv", ["portside", *words])
        with pytest.raises(SystemExit) as ended:
            command_line.main()
        told = Ended(*capsys.readouterr())
        assert (ended.value.code or 0) == code, told
        return told

    return run


@pytest.fixture
def portside_process(cluster: Kubernetes, tmp_path: Path) -> Portside:
    """Return what runs a command as a process, whose log goes to its standard error."""
    environ = {**os.environ, "KUBECONFIG": str(cluster.kubeconfig(tmp_path / "kubeconfig"))}

    def run(*words: str, code: int = 0) -> Ended:
        command = [sys.executable, "-m", "portside", *words]
        ended = subprocess.run(command, capture_output=True, text=True, timeout=60, env=environ, cwd=tmp_path)
        assert ended.returncode == code, ended.stdout + ended.stderr
        assert "Traceback" not in ended.stderr
        return Ended(ended.stdout, ended.stderr)

    return run
