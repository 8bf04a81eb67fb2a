# SPDX-License-Identifier: Apache-2.0
"""From a fitted scikit-learn object and some sample rows to a sealed, verified model artifact."""

import logging
import shutil
import tempfile
from collections.abc import Mapping
from importlib.metadata import version as installed_version
from pathlib import Path
from typing import Final

import pandas as pd
from sklearn.base import BaseEstimator

from predictors.artifact import LINEAR_MODEL, ONNX_MODEL, EstimatorEntry, LinearEntry, Manifest, OnnxEntry
from predictors.binding import Binding, bind
from predictors.errors import InvalidRequestError, PackingError
from predictors.golden import GoldenRequests, golden_difference, make_golden
from predictors.linear.document import from_bytes
from predictors.linear.proof import prove_linear
from predictors.model_files.estimator_file import estimator_libraries, write_estimator
from predictors.model_files.pickle_file import imports_of
from predictors.model_inputs import Layout
from predictors.onnx.plain import describe_onnx, generated_rows
from predictors.onnx.proof import prove_onnx
from predictors.processing import Processing, processing_class
from predictors.publishing import check_identity, publish
from predictors.reference import Reference, describe_reference
from predictors.sample import Sample, TensorLayout, digest_of, model_rows, onnx_rows
from predictors.scorers.choice import linear_scorer
from predictors.scorers.onnx import OnnxScorer
from predictors.served_model import ServedModel
from predictors.signature import Signature, Tensors

_log = logging.getLogger(__name__)

#: Numbers that scikit-learn itself computes may differ by this much of the larger one between machines.
ESTIMATOR_TOLERANCE: Final = 1e-6
#: ONNX models of any origin mostly compute in float32.
ONNX_TOLERANCE: Final = 1e-4


def pack(
    model: BaseEstimator,
    sample: Sample,
    *,
    name: str,
    version: str,
    out: Path,
    target: str | None = None,
    tensors: TensorLayout = "auto",
    processing: str | None = None,
    metrics: Mapping[str, float | int | str] | None = None,
    lineage: Mapping[str, float | int | str] | None = None,
    onnx: bool = True,
    signing_key: Path | None = None,
) -> Path:
    """Pack any fitted scikit-learn estimator or Pipeline; the same inputs give the same digests.

    Args:
        model: The fitted estimator; its preprocessing belongs in it.
        sample: Rows as the model takes them: a DataFrame, an array (rows, columns), or texts. They tell the V2
            signature, the golden requests and the reference distribution.
        name: The model's name.
        version: Its version; an existing one is never overwritten.
        out: The root folder; the artifact is written to ``out/name/version``.
        target: A column of the sample to leave out.
        tensors: Whether inputs are one tensor for each column, one matrix, or the latter where all are numbers.
        processing: The name of an installed processing class; None for the identity.
        metrics: Figures of the evaluation, kept in the manifest.
        lineage: Where model and data come from, kept in the manifest.
        onnx: Whether to try an ONNX export, which is kept only where the parity gate holds.
        signing_key: A PEM file with the Ed25519 private key to sign with.

    Returns:
        The artifact's folder.

    Raises:
        PackingError: Model and sample do not fit each other, or the version exists with another content.
    """
    check_identity(name, version)
    frame = model_rows(sample, model, target)
    bound = bind(model, frame, tensors)
    processed = processing_class(processing)(bound.signature, model)
    served = ServedModel(name, version, bound.scorer, processed)
    with tempfile.TemporaryDirectory(prefix="portside-pack-") as temporary:
        folder = Path(temporary)
        file = write_estimator(model, folder)
        entry, golden = (
            _try_onnx(model, bound, served, processed, folder) if onnx else _without_onnx(served, bound.rows)
        )
        linear = _try_linear(model, bound, processed, golden, folder)
        manifest = Manifest(
            name=name,
            version=version,
            signature=served.signature,
            model_signature=bound.signature,
            processing=processing,
            estimator=_describe_estimator(model, file, bound.layout),
            linear=linear,
            onnx=entry,
            metrics=dict(metrics or {}),
            lineage={**(lineage or {}), "sample_digest": digest_of(frame), "sample_rows": len(frame)},
            libraries=estimator_libraries(model),
            files={},
        )
        return publish(folder, manifest, golden, _reference(served, bound.rows), out=out, signing_key=signing_key)


