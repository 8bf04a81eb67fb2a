# SPDX-License-Identifier: Apache-2.0
"""Artifacts of one small model, and the two kinds of places that a registry lives in."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

import pytest
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression

from pipelines.registry import Registry, open_registry
from predictors import pack
from tests.pipelines.registry.s3_server import Store, s3_server

X, Y = load_iris(return_X_y=True)
KEYS = {"AWS_ACCESS_KEY_ID": "access", "AWS_SECRET_ACCESS_KEY": "secret"}
#: Of a machine that has its own: none of them may reach these tests, nor may the tests reach a real bucket or cluster.
NOT_SET = ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL_S3", "KUBECONFIG", "PORTSIDE_REGISTRY")


class Packed(Protocol):
    """Packs the model once more, with another regularization or other words for ``pack``."""

    def __call__(self, out: Path, *, regularization: float = 1.0, version: str = "1.0.0", **words: Any) -> Path: ...


def _packed(out: Path, *, regularization: float = 1.0, version: str = "1.0.0", **words: Any) -> Path:
    model = LogisticRegression(max_iter=500, C=regularization).fit(X, Y)
    return pack(model, X, name="iris", version=version, out=out, onnx=False, **words)


@pytest.fixture(scope="session")
def packed() -> Packed:
    return _packed


@pytest.fixture(scope="session")
def artifact(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _packed(tmp_path_factory.mktemp("one"))


@pytest.fixture(scope="session")
def other(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Another artifact of the same name and version."""
    return _packed(tmp_path_factory.mktemp("other"), regularization=0.1)


@pytest.fixture(scope="session")
def versions(tmp_path_factory: pytest.TempPathFactory, artifact: Path) -> list[Path]:
    """The artifact, and versions 1.2.0 and 1.10.0 of the model."""
    out = tmp_path_factory.mktemp("versions")
    told: dict[str, Any] = {
        "metrics": {"accuracy": 0.98, "rows": 150},
        "lineage": {"data_digest": "sha256:" + "ab" * 32, "seed": 7},
    }
    return [artifact, *(_packed(out, version=version, **told) for version in ("1.2.0", "1.10.0"))]


@pytest.fixture(scope="session")
def server() -> Iterator[Store]:
    with s3_server(KEYS) as running:
        yield running


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in NOT_SET:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))


@pytest.fixture
def store(server: Store, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    """An empty bucket, and an environment in which it is found."""
    for name, value in {**KEYS, "AWS_ENDPOINT_URL": server.url}.items():
        monkeypatch.setenv(name, value)
    with server.bucket():
        yield server


@pytest.fixture(params=["folder", "bucket"])
def root(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty registry's root, in each kind of place."""
    if request.param == "folder":
        return str(tmp_path / "registry")
    request.getfixturevalue("store")
    return "s3://models/team"


@pytest.fixture
def filled(tmp_path: Path, versions: list[Path]) -> Registry:
    """A folder with versions 1.0.0, 1.2.0 and 1.10.0 of iris."""
    return _filled(str(tmp_path / "registry"), versions)


@pytest.fixture
def filled_anywhere(root: str, versions: list[Path]) -> Registry:
    """The same versions, in each kind of place."""
    return _filled(root, versions)


@pytest.fixture
def filled_bucket(store: Store, versions: list[Path]) -> Registry:
    """The same versions, in a part of a bucket."""
    return _filled("s3://models/team", versions)


def _filled(root: str, versions: list[Path]) -> Registry:
    found = open_registry(root)
    for folder in versions:
        found.publish(folder)
    return found
