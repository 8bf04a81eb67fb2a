# SPDX-License-Identifier: Apache-2.0
"""Bringing versions from a folder or bucket to this machine, and reading their manifests where they are."""

from pathlib import Path

import pytest

from pipelines.registry import RegistryError, UnknownVersionError, open_registry
from predictors import open_artifact
from tests.pipelines.registry.s3_server import Store


def test_a_fetched_version_is_the_one_that_was_published(root: str, versions: list[Path], tmp_path: Path) -> None:
    registry = open_registry(root)
    for folder in versions:
        registry.publish(folder)
    assert registry.models() == ["iris"]
    assert registry.versions("iris") == ["1.0.0", "1.2.0", "1.10.0"]
    fetched = registry.fetch("iris", "1.2.0", tmp_path / "here")
    assert fetched == tmp_path / "here" / "iris" / "1.2.0"
    assert open_artifact(fetched).manifest == open_artifact(versions[1]).manifest == registry.manifest("iris", "1.2.0")
    assert [path.name for path in fetched.parent.iterdir()] == ["1.2.0"]
    assert registry.fetch("iris", "1.2.0", tmp_path / "here") == fetched


def test_what_is_not_there_is_told_with_what_is(root: str, artifact: Path, tmp_path: Path) -> None:
    registry = open_registry(root)
    with pytest.raises(UnknownVersionError, match="has no model iris; it has: none"):
        registry.manifest("iris", "1.0.0")
    registry.publish(artifact)
    with pytest.raises(UnknownVersionError, match=r"iris has no version 2\.0\.0; it has: 1\.0\.0"):
        registry.fetch("iris", "2.0.0", tmp_path / "here")
    assert not (tmp_path / "here").exists()


def test_a_version_that_was_altered_in_its_store_is_not_brought(store: Store, artifact: Path, tmp_path: Path) -> None:
    registry = open_registry("s3://models")
    registry.publish(artifact)
    store.put("iris/1.0.0/golden.json", b"{}")
    with pytest.raises(RegistryError, match=r"s3://models/iris/1\.0\.0/golden\.json: its SHA-256 is not the one in"):
        registry.fetch("iris", "1.0.0", tmp_path)
    assert list((tmp_path / "iris").iterdir()) == []


def test_another_artifact_in_its_place_is_left_and_told(root: str, artifact: Path, other: Path, tmp_path: Path) -> None:
    registry = open_registry(root)
    registry.publish(artifact)
    open_registry(str(tmp_path / "here")).publish(other)
    with pytest.raises(RegistryError, match="holds another artifact than"):
        registry.fetch("iris", "1.0.0", tmp_path / "here")
    assert open_artifact(tmp_path / "here" / "iris" / "1.0.0").manifest == open_artifact(other).manifest


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        pytest.param('{"schema', "artifact.json: not valid JSON", id="half of it"),
        pytest.param(None, "artifact.json: is that of iris 1.0.0", id="of another version"),
    ],
)
def test_a_manifest_that_is_not_the_versions_own_is_told(
    artifact: Path, tmp_path: Path, content: str | None, sentence: str
) -> None:
    folder = tmp_path / "iris" / "2.0.0"
    folder.mkdir(parents=True)
    (folder / "artifact.json").write_text(content or (artifact / "artifact.json").read_text())
    with pytest.raises(RegistryError, match=sentence):
        open_registry(str(tmp_path)).manifest("iris", "2.0.0")


def test_a_bucket_that_is_not_there_is_told(store: Store) -> None:
    with pytest.raises(RegistryError, match='there is no bucket "nowhere"; create it, or correct its name'):
        open_registry("s3://nowhere/team").models()
