# SPDX-License-Identifier: Apache-2.0
"""Artifacts that cannot be served never become Ready, the version before goes on serving, and status says why."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression

import predictors
from tests.e2e.gateway import Service
from tests.e2e.kubernetes import poll
from tests.e2e.object_store import ROOT, publish, upload
from tests.e2e.use_cases import golden_tensors, portside

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1800)]

NAME = "iris-watched"
READY_SECONDS = 180


@pytest.fixture(scope="module")
def good(platform: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A version that serves, deployed."""
    rows, labels = load_iris(return_X_y=True, as_frame=True)
    model = LogisticRegression(max_iter=1000).fit(rows, labels)
    out = tmp_path_factory.mktemp("watched")
    artifact = predictors.pack(model, rows, name=NAME, version="1.0.0", out=out)
    publish(artifact)
    portside("deploy", NAME, "--artifact", f"{ROOT}/{NAME}/1.0.0")
    poll(READY_SECONDS, "the gateway to lead there", _service().is_answering)
    yield artifact
    portside("undeploy", NAME, "--yes")


def _tampered(artifact: Path, work: Path) -> str:
    folder = Path(shutil.copytree(artifact, work / "tampered"))
    model = folder / "golden.json"
    model.write_bytes(model.read_bytes().replace(b"0", b"1", 1))
    _upload_folder(folder, f"{NAME}/1.0.1-tampered")
    return f"{ROOT}/{NAME}/1.0.1-tampered"


def _without_model(artifact: Path, work: Path) -> str:
    folder = Path(shutil.copytree(artifact, work / "incomplete"))
    (folder / "model.skops").unlink()
    _upload_folder(folder, f"{NAME}/1.0.1-incomplete")
    return f"{ROOT}/{NAME}/1.0.1-incomplete"


def _unreadable_bucket(artifact: Path, work: Path) -> str:
    return f"s3://no-such-bucket/{NAME}/1.0.1"


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        pytest.param(_tampered, "golden.json: its SHA-256 is not the one in artifact.json", id="tampered digest"),
        pytest.param(_without_model, "model.skops", id="missing model"),
        pytest.param(_unreadable_bucket, "s3://no-such-bucket", id="unreadable bucket"),
    ],
)
def test_a_bad_version_never_becomes_ready_and_the_old_one_goes_on(
    good: Path, tmp_path: Path, make: Callable[[Path, Path], str], reason: str
) -> None:
    service = _service()
    (asked, *_) = golden_tensors(good)
    expected = service.rest(asked)
    uri = make(good, tmp_path)
    deployed = portside("deploy", NAME, "--artifact", uri, "--wait", "180", check=False)
    try:
        assert deployed.returncode == 1, deployed.stdout + deployed.stderr
        assert reason in deployed.stdout + deployed.stderr
        told = portside("status", NAME, check=False)
        assert told.returncode == 1
        reasons = [line for line in told.stdout.splitlines() if reason in line]
        assert len(reasons) == 1, told.stdout
        answer = service.rest(asked)
        assert {name: values.tolist() for name, values in answer.items()} == {
            name: values.tolist() for name, values in expected.items()
        }
    finally:
        portside("deploy", NAME, "--artifact", f"{ROOT}/{NAME}/1.0.0")


def _upload_folder(folder: Path, key: str) -> None:
    for path in sorted(folder.iterdir()):
        upload(path, f"{key}/{path.name}")


def _service() -> Service:
    return Service(NAME, f"{NAME}.localhost")
