# SPDX-License-Identifier: Apache-2.0
"""Publishing an artifact, through the command line, to a folder and to an S3 server."""

import resource
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path

import orjson
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from pipelines.registry import Registry, RegistryError, open_registry
from predictors import load, open_artifact
from tests.pipelines.registry import command_line
from tests.pipelines.registry.command_line import Ended
from tests.pipelines.registry.conftest import Packed, X
from tests.pipelines.registry.s3_server import Store

ROUNDS = 3


def publish(*words: str | Path) -> Ended:
    return command_line.run("publish", *words)


def refused(*words: str | Path) -> str:
    return command_line.refused("publish", *words)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.name != ".aliases")


def test_a_version_is_published_to_a_bucket_whole(store: Store, artifact: Path, tmp_path: Path) -> None:
    ended = publish(artifact, "s3://models")
    assert (ended.returncode, ended.stdout) == (0, "published s3://models/iris/1.0.0\n"), ended.stderr
    assert store.objects() == [f"iris/1.0.0/{name}" for name in names(artifact)]
    served = load(store.download("iris/1.0.0", tmp_path / "mnt"))
    assert served.predict({"input": X})["label"].tolist() == load(artifact).predict({"input": X})["label"].tolist()


def test_a_root_may_be_a_part_of_a_bucket_and_the_server_an_option(
    store: Store, artifact: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_ENDPOINT_URL")
    ended = publish(artifact, "s3://models/team/a/", "--endpoint-url", store.url, "--json")
    assert orjson.loads(ended.stdout) == {"artifact": "s3://models/team/a/iris/1.0.0"}
    assert store.objects() == [f"team/a/iris/1.0.0/{name}" for name in names(artifact)]


def test_a_signature_is_published_too(store: Store, packed: Packed, tmp_path: Path) -> None:
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
    before = store.get("iris/1.0.0/golden.json")
    assert refused(other, "s3://models") == (
        "portside: s3://models/iris/1.0.0: this version exists with another content; choose a new version"
    )
    assert "this version exists, and is this very artifact" in refused(artifact, "s3://models")
    assert store.get("iris/1.0.0/golden.json") == before
    assert store.objects() == [f"iris/1.0.0/{name}" for name in names(artifact)]


def test_a_half_uploaded_version_is_completed(store: Store, artifact: Path, tmp_path: Path) -> None:
    store.put("iris/1.0.0/golden.json", b"half of i")
    assert publish(artifact, "s3://models").returncode == 0
    assert open_artifact(store.download("iris/1.0.0", tmp_path / "mnt")).manifest.name == "iris"


def test_what_a_killed_publisher_began_the_same_artifact_completes_and_no_other(
    store: Store, artifact: Path, other: Path, tmp_path: Path
) -> None:
    with store.door.held("PUT", "/artifact.json"):
        process = subprocess.Popen([sys.executable, "-m", "portside", "publish", str(artifact), "s3://models"])
        assert store.door.arrived.wait(60)
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


@pytest.fixture(params=[False, True], ids=["of two artifacts", "of one artifact"])
def rivals(request: pytest.FixtureRequest, artifact: Path, other: Path) -> list[Path]:
    return [artifact, artifact if request.param else other] * 2


def test_of_publishers_at_once_exactly_one_wins_a_bucket(store: Store, rivals: list[Path], tmp_path: Path) -> None:
    for number, winner in enumerate(winners_at_once("s3://models", rivals)):
        there = open_artifact(store.download("iris/1.0.0", tmp_path / str(number)))
        assert there.manifest == open_artifact(winner).manifest
        assert [key for key in store.objects() if key.endswith(".publishing")] == []


def test_of_publishers_at_once_exactly_one_wins_a_folder(rivals: list[Path], tmp_path: Path) -> None:
    for winner in winners_at_once(str(tmp_path), rivals):
        there = open_artifact(tmp_path / "iris" / "1.0.0")
        assert there.manifest == open_artifact(winner).manifest
        assert names(tmp_path / "iris") == ["1.0.0"]


def winners_at_once(root: str, folders: list[Path]) -> Iterator[Path]:
    """Publish these artifacts from as many threads at once, give the only one that was published, and go again."""
    registries = [open_registry(root) for _ in folders]

    def publish_one(registry: Registry, folder: Path, start: threading.Barrier) -> str | None:
        start.wait()
        try:
            registry.publish(folder)
        except RegistryError as err:
            return str(err)
        return None

    for _ in range(ROUNDS):
        start = threading.Barrier(len(folders))
        with ThreadPoolExecutor(len(folders)) as pool:
            refusals = list(pool.map(publish_one, registries, folders, [start] * len(folders)))
        (winner,) = [folder for folder, refusal in zip(folders, refusals, strict=True) if refusal is None]
        yield winner
        registries[0].delete("iris", "1.0.0")


def test_a_missing_bucket_is_told_by_its_name(store: Store, artifact: Path) -> None:
    assert refused(artifact, "s3://nowhere/team") == (
        'portside: s3://nowhere/team: there is no bucket "nowhere"; create it, or correct its name'
    )


def test_missing_credentials_are_told(
    store: Store, artifact: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for name in ("AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    told = refused(artifact, "s3://models")
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


def test_a_folder_that_takes_no_more_gets_nothing_and_the_reason_is_told(artifact: Path, tmp_path: Path) -> None:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, before[1]))
    try:
        told = refused(artifact, tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert "iris/1.0.0: cannot be written: [Errno 27] File too large" in told
    assert names(tmp_path / "iris") == []
