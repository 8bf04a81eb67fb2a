# SPDX-License-Identifier: Apache-2.0
"""The trial on this machine: the published version is served, asked, and stopped again."""

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import psutil
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from pipelines.deploying.local import LocalPlace
from pipelines.errors import StepError
from pipelines.registry import Registry, open_registry
from predictors.artifact import Artifact
from tests.pipelines.deploying import iris

T = TypeVar("T")

_SECONDS = 60
_TRIAL = """\
import sys
from pathlib import Path
from pipelines.deploying.local import LocalPlace
from pipelines.registry import open_registry
from predictors.artifact import open_artifact
LocalPlace(open_registry(sys.argv[1])).serve(open_artifact(Path(sys.argv[2])), "", None)
"""


@pytest.fixture
def registry(iris_artifact: Artifact, tmp_path: Path) -> Registry:
    registry = open_registry(str(tmp_path / "registry"))
    registry.publish(iris_artifact.folder)
    return registry


def test_a_version_that_answers_as_it_was_packed_passes_and_its_server_is_gone(
    registry: Registry, iris_artifact: Artifact
) -> None:
    before = psutil.Process().children()
    assert LocalPlace(registry).serve(iris_artifact, registry.address("iris", "1.0.0"), None) == "on trial here"
    assert [child for child in psutil.Process().children() if child not in before] == []


def test_a_version_that_answers_otherwise_is_refused(registry: Registry, tmp_path: Path) -> None:
    other = iris.pack(iris.train(tmp_path / "two", classes=2), "1.0.0", tmp_path / "other")
    with pytest.raises(StepError, match=r"iris 1\.0\.0.* is not what was packed: the golden request '.*' is answered"):
        LocalPlace(registry).serve(other, registry.address("iris", "1.0.0"), None)


def test_a_server_that_does_not_start_is_told_with_its_last_words(
    registry: Registry, iris_artifact: Artifact, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = tmp_path / "key.pem"
    public = Ed25519PrivateKey.generate().public_key()
    key.write_bytes(public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    monkeypatch.setenv("PREDICTOR_VERIFY_KEY", str(key))
    with pytest.raises(StepError, match=r"the trial server ended before it served: .*artifact.sig: missing"):
        LocalPlace(registry).serve(iris_artifact, registry.address("iris", "1.0.0"), None)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends a process with the one that started it")
def test_a_step_that_is_killed_leaves_no_server(registry: Registry, iris_artifact: Artifact) -> None:
    words = [sys.executable, "-c", _TRIAL, registry.root, str(iris_artifact.folder)]
    with subprocess.Popen(words) as step:
        (server,) = _await(lambda: psutil.Process(step.pid).children())
        # Once it is Python again, it is tied to the step.
        _await(lambda: "serve" in server.cmdline() and "-c" not in server.cmdline())
        step.kill()
    _await(lambda: not server.is_running() or server.status() == psutil.STATUS_ZOMBIE)


def _await(found: Callable[[], T]) -> T:
    """Return the first result that is true; TimeoutError when there is none in time."""
    deadline = time.monotonic() + _SECONDS
    while not (result := found()):
        if time.monotonic() > deadline:
            raise TimeoutError
        time.sleep(0.02)
    return result
