# SPDX-License-Identifier: Apache-2.0
"""Which scorer serves an artifact: the fastest one that is proven equal, with the reason for each."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING

from predictors.artifact import LINEAR_MODEL, ONNX_MODEL, Artifact, Manifest
from predictors.errors import ArtifactError
from predictors.linear.document import LinearDocument, from_bytes
from predictors.scorers.linear import LinearScorer
from predictors.scorers.linear_text import LinearTextScorer
from predictors.scorers.scorer import Scorer
from predictors.signature import TensorSpec

if TYPE_CHECKING:  # a model that is served without scikit-learn does not wait for its import
    from sklearn.base import BaseEstimator


@dataclass(frozen=True, slots=True)
class ScorerVerdict:
    """What was decided on one scorer.

    Attributes:
        name: The scorer.
        serves: Whether it is the one that serves.
        reason: One sentence that says why, or why not.
    """

    name: str
    serves: bool
    reason: str


def judge_scorers(manifest: Manifest) -> tuple[ScorerVerdict, ...]:
    """Return the verdict on every scorer, fastest first; exactly one of them serves.

    Raises:
        ArtifactError: None can serve here.
    """
    judged = [_judge_linear(manifest), _judge_onnx(manifest), _judge_estimator(manifest)]
    serving = next((verdict for verdict in judged if verdict.serves), None)
    if serving is None:
        raise ArtifactError(f"{ONNX_MODEL}: cannot be served here: {_judge_onnx(manifest).reason}")
    return tuple(
        ScorerVerdict(verdict.name, serves=verdict is serving, reason=_told(verdict, serving)) for verdict in judged
    )


def build_scorer(artifact: Artifact, estimator: "Callable[[], BaseEstimator]") -> Scorer:
    """Return the scorer that serves an artifact.

    Args:
        artifact: The verified artifact.
        estimator: Loads its scikit-learn object; called only when the scorer needs it.

    Raises:
        ArtifactError: The scorer's file cannot be used.
    """
    manifest = artifact.manifest
    signature = manifest.model_signature
    serving = next(verdict.name for verdict in judge_scorers(manifest) if verdict.serves)
    if serving in (LinearScorer.name, LinearTextScorer.name):
        return linear_scorer(from_bytes(artifact.path(LINEAR_MODEL).read_bytes()), signature.inputs)
    if serving == "onnx":
        from predictors.scorers.onnx import OnnxScorer

        return OnnxScorer(artifact.path(ONNX_MODEL), signature.inputs, signature.outputs)
    if manifest.estimator is None:
        raise ArtifactError("artifact.json: it names no estimator")
    from predictors.scorers.estimator import EstimatorScorer

    return EstimatorScorer(estimator(), signature.inputs, manifest.estimator.layout)


def linear_scorer(document: LinearDocument, inputs: tuple[TensorSpec, ...]) -> Scorer:
    """Return the scorer of a linear model.

    Raises:
        ArtifactError: The model takes other inputs than these.
    """
    scorer = LinearScorer if document.kind == LinearScorer.name else LinearTextScorer
    return scorer(document, inputs)


def _judge_linear(manifest: Manifest) -> ScorerVerdict:
    entry = manifest.linear
    if entry is None:
        return ScorerVerdict(LinearScorer.name, False, "it was not tried when the artifact was packed")
    return ScorerVerdict(entry.scorer or LinearScorer.name, entry.held, entry.reason)


def _judge_onnx(manifest: Manifest) -> ScorerVerdict:
    if manifest.onnx.held and find_spec("onnxruntime") is None:
        return ScorerVerdict("onnx", False, "onnxruntime is not installed here; install portside[serve]")
    return ScorerVerdict("onnx", manifest.onnx.held, manifest.onnx.reason)


def _judge_estimator(manifest: Manifest) -> ScorerVerdict:
    if manifest.estimator is None:
        return ScorerVerdict("estimator", False, "the artifact holds no estimator")
    return ScorerVerdict("estimator", True, f"{manifest.estimator.file} itself answers")


def _told(verdict: ScorerVerdict, serving: ScorerVerdict) -> str:
    if not verdict.serves or verdict is serving:
        return verdict.reason
    if verdict.name == "estimator":
        return "a faster scorer is proven equal"
    return f"{serving.name} is faster, though this one holds too: {verdict.reason}"
