# SPDX-License-Identifier: Apache-2.0
"""A trained model on disk, between the steps train and pack."""

from pathlib import Path

from pipelines.lineage import code_commit
from pipelines.use_cases import TrainedModel
from predictors.model_files.pickle_file import dump_joblib
from predictors.packing_files import TrainingRecord


def write_training(trained: TrainedModel, folder: Path) -> None:
    """Write ``model.joblib``, ``sample.parquet`` and ``training.json`` into a folder, made when it is missing.

    Args:
        trained: The trained model with its sample, metrics and lineage.
        folder: Where to; files of an earlier run are replaced.
    """
    folder.mkdir(parents=True, exist_ok=True)
    dump_joblib(trained.model, folder / "model.joblib")
    trained.sample.to_parquet(folder / "sample.parquet", index=False)
    commit = code_commit()
    record = TrainingRecord(
        metrics=dict(trained.metrics),
        lineage={**trained.lineage, **({"code_commit": commit} if commit else {})},
        processing=trained.processing,
        tensors=trained.tensors,
    )
    (folder / "training.json").write_text(record.model_dump_json(indent=2) + "\n")
