# SPDX-License-Identifier: Apache-2.0
"""A trained model becomes the artifact of a version, with its evaluation and its lineage in it."""

from dataclasses import replace
from pathlib import Path

import pytest

from pipelines.deploying.package import package, published_by_this_run
from pipelines.errors import StepError
from pipelines.registry import open_registry
from predictors.artifact import Artifact
from tests.pipelines.deploying import iris


def test_the_same_inputs_give_the_very_same_artifact(
    iris_training: Path, iris_artifact: Artifact, tmp_path: Path
) -> None:
    again = iris.pack(iris_training, "1.0.0", tmp_path / "again")
    files = sorted(path.name for path in iris_artifact.folder.iterdir())
    assert sorted(path.name for path in again.folder.iterdir()) == files
    assert [again.path(name).read_bytes() for name in files] == [
        iris_artifact.path(name).read_bytes() for name in files
    ]


def test_the_artifact_tells_the_evaluation_and_where_it_comes_from(iris_training: Path, tmp_path: Path) -> None:
    origin = replace(iris.ORIGIN, champion="0.9.0", reason="drift")
    manifest = iris.pack(iris_training, "1.0.0", tmp_path / "told", origin).manifest
    assert manifest.metrics == {"accuracy": 0.9, "validation_accuracy": 0.75}
    told = {"data_source": "a test", "data_digest": "sha256:0", "fingerprint": "sha256:1", "run": "iris-1", "seed": 0}
    assert manifest.lineage.items() >= {**told, "champion": "0.9.0", "reason": "drift"}.items()


def test_what_nobody_said_is_not_in_the_lineage(iris_artifact: Artifact) -> None:
    assert {"champion", "reason"} & iris_artifact.manifest.lineage.keys() == set()


def test_a_figure_that_says_nothing_is_left_out(iris_training: Path, tmp_path: Path) -> None:
    packed = package(
        iris_training,
        name="iris",
        version="1.0.0",
        origin=iris.ORIGIN,
        metrics={"recall": float("nan"), "accuracy": 1.0},
        into=tmp_path / "packed",
    )
    assert packed.manifest.metrics == {"accuracy": 1.0, "validation_accuracy": 0.75}


def test_what_an_earlier_attempt_left_goes(iris_training: Path, tmp_path: Path) -> None:
    (tmp_path / "half").mkdir()
    (tmp_path / "half/left.bin").write_bytes(b"0")
    packed = iris.pack(iris_training, "1.0.0", tmp_path / "half")
    assert "left.bin" not in _files(packed)


def test_a_run_knows_what_it_has_published_before_it_was_interrupted(iris_artifact: Artifact, tmp_path: Path) -> None:
    registry = open_registry(str(tmp_path))
    assert not published_by_this_run(registry, "iris", "1.0.0", "sha256:1")
    registry.publish(iris_artifact.folder)
    assert published_by_this_run(registry, "iris", "1.0.0", "sha256:1")
    with pytest.raises(StepError, match=r"iris/1\.0\.0: this version exists with another content.*start the run again"):
        published_by_this_run(registry, "iris", "1.0.0", "sha256:2")


def _files(artifact: Artifact) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in artifact.folder.iterdir()}
