# SPDX-License-Identifier: Apache-2.0
"""Which scorer serves an artifact: the fastest one that is proven equal, with the reason for each."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec

from sklearn.base import BaseEstimator

from predictors.artifact import ONNX_MODEL, Artifact, Manifest
from predictors.errors import ArtifactError
from predictors.scorers.estimator import EstimatorScorer
from predictors.scorers.scorer import Scorer


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
    usable, reason = _judge_onnx(manifest)
    if usable:
        other = "a faster scorer is proven equal" if manifest.estimator else "the artifact holds no estimator"
        return ScorerVerdict("onnx", True, reason), ScorerVerdict("estimator", False, other)
    if manifest.estimator is None:
        raise ArtifactError(f"{ONNX_MODEL}: cannot be served here: {reason}")
    verdict = ScorerVerdict("estimator", True, f"{manifest.estimator.file} itself answers")
    return ScorerVerdict("onnx", False, reason), verdict


def build_scorer(artifact: Artifact, estimator: Callable[[], BaseEstimator]) -> Scorer:
    """Return the scorer that serves an artifact.

    Args:
        artifact: The verified artifact.
        estimator: Loads its scikit-learn object; called only when the scorer needs it.
    """
    manifest = artifact.manifest
    signature = manifest.model_signature
    serving = next(verdict.name for verdict in judge_scorers(manifest) if verdict.serves)
    if serving == "onnx":
        from predictors.scorers.onnx import OnnxScorer

        return OnnxScorer(artifact.path(ONNX_MODEL), signature.inputs, signature.outputs)
    if manifest.estimator is None:
        raise ArtifactError("artifact.json: it names no estimator")
    return EstimatorScorer(estimator(), signature.inputs, manifest.estimator.layout)


def _judge_onnx(manifest: Manifest) -> tuple[bool, str]:
    if manifest.onnx.held and find_spec("onnxruntime") is None:
        return False, "onnxruntime is not installed here; install portside[serve]"
    return manifest.onnx.held, manifest.onnx.reason
