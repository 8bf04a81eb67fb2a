# SPDX-License-Identifier: Apache-2.0
"""The attempt to serve a model by ONNX Runtime: export, gate, and the reason why it may or may not."""

from collections.abc import Mapping
from dataclasses import dataclass

from sklearn.base import BaseEstimator

from predictors.errors import ArtifactError, PackingError
from predictors.model_inputs import Layout
from predictors.onnx.edges import rows_at_edges
from predictors.onnx.export import STRATEGIES, export_onnx, tolerance_of
from predictors.onnx.parity import ParityReport, check_parity
from predictors.onnx.perturbation import perturbed_rows
from predictors.rows import stack
from predictors.scorers.onnx import OnnxScorer
from predictors.scorers.scorer import Scorer
from predictors.signature import Signature, Tensors


@dataclass(frozen=True)
class OnnxProof:
    """What became of the attempt.

    Attributes:
        model: The bytes of model.onnx; None when no candidate was proven equal.
        reason: One sentence: on what the candidate held, or why there is none.
        report: The gate's report on the candidate that held.
    """

    model: bytes | None
    reason: str
    report: ParityReport | None = None


def prove_onnx(
    estimator: BaseEstimator, reference: Scorer, signature: Signature, layout: Layout, sample: Tensors
) -> OnnxProof:
    """Return the first candidate that the parity gate lets through, or the reasons why none came through.

    Args:
        estimator: The fitted estimator; it is not changed.
        reference: The scorer that calls it.
        signature: The model's tensors, as the reference takes and gives them.
        layout: What the estimator was fitted on.
        sample: The sample's rows as input tensors, at least one; the gate adds rows at the model's thresholds.
    """
    rows: Tensors | None = None
    refused: Mapping[str, Tensors] = {}
    refusals: dict[str, list[str]] = {}
    for strategy in STRATEGIES:
        try:
            model = export_onnx(estimator, signature.inputs, signature.outputs, layout, strategy)
            candidate = OnnxScorer(model, signature.inputs, signature.outputs)
        except (ArtifactError, PackingError) as err:
            refusals.setdefault(str(err), []).append(strategy.name)
            continue
        if rows is None:
            rows = stack([sample, perturbed_rows(estimator, reference, sample, signature.inputs)])
            refused = rows_at_edges(reference, sample, signature.inputs).refused
        report = check_parity(reference, candidate, rows, tolerance_of(model), refused)
        if report.held:
            return OnnxProof(model, f"{strategy.name} arithmetic: {report.reason}", report)
        refusals.setdefault(report.reason, []).append(strategy.name)
    return OnnxProof(None, "; ".join(f"{' and '.join(names)}: {reason}" for reason, names in refusals.items()))
