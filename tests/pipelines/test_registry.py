# SPDX-License-Identifier: Apache-2.0
"""Publishing an artifact, through the command line, to a folder and to an S3 server."""

import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import boto3
import numpy as np
import orjson
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from moto.server import DomainDispatcherApplication, create_backend_app
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression
from werkzeug.serving import make_server

from pipelines.registry import RegistryError, open_registry
from predictors import load, open_artifact, pack

X, Y = load_iris(return_X_y=True)
BUCKET = "models"
KEYS = {"AWS_ACCESS_KEY_ID": "access", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_DEFAULT_REGION": "us-east-1"}
#: Of a machine that has its own: none of them may reach these tests, nor may the tests reach a real bucket.
NOT_SET = ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL_S3")


class Store(NamedTuple):
    """An S3 server, and a client that looks at it past the product."""

    url: str
    client: Any

    def keys(self, prefix: str = "") -> list[str]:
        found = self.client.list_objects_v2(Bucket=BUCKET, Prefix=prefix).get("Contents", [])
        return [entry["Key"] for entry in found]

    def put(self, key: str, content: bytes) -> None:
        self.client.put_object(Bucket=BUCKET, Key=key, Body=content)

    def download(self, prefix: str, folder: Path) -> Path:
        folder.mkdir()
        for key in self.keys(f"{prefix}/"):
            self.client.download_file(BUCKET, key, str(folder / key.removeprefix(f"{prefix}/")))
        return folder


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    # One request at a time: a conditional write is then as indivisible as S3's own.
    running = make_server("127.0.0.1", 0, DomainDispatcherApplication(create_backend_app), threaded=False)
    thread = threading.Thread(target=running.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{running.server_port}"
    finally:
        running.shutdown()
        thread.join()
        running.server_close()


@pytest.fixture
def store(server: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    """An empty bucket, and an environment in which it is found."""
    for name, value in {**KEYS, "AWS_ENDPOINT_URL": server}.items():
        monkeypatch.setenv(name, value)
    for name in NOT_SET:
        monkeypatch.delenv(name, raising=False)
    client = boto3.client("s3", endpoint_url=server)
    client.create_bucket(Bucket=BUCKET)
    found = Store(server, client)
    yield found
    for key in found.keys():
        client.delete_object(Bucket=BUCKET, Key=key)
    client.delete_bucket(Bucket=BUCKET)
    client.close()


def packed(out: Path, *, regularization: float = 1.0, **words: Any) -> Path:
    model = LogisticRegression(max_iter=500, C=regularization).fit(X, Y)
    return pack(model, X, name="iris", version="1.0.0", out=out, onnx=False, **words)


@pytest.fixture(scope="module")
def artifact(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return packed(tmp_path_factory.mktemp("one"))


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Another artifact of the same name and version."""
    return packed(tmp_path_factory.mktemp("other"), regularization=0.1)


def publish(*words: str | Path, **environ: str | None) -> "subprocess.CompletedProcess[str]":
    """Run the command; an environment variable of None is not set."""
    changed = {**os.environ, **environ}
    env = {name: value for name, value in changed.items() if value is not None}
    command = [sys.executable, "-m", "portside", "publish", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, env=env)


def refused(*words: str | Path, **environ: str | None) -> str:
    """Return the sentence of a command that must fail."""
    ended = publish(*words, **environ)
    assert ended.returncode == 2, ended.stderr
    assert ended.stdout == ""
    (line,) = ended.stderr.splitlines()
    return line


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_version_is_published_to_a_bucket_whole(store: Store, artifact: Path, tmp_path: Path) -> None:
    ended = publish(artifact, "s3://models")
    assert (ended.returncode, ended.stdout) == (0, "published s3://models/iris/1.0.0\n"), ended.stderr
    assert store.keys() == [f"iris/1.0.0/{name}" for name in names(artifact)]
    served = load(store.download("iris/1.0.0", tmp_path / "mnt"))
    assert served.predict({"input": X})["label"].tolist() == load(artifact).predict({"input": X})["label"].tolist()


def test_a_root_may_be_a_part_of_a_bucket_and_the_server_an_option(store: Store, artifact: Path) -> None:
    ended = publish(artifact, "s3://models/team/a/", "--endpoint-url", store.url, "--json", AWS_ENDPOINT_URL=None)
    assert orjson.loads(ended.stdout) == {"artifact": "s3://models/team/a/iris/1.0.0"}
    assert store.keys() == [f"team/a/iris/1.0.0/{name}" for name in names(artifact)]


def test_a_signature_is_published_too(store: Store, tmp_path: Path) -> None:
    key = tmp_path / "private.pem"
    private = Ed25519PrivateKey.generate()
    key.write_bytes(private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    assert publish(packed(tmp_path, signing_key=key), "s3://models").returncode == 0
    assert "iris/1.0.0/artifact.sig" in store.keys()


def test_a_version_whose_name_begins_alike_is_another_one(store: Store, artifact: Path) -> None:
    store.put("iris/1.0.0-rc1/artifact.json", b"{}")
    store.put("iris/1.0.00/artifact.json", b"{}")
    assert publish(artifact, "s3://models").returncode == 0


def test_a_published_version_is_never_overwritten(store: Store, artifact: Path, other: Path) -> None:
    assert publish(artifact, "s3://models").returncode == 0
    before = store.client.get_object(Bucket=BUCKET, Key="iris/1.0.0/golden.json")["Body"].read()
    assert refused(other, "s3://models") == (
        "portside: s3://models/iris/1.0.0: this version exists with another content; choose a new version"
    )
    assert "this version exists, and is this very artifact" in refused(artifact, "s3://models")
    assert store.client.get_object(Bucket=BUCKET, Key="iris/1.0.0/golden.json")["Body"].read() == before
    assert store.keys() == [f"iris/1.0.0/{name}" for name in names(artifact)]


def test_a_half_uploaded_version_is_completed(store: Store, artifact: Path, tmp_path: Path) -> None:
    store.put("iris/1.0.0/golden.json", b"half of i")
    assert publish(artifact, "s3://models").returncode == 0
    assert open_artifact(store.download("iris/1.0.0", tmp_path / "mnt")).manifest.name == "iris"


def test_what_an_interrupted_publisher_began_the_same_artifact_completes_and_no_other(
    store: Store, artifact: Path, other: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As when its machine ends before the last write: nothing is left but what it wrote.
    lost = shutil.copytree(artifact, artifact.parents[1] / "lost")
    registry = open_registry("s3://models")
    real = Path.read_bytes
    reads = []

    def dies(path: Path) -> bytes:
        if path == lost / "artifact.json":
            reads.append(path)
            if len(reads) == 3:  # to verify it, to claim its version, and for the last write
                raise KeyboardInterrupt
        return real(path)

    monkeypatch.setattr(Path, "read_bytes", dies)
    with pytest.raises(KeyboardInterrupt):
        registry.publish(lost)
    monkeypatch.undo()
