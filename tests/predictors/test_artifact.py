# SPDX-License-Identifier: Apache-2.0
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB

from predictors import ArtifactError, LoadPolicy, load, open_artifact, pack
from predictors.artifact import sha256_of

X, Y = load_iris(return_X_y=True)


@pytest.fixture(scope="module")
def packed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    model = LogisticRegression(max_iter=500).fit(X, Y)
    return pack(model, X, name="iris", version="1.0.0", out=tmp_path_factory.mktemp("models"))


@pytest.fixture
def folder(packed: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(packed, tmp_path / "iris"))


def edit(folder: Path, change: Callable[[dict[str, Any]], None], *, reseal: str | None = None) -> None:
    """Change the manifest, and make a changed file's digest right again."""
    path = folder / "artifact.json"
    document = orjson.loads(path.read_bytes())
    change(document)
    if reseal:
        document["files"][reseal] = sha256_of(folder / reseal)
    path.write_bytes(orjson.dumps(document))


def test_a_packed_artifact_opens_and_answers(folder: Path) -> None:
    assert open_artifact(folder).manifest.name == "iris"
    assert load(folder).version == "1.0.0"


@pytest.mark.parametrize("name", ["model.skops", "linear.json", "model.onnx", "golden.json", "reference.json"])
def test_a_file_with_one_byte_changed_is_refused_by_name(folder: Path, name: str) -> None:
    content = bytearray((folder / name).read_bytes())
    content[len(content) // 2] ^= 1
    (folder / name).write_bytes(content)
    with pytest.raises(ArtifactError, match=rf"{name}: its SHA-256"):
        load(folder)


@pytest.mark.parametrize("name", ["model.skops", "linear.json", "model.onnx", "golden.json", "reference.json"])
def test_a_truncated_file_is_refused_by_name(folder: Path, name: str) -> None:
    (folder / name).write_bytes((folder / name).read_bytes()[:-10])
    with pytest.raises(ArtifactError, match=rf"{name}: its SHA-256"):
        load(folder)


@pytest.mark.parametrize("name", ["artifact.json", "model.skops", "golden.json"])
def test_a_missing_file_is_refused_by_name(folder: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(ArtifactError, match=name):
        load(folder)


def test_an_extra_file_is_refused_by_name(folder: Path) -> None:
    (folder / "run.py").write_text("print()")
    with pytest.raises(ArtifactError, match=r"run\.py: not listed"):
        load(folder)


def test_a_link_is_refused_even_to_the_right_content(folder: Path, tmp_path: Path) -> None:
    (folder / "golden.json").rename(tmp_path / "elsewhere.json")
    (folder / "golden.json").symlink_to(tmp_path / "elsewhere.json")
    with pytest.raises(ArtifactError, match=r"golden\.json: not a plain file"):
        load(folder)


@pytest.mark.parametrize("cut", [0, 1, 100, -2], ids=lambda cut: f"cut at {cut}")
def test_a_truncated_manifest_is_refused(folder: Path, cut: int) -> None:
    path = folder / "artifact.json"
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(ArtifactError, match=r"artifact\.json: not valid JSON"):
        load(folder)


@pytest.mark.parametrize("version", [0, 2, "1", None], ids=str)
def test_another_schema_version_is_refused(folder: Path, version: object) -> None:
    edit(folder, lambda document: document.update(schema_version=version))
    with pytest.raises(ArtifactError, match="schema version"):
        load(folder)


def test_an_unknown_key_in_the_manifest_is_refused(folder: Path) -> None:
    edit(folder, lambda document: document.update(hook="os.system"))
    with pytest.raises(ArtifactError, match=r"artifact\.json: hook"):
        load(folder)


def test_a_file_outside_the_folder_is_refused(folder: Path) -> None:
    (folder.parent / "other.bin").write_bytes(b"x")
    edit(folder, lambda document: document["files"].update({"../other.bin": sha256_of(folder.parent / "other.bin")}))
    with pytest.raises(ArtifactError, match=r"other\.bin"):
        load(folder)


def test_an_estimator_of_another_major_scikit_learn_is_refused(tmp_path: Path) -> None:
    folder = pack(GaussianNB().fit(X, Y), X, name="m", version="1", out=tmp_path, onnx=False)
    edit(folder, lambda document: document["libraries"].update({"scikit-learn": "0.24.2"}))
    with pytest.raises(ArtifactError, match=r"fitted with scikit-learn 0\.24\.2"):
        load(folder)


def test_an_estimator_of_another_minor_scikit_learn_is_loaded_with_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = pack(GaussianNB().fit(X, Y), X, name="m", version="1", out=tmp_path, onnx=False)
    edit(folder, lambda document: document["libraries"].update({"scikit-learn": "1.2.0"}))
    assert load(folder).name == "m"
    assert "fitted with scikit-learn 1.2.0" in caplog.text


def test_a_golden_request_that_is_answered_otherwise_stops_the_loading(folder: Path) -> None:
    path = folder / "golden.json"
    document = orjson.loads(path.read_bytes())
    document["requests"][0]["outputs"][0]["data"][0] += 1
    path.write_bytes(orjson.dumps(document))
    edit(folder, lambda _: None, reseal="golden.json")
    with pytest.raises(ArtifactError, match=r"golden\.json: the golden request 'a batch of typical rows' is answered"):
        load(folder)


def test_a_model_swapped_for_another_with_right_digests_does_not_pass_its_golden_requests(
    folder: Path, tmp_path: Path
) -> None:
    other = pack(LogisticRegression(C=0.001, max_iter=500).fit(X, Y), X, name="o", version="1", out=tmp_path)
    shutil.copy(other / "linear.json", folder / "linear.json")
    edit(folder, lambda _: None, reseal="linear.json")
    with pytest.raises(ArtifactError, match=r"golden\.json"):
        load(folder)


def test_a_processing_that_is_not_installed_is_refused(folder: Path) -> None:
    edit(folder, lambda document: document.update(processing="nobody"))
    with pytest.raises(ArtifactError, match='"nobody" is not installed'):
        load(folder)


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("keys")
    private, public = folder / "key.pem", folder / "key.pub.pem"
    subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519", "-out", private], check=True)
    subprocess.run(["openssl", "pkey", "-in", private, "-pubout", "-out", public], check=True)
    return private, public


@pytest.fixture
def signed(keys: tuple[Path, Path], tmp_path: Path) -> Path:
    model = LogisticRegression(max_iter=500).fit(X, Y)
    return pack(model, X, name="signed", version="1", out=tmp_path, signing_key=keys[0])


def test_a_signed_artifact_loads_with_its_key_and_without_one(keys: tuple[Path, Path], signed: Path) -> None:
    assert load(signed, LoadPolicy(verify_key=keys[1])).name == "signed"
    assert load(signed).name == "signed"


def test_an_unsigned_artifact_is_refused_where_a_key_is_configured(keys: tuple[Path, Path], folder: Path) -> None:
    with pytest.raises(ArtifactError, match=r"artifact\.sig: missing"):
        load(folder, LoadPolicy(verify_key=keys[1]))


def test_a_manifest_changed_after_signing_is_refused(keys: tuple[Path, Path], signed: Path) -> None:
    edit(signed, lambda document: document["metrics"].update(accuracy=1.0))
    with pytest.raises(ArtifactError, match=r"artifact\.sig: not a signature"):
        load(signed, LoadPolicy(verify_key=keys[1]))


def test_the_same_artifact_may_be_signed_later(keys: tuple[Path, Path], tmp_path: Path) -> None:
    model = LogisticRegression(max_iter=500).fit(X, Y)
    folder = pack(model, X, name="m", version="1", out=tmp_path)
    assert pack(model, X, name="m", version="1", out=tmp_path, signing_key=keys[0]) == folder
    assert load(folder, LoadPolicy(verify_key=keys[1])).name == "m"
