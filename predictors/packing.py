# SPDX-License-Identifier: Apache-2.0
"""From a fitted scikit-learn object and some sample rows to a sealed, verified model artifact."""

import tempfile
from collections.abc import Mapping
from pathlib import Path

from sklearn.base import BaseEstimator

from predictors.artifact import EstimatorEntry, Manifest, OnnxEntry
from predictors.binding import bind
from predictors.errors import InvalidRequestError, PackingError
from predictors.estimator_file import estimator_libraries, write_estimator
from predictors.golden import make_golden
from predictors.model_inputs import Layout
from predictors.onnx_gate import OnnxGate, try_onnx
from predictors.pickle_file import imports_of
from predictors.processing import processing_class
from predictors.publishing import check_identity, publish
from predictors.reference import Reference, describe_reference
from predictors.sample import Sample, TensorLayout, digest_of, model_rows
from predictors.served_model import ServedModel
from predictors.signature import Tensors


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
        gate = try_onnx(model, bound, served, folder) if onnx else OnnxGate(held=False, reason="it was not asked for")
        manifest = Manifest(
            name=name,
            version=version,
            signature=served.signature,
            model_signature=bound.signature,
            processing=processing,
            estimator=_describe_estimator(model, file, bound.layout),
            onnx=OnnxEntry(held=gate.held, reason=gate.reason),
            metrics=dict(metrics or {}),
            lineage={**(lineage or {}), "sample_digest": digest_of(frame), "sample_rows": len(frame)},
            libraries=estimator_libraries(model),
            files={},
        )
        golden = make_golden(served, bound.rows, gate.relative_tolerance)
        return publish(folder, manifest, golden, _reference(served, bound.rows), out, signing_key)


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
