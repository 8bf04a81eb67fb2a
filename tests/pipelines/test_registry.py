# SPDX-License-Identifier: Apache-2.0
"""Publishing an artifact, through the command line, to a folder and to an S3 server."""

import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple
from urllib.request import Request, urlopen

import boto3
import orjson
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression
from werkzeug.serving import make_server

from pipelines.registry import RegistryError, open_registry
from predictors import load, open_artifact, pack

X, Y = load_iris(return_X_y=True)
BUCKET = "models"
KEYS = {"AWS_ACCESS_KEY_ID": "access", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_DEFAULT_REGION": "us-east-1"}
ROUNDS = 5
#: Of a machine that has its own: none of them may reach these tests, nor may the tests reach a real bucket.
NOT_SET = ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL_S3")


class LastWrite:
    """Stands before an S3 server and can hold the write that makes a version be there.

    Attributes:
        arrived: Set once such a write came while it was held; it is dropped then.
    """

    def __init__(self, app: Any) -> None:
        self._app = app
        self._holding = False
        self._go_on = threading.Event()
        self.arrived = threading.Event()

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Any:
        is_last = environ["REQUEST_METHOD"] == "PUT" and environ["PATH_INFO"].endswith("/artifact.json")
        if self._holding and is_last:
            self.arrived.set()
            self._go_on.wait(60)
            start_response("503 Service Unavailable", [])
            return [b""]
        return self._app(environ, start_response)

    @contextmanager
    def held(self) -> Iterator[None]:
        self.arrived.clear()
        self._go_on.clear()
        self._holding = True
        try:
            yield
        finally:
            self._holding = False
            self._go_on.set()


class Store(NamedTuple):
    """An S3 server, and a client that looks at it past the product."""

    url: str
    last_write: LastWrite
    client: Any

    def objects(self, prefix: str = "") -> list[str]:
        found = self.client.list_objects_v2(Bucket=BUCKET, Prefix=prefix).get("Contents", [])
        return [entry["Key"] for entry in found]

    def put(self, key: str, content: bytes) -> None:
        self.client.put_object(Bucket=BUCKET, Key=key, Body=content)

    @contextmanager
    def checked_credentials(self) -> Iterator[None]:
        """Have the server ask who someone is; it knows nobody."""
        self._set_unchecked(b"0")
        try:
            yield
        finally:
            self._set_unchecked(b"inf")

    def _set_unchecked(self, requests: bytes) -> None:
        told = {"Content-Type": "text/plain"}
        with urlopen(Request(f"{self.url}/moto-api/reset-auth", data=requests, headers=told), timeout=10) as answer:
            assert answer.status == 200

    def download(self, prefix: str, folder: Path) -> Path:
        folder.mkdir()
        for key in self.objects(f"{prefix}/"):
            self.client.download_file(BUCKET, key, str(folder / key.removeprefix(f"{prefix}/")))
        return folder


@pytest.fixture(scope="module")
def server() -> Iterator[tuple[str, LastWrite]]:
    last_write = LastWrite(DomainDispatcherApplication(create_backend_app))
    # One request at a time: a conditional write is then as indivisible as S3's own.
    running = make_server("127.0.0.1", 0, last_write, threaded=False)
    thread = threading.Thread(target=running.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{running.server_port}", last_write
    finally:
        running.shutdown()
        thread.join()
        running.server_close()


@pytest.fixture
def store(server: tuple[str, LastWrite], monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    """An empty bucket, and an environment in which it is found."""
    url, last_write = server
    for name, value in {**KEYS, "AWS_ENDPOINT_URL": url}.items():
        monkeypatch.setenv(name, value)
    for name in NOT_SET:
        monkeypatch.delenv(name, raising=False)
    client = boto3.client("s3", endpoint_url=url)
    client.create_bucket(Bucket=BUCKET)
    found = Store(url, last_write, client)
    yield found
    for key in found.objects():
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
    assert store.objects() == [f"iris/1.0.0/{name}" for name in names(artifact)]
    served = load(store.download("iris/1.0.0", tmp_path / "mnt"))
    assert served.predict({"input": X})["label"].tolist() == load(artifact).predict({"input": X})["label"].tolist()


def test_a_root_may_be_a_part_of_a_bucket_and_the_server_an_option(store: Store, artifact: Path) -> None:
    ended = publish(artifact, "s3://models/team/a/", "--endpoint-url", store.url, "--json", AWS_ENDPOINT_URL=None)
    assert orjson.loads(ended.stdout) == {"artifact": "s3://models/team/a/iris/1.0.0"}
    assert store.objects() == [f"team/a/iris/1.0.0/{name}" for name in names(artifact)]


def test_a_signature_is_published_too(store: Store, tmp_path: Path) -> None:
    key = tmp_path / "private.pem"
    private = Ed25519PrivateKey.generate()
    key.write_bytes(private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    assert publish(packed(tmp_path, signing_key=key), "s3://models").returncode == 0
    assert "iris/1.0.0/artifact.sig" in store.objects()


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
    assert store.objects() == [f"iris/1.0.0/{name}" for name in names(artifact)]


def test_a_half_uploaded_version_is_completed(store: Store, artifact: Path, tmp_path: Path) -> None:
    store.put("iris/1.0.0/golden.json", b"half of i")
    assert publish(artifact, "s3://models").returncode == 0
    assert open_artifact(store.download("iris/1.0.0", tmp_path / "mnt")).manifest.name == "iris"


def test_what_a_killed_publisher_began_the_same_artifact_completes_and_no_other(
    store: Store, artifact: Path, other: Path, tmp_path: Path
) -> None:
    with store.last_write.held():
        process = subprocess.Popen([sys.executable, "-m", "portside", "publish", str(artifact), "s3://models"])
        assert store.last_write.arrived.wait(60)
        process.kill()
        process.wait()
    left = store.objects()
    assert "iris/1.0.0/golden.json" in left
    assert "iris/1.0.0/artifact.json" not in left
    assert "another artifact is being published as this version" in refused(other, "s3://models")
    assert store.objects() == left
    assert publish(artifact, "s3://models").returncode == 0
    assert open_artifact(store.download("iris/1.0.0", tmp_path / "mnt")).manifest.name == "iris"
    assert store.objects() == [f"iris/1.0.0/{name}" for name in names(artifact)]


def test_a_file_that_is_not_the_artifacts_own_is_not_published_with_it(store: Store, artifact: Path) -> None:
    store.put("iris/1.0.0/model.onnx", b"of another artifact")
    assert "s3://models/iris/1.0.0/model.onnx: not a file of this artifact" in refused(artifact, "s3://models")
    assert "iris/1.0.0/artifact.json" not in store.objects()


def test_of_two_commands_at_once_one_publishes(store: Store, artifact: Path, other: Path, tmp_path: Path) -> None:
    with ThreadPoolExecutor(2) as pool:
        ended = list(pool.map(lambda folder: publish(folder, "s3://models"), [artifact, other]))
    assert sorted(one.returncode for one in ended) == [0, 2]
    winner = [artifact, other][[one.returncode for one in ended].index(0)]
    there = open_artifact(store.download("iris/1.0.0", tmp_path / "mnt"))
    assert there.manifest == open_artifact(winner).manifest


@pytest.fixture(params=[False, True], ids=["of two artifacts", "of one artifact"])
def rivals(request: pytest.FixtureRequest, artifact: Path, other: Path) -> list[Path]:
    return [artifact, artifact if request.param else other] * 2


def test_of_publishers_at_once_exactly_one_wins_a_bucket(store: Store, rivals: list[Path], tmp_path: Path) -> None:
    for number in range(ROUNDS):
        winner = winner_at_once(f"s3://models/{number}", rivals)
        there = open_artifact(store.download(f"{number}/iris/1.0.0", tmp_path / str(number)))
        assert there.manifest == open_artifact(winner).manifest
    assert [key for key in store.objects() if key.endswith(".publishing")] == []


def test_of_publishers_at_once_exactly_one_wins_a_folder(rivals: list[Path], tmp_path: Path) -> None:
    for number in range(ROUNDS):
        winner = winner_at_once(str(tmp_path / str(number)), rivals)
        there = open_artifact(tmp_path / str(number) / "iris" / "1.0.0")
        assert there.manifest == open_artifact(winner).manifest
        assert names(tmp_path / str(number) / "iris") == ["1.0.0"]


def winner_at_once(root: str, folders: list[Path]) -> Path:
    """Publish these artifacts from as many threads at once, and return the only one that was published."""
    start = threading.Barrier(len(folders))

    def publish_one(folder: Path) -> str | None:
        registry = open_registry(root)
        start.wait()
        try:
            registry.publish(folder)
        except RegistryError as err:
            return str(err)
        return None

    with ThreadPoolExecutor(len(folders)) as pool:
        refusals = list(pool.map(publish_one, folders))
    (winner,) = [folder for folder, refusal in zip(folders, refusals, strict=True) if refusal is None]
    return winner


def test_a_missing_bucket_is_told_by_its_name(store: Store, artifact: Path) -> None:
    assert refused(artifact, "s3://nowhere/team") == (
        'portside: s3://nowhere/team: there is no bucket "nowhere"; create it, or correct its name'
    )


def test_missing_credentials_are_told(store: Store, artifact: Path, tmp_path: Path) -> None:
    nothing = {"AWS_ACCESS_KEY_ID": None, "AWS_SECRET_ACCESS_KEY": None, "AWS_EC2_METADATA_DISABLED": "true"}
    files = {"AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "none"), "AWS_CONFIG_FILE": str(tmp_path / "none")}
    told = refused(artifact, "s3://models", **nothing, **files)
    assert "s3://models: Unable to locate credentials; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY" in told


def test_refused_credentials_are_told(store: Store, artifact: Path) -> None:
    with store.checked_credentials():
        told = refused(artifact, "s3://models")
    assert "s3://models: access is refused (" in told
    assert "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY" in told


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        pytest.param("http://127.0.0.1:9", "the server cannot be reached", id="nobody listens"),
        pytest.param("nonsense", "nonsense", id="no address"),
    ],
)
def test_an_endpoint_where_nobody_answers_is_told(store: Store, artifact: Path, url: str, sentence: str) -> None:
    told = refused(artifact, "s3://models", "--endpoint-url", url)
    assert told.startswith("portside: s3://models: ")
    assert sentence in told


@pytest.mark.parametrize(
    ("root", "sentence"),
    [
        pytest.param("s3://", "a registry is s3://BUCKET", id="no bucket"),
        pytest.param("https://models", "a registry is s3://BUCKET", id="another scheme"),
        pytest.param(
            "gs://models",
            "gs:// needs gcsfs: install portside[gcs]",
            id="no package",
            marks=pytest.mark.skipif(find_spec("gcsfs") is not None, reason="gcsfs is installed here"),
        ),
    ],
)
def test_a_root_that_cannot_be_used_is_told(artifact: Path, root: str, sentence: str) -> None:
    assert sentence in refused(artifact, root)


def test_what_is_not_an_intact_artifact_is_not_published(store: Store, artifact: Path, tmp_path: Path) -> None:
    assert "artifact.json: cannot be read" in refused(tmp_path, "s3://models")
    folder = Path(shutil.copytree(artifact, tmp_path / "altered"))
    (folder / "golden.json").write_bytes(b"{}")
    assert "golden.json: its SHA-256 is not the one in artifact.json" in refused(folder, "s3://models")
    assert store.objects() == []


def test_a_version_is_published_to_a_folder_and_never_over_another(artifact: Path, other: Path, tmp_path: Path) -> None:
    root = tmp_path / "registry"
    assert publish(artifact, root).stdout == f"published {root}/iris/1.0.0\n"
    assert load(root / "iris" / "1.0.0").name == "iris"
    assert names(root / "iris") == ["1.0.0"]
    assert "this version exists with another content" in refused(other, root)
    assert "this version exists, and is this very artifact" in refused(artifact, root)
    assert "has no endpoint" in refused(artifact, root, "--endpoint-url", "http://127.0.0.1:9")


def test_a_folder_that_is_in_the_way_or_shut_is_told(artifact: Path, tmp_path: Path) -> None:
    (tmp_path / "iris" / "1.0.0").mkdir(parents=True)
    (tmp_path / "iris" / "1.0.0" / "notes.txt").write_text("mine")
    assert "this folder has files and no artifact.json; remove it" in refused(artifact, tmp_path)
    assert names(tmp_path / "iris") == ["1.0.0"]
    (tmp_path / "file").write_text("no folder")
    assert "cannot be written: " in refused(artifact, tmp_path / "file")
