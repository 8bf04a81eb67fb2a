# SPDX-License-Identifier: Apache-2.0
"""What the README says to do on a cluster, done."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.gateway import HTTP_PORT, Service
from tests.e2e.object_store import environ, forget
from tests.e2e.use_cases import portside
from tests.test_readme import ON_A_CLUSTER, ON_KIND, PACK_COMMANDS, SAVE

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1800)]


@pytest.fixture
def packed(platform: None, tmp_path: Path) -> Iterator[Path]:
    """The folder in which the README has packed its iris model; what is deployed from it is taken away."""
    subprocess.run([sys.executable, "-c", SAVE], cwd=tmp_path, check=True, timeout=120)
    _shell(PACK_COMMANDS, tmp_path)
    forget("iris/1.1.0")
    yield tmp_path
    portside("undeploy", "iris", "--yes")


def test_the_commands_for_any_cluster_publish_and_deploy(packed: Path) -> None:
    told = _shell(ON_A_CLUSTER.replace("s3://my-bucket", "s3://models"), packed)
    assert "published s3://models/iris/1.1.0" in told
    assert "iris 1.1.0 is ready: " in told
    assert Service("iris", "iris.localhost").is_answering()


def test_the_commands_for_kind_show_the_services_and_ask_one(services: object) -> None:
    make, status, predict = ON_KIND.splitlines()
    assert make == "make cluster"
    assert "spam" in _shell(status, Path.cwd())
    # kind maps the Gateway's node port to 8080, which the command takes unless told otherwise.
    assert '"data": ["spam", "ham"]' in _shell(f"{predict} --url http://spam.localhost:{HTTP_PORT}", Path.cwd())


def _shell(commands: str, folder: Path) -> str:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", commands],
        cwd=folder,
        env={**os.environ, **environ(), "PATH": path},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
