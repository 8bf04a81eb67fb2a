# SPDX-License-Identifier: Apache-2.0
"""Packing from files, as the command line does: a saved model, sample rows, and what training told of it."""

from pathlib import Path
from typing import Final

from pydantic import BaseModel, ConfigDict, ValidationError

from predictors.artifact import Artifact, open_artifact
from predictors.errors import PackingError, fault_sentence
from predictors.model_files.estimator_file import read_given_estimator
from predictors.packing import pack, pack_onnx
from predictors.sample import TensorLayout, read_sample

_SUFFIXES: Final = (".joblib", ".pkl", ".pickle", ".skops", ".onnx")


class TrainingRecord(BaseModel):
    """What ``training.json`` holds: all that packing takes over from a training run.

    Attributes:
        metrics: Figures of the evaluation.
        lineage: Where data and model come from.
        processing: The name of the processing class to stand around the model; None for the identity.
        tensors: How its columns become V2 tensors.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    metrics: dict[str, float | int | str] = {}
    lineage: dict[str, float | int | str] = {}
    processing: str | None = None
    tensors: TensorLayout = "auto"


def pack_file(
    model: Path,
    *,
    name: str,
    version: str,
    out: Path,
    sample: Path | None = None,
    target: str | None = None,
    tensors: TensorLayout | None = None,
    processing: str | None = None,
    training: Path | None = None,
    no_onnx: bool = False,
    signing_key: Path | None = None,
    allow_pickle: bool | None = None,
    allow_imports: tuple[str, ...] = (),
) -> Artifact:
    """Pack a saved model and return its artifact, opened again from where it was put.

    Args:
        model: A file of joblib, pickle, skops or ONNX.
        name: The model's name.
        version: Its version.
        out: The root folder.
        sample: Typical rows, CSV or Parquet; only an ONNX model goes without.
        target: A column of the sample to leave out.
        tensors: How columns become tensors; None takes what the training record says.
        processing: A processing class; None takes what the training record says.
        training: A training record.
        no_onnx: Whether to leave out the ONNX export.
        signing_key: A PEM file with an Ed25519 private key.
        allow_pickle: Whether a pickle may import more than the platform's own list.
        allow_imports: What it may import.

    Raises:
        ArtifactError: The model's file cannot be trusted or used.
        PackingError: Model, sample and the words of the call do not fit each other.
    """
    if model.suffix not in _SUFFIXES:
        raise PackingError(f"{model}: a model file ends with {', '.join(_SUFFIXES)}")
    record = _read_record(training)
    frame = None if sample is None else read_sample(sample)
    if model.suffix == ".onnx":
        folder = pack_onnx(
            model,
            name=name,
            version=version,
            out=out,
            sample=frame,
            target=target,
            processing=processing or record.processing,
            metrics=record.metrics,
            lineage=record.lineage,
            signing_key=signing_key,
        )
        return open_artifact(folder)
    if frame is None:
        raise PackingError("--sample is missing: a few typical rows (.csv or .parquet) tell the model's V2 signature")
    estimator = read_given_estimator(model, allow_pickle=bool(allow_pickle), allow_imports=allow_imports)
    folder = pack(
        estimator,
        frame,
        name=name,
        version=version,
        out=out,
        target=target,
        tensors=tensors or record.tensors,
        processing=processing or record.processing,
        metrics=record.metrics,
        lineage=record.lineage,
        onnx=not no_onnx,
        signing_key=signing_key,
    )
    return open_artifact(folder)


def _read_record(path: Path | None) -> TrainingRecord:
    if path is None:
        return TrainingRecord()
    try:
        return TrainingRecord.model_validate_json(path.read_bytes())
    except ValidationError as err:
        raise PackingError(f"{path}: {fault_sentence(err.errors(include_url=False)[0])}") from err