def pack_onnx(
    model: Path,
    *,
    name: str,
    version: str,
    out: Path,
    sample: pd.DataFrame | None = None,
    target: str | None = None,
    processing: str | None = None,
    metrics: Mapping[str, float | int | str] | None = None,
    lineage: Mapping[str, float | int | str] | None = None,
    signing_key: Path | None = None,
) -> Path:
    """Pack a plain ONNX file of any origin; its own inputs and outputs are the V2 signature.

    Args:
        model: The file; all of its weights are in it.
        name: The model's name.
        version: Its version; an existing one is never overwritten.
        out: The root folder; the artifact is written to ``out/name/version``.
        sample: Rows whose columns fill the inputs in order; None makes golden requests of generated values.
        target: A column of the sample to leave out.
        processing: The name of an installed processing class; None for the identity.
        metrics: Figures of the evaluation, kept in the manifest.
        lineage: Where model and data come from, kept in the manifest.
        signing_key: A PEM file with the Ed25519 private key to sign with.

    Returns:
        The artifact's folder.

    Raises:
        ArtifactError: The file is not a model that ONNX Runtime can run.
        PackingError: Its inputs or outputs are no V2 tensors, or the sample does not fit them.
    """
    check_identity(name, version)
    inputs, outputs = describe_onnx(model)
    rows = generated_rows(inputs) if sample is None else onnx_rows(sample, inputs, target)
    signature = Signature(inputs=inputs, outputs=outputs)
    scorer = OnnxScorer(model, inputs, outputs)
    processed = processing_class(processing)(signature, None)
    served = ServedModel(name, version, scorer, processed)
    with tempfile.TemporaryDirectory(prefix="portside-pack-") as temporary:
        folder = Path(temporary)
        shutil.copyfile(model, folder / ONNX_MODEL)
        manifest = Manifest(
            name=name,
            version=version,
            signature=served.signature,
            model_signature=signature,
            processing=processing,
            estimator=None,
            linear=LinearEntry(held=False, reason="the model was given as an ONNX file"),
            onnx=OnnxEntry(held=True, reason="the model was given as an ONNX file"),
            metrics=dict(metrics or {}),
            lineage=dict(lineage or {}),
            libraries={"onnxruntime": installed_version("onnxruntime")},
            files={},
        )
        golden = make_golden(served, rows, ONNX_TOLERANCE)
        return publish(folder, manifest, golden, _reference(served, rows), out=out, signing_key=signing_key)


def _try_linear(
    model: BaseEstimator, bound: Binding, processed: Processing, golden: GoldenRequests, folder: Path
) -> LinearEntry:
    """Write ``linear.json`` where its scorer is proven equal and answers every golden request alike; say why."""
    _log.info("trying a direct scorer, and proving it equal")
    proof = prove_linear(model, bound.scorer, bound.signature, bound.layout, bound.rows)
    if proof.content is None:
        return LinearEntry(held=False, reason=proof.reason)
    scorer = linear_scorer(from_bytes(proof.content), bound.signature.inputs)
    difference = golden_difference(ServedModel("", "", scorer, processed), golden)
    if difference is not None:
        return LinearEntry(held=False, reason=difference)
    (folder / LINEAR_MODEL).write_bytes(proof.content)
    return LinearEntry(held=True, reason=proof.reason, scorer=proof.kind)


def _try_onnx(
    model: BaseEstimator, bound: Binding, served: ServedModel, processed: Processing, folder: Path
) -> tuple[OnnxEntry, GoldenRequests]:
    """Write ``model.onnx`` where the gate holds and every golden request is answered alike; say why either way."""
    _log.info("trying an ONNX export, and proving it equal")
    proof = prove_onnx(model, bound.scorer, bound.signature, bound.layout, bound.rows)
    if proof.model is None or proof.report is None:
        return OnnxEntry(held=False, reason=proof.reason), make_golden(served, bound.rows, ESTIMATOR_TOLERANCE)
    golden = make_golden(served, bound.rows, proof.report.tolerance.relative)
    scorer = OnnxScorer(proof.model, bound.signature.inputs, bound.signature.outputs)
    difference = golden_difference(ServedModel(served.name, served.version, scorer, processed), golden)
    if difference is not None:
        return OnnxEntry(held=False, reason=difference), golden
    (folder / ONNX_MODEL).write_bytes(proof.model)
    return OnnxEntry(held=True, reason=proof.reason), golden


def _without_onnx(served: ServedModel, rows: Tensors) -> tuple[OnnxEntry, GoldenRequests]:
    return OnnxEntry(held=False, reason="no export was asked for"), make_golden(served, rows, ESTIMATOR_TOLERANCE)


def _describe_estimator(model: BaseEstimator, file: Path, layout: Layout) -> EstimatorEntry:
    return EstimatorEntry.model_validate(
        {
            "file": file.name,
            "type": f"{type(model).__module__}.{type(model).__qualname__}",
            "layout": layout,
            "imports": tuple(sorted(imports_of(file))) if file.suffix == ".joblib" else (),
        }
    )


def _reference(served: ServedModel, rows: Tensors) -> Reference:
    try:
        outputs = served.predict(served.reader.complete(dict(rows)))
    except InvalidRequestError as err:
        raise PackingError(f"the sample has rows that the model itself refuses: {err}") from err
    return describe_reference(rows, served.signature.inputs, outputs, served.signature.outputs)
