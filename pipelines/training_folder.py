# SPDX-License-Identifier: Apache-2.0
"""A trained model on disk, between the steps train and pack."""

from pathlib import Path
from typing import TYPE_CHECKING, Final

from pipelines.lineage import code_commit
from pipelines.use_cases import TrainedModel
from predictors.model_files.pickle_file import dump_joblib
from predictors.packing_files import TrainingRecord

if TYPE_CHECKING:
    from sklearn.base import BaseEstimator

MODEL: Final = "model.joblib"


def write_training(trained: TrainedModel, folder: Path) -> None:
    """Write ``model.joblib``, ``sample.parquet`` and ``training.json`` into a folder, made when it is missing.

    Args:
        trained: The trained model with its sample, metrics and lineage.
        folder: Where to; files of an earlier run are replaced.

    Raises:
        OSError: It cannot be written to.
    """
    folder.mkdir(parents=True, exist_ok=True)
    dump_joblib(trained.model, folder / MODEL)
    trained.sample.to_parquet(folder / "sample.parquet", index=False)
    commit = code_commit()
    record = TrainingRecord(
        metrics=dict(trained.metrics),
        lineage={**trained.lineage, **({"code_commit": commit} if commit else {})},
        processing=trained.processing,
        tensors=trained.tensors,
    )
    (folder / "training.json").write_text(record.model_dump_json(indent=2) + "\n")


def read_model(folder: Path, allow_imports: tuple[str, ...] = ()) -> "BaseEstimator":
    """Return the estimator that ``write_training`` wrote into a folder.

    Args:
        folder: The training's.
        allow_imports: What its pickle may import besides the platform's list: packages, modules or full names.

    Raises:
        ArtifactError: The file is missing or damaged, or asks for what is not allowed.
    """
    from predictors.model_files.estimator_file import read_given_estimator

    return read_given_estimator(folder / MODEL, allow_pickle=True, allow_imports=allow_imports)
