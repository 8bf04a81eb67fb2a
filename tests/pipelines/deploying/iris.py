# SPDX-License-Identifier: Apache-2.0
"""A small model as training leaves it, and versions packed from it."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression

from pipelines.deploying.package import Origin, package
from pipelines.training_folder import write_training
from pipelines.use_cases import TrainedModel
from predictors.artifact import Artifact

ORIGIN = Origin(
    data_source="a test",
    data_digest="sha256:0",
    seed=0,
    fingerprint="sha256:1",
    champion="",
    reason="",
    run="iris-1",
)


def train(folder: Path, *, classes: int = 3) -> Path:
    """Write what training leaves, of as many of the three classes, and return the folder."""
    rows, labels = load_iris(return_X_y=True, as_frame=True)
    known: npt.NDArray[np.bool_] = (labels < classes).to_numpy()
    model = LogisticRegression(max_iter=1000).fit(rows[known], labels[known])
    trained = TrainedModel(
        model=model,
        sample=rows[known].reset_index(drop=True),
        metrics={"accuracy": 0.5, "validation_accuracy": 0.75},
        lineage={"seed": 0},
        processing=None,
        tensors="auto",
    )
    write_training(trained, folder)
    return folder


def pack(training: Path, version: str, into: Path, origin: Origin = ORIGIN) -> Artifact:
    """Pack a version into its own folder."""
    return package(training, name="iris", version=version, origin=origin, metrics={"accuracy": 0.9}, into=into)
