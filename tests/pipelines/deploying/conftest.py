# SPDX-License-Identifier: Apache-2.0
"""One small model, trained and packed once."""

from pathlib import Path

import pytest

from predictors.artifact import Artifact
from tests.pipelines.deploying import iris


@pytest.fixture(scope="session")
def iris_training(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return iris.train(tmp_path_factory.mktemp("training"))


@pytest.fixture(scope="session")
def iris_artifact(iris_training: Path, tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    """Version 1.0.0."""
    return iris.pack(iris_training, "1.0.0", tmp_path_factory.mktemp("packed") / "1.0.0")


@pytest.fixture(scope="session")
def iris_challenger(iris_training: Path, tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    """Version 1.1.0, compared with 1.0.0."""
    return iris.pack(iris_training, "1.1.0", tmp_path_factory.mktemp("packed") / "1.1.0")
