# SPDX-License-Identifier: Apache-2.0
"""The one way an artifact becomes a model that answers: digests, signature, libraries, load, golden requests.

Any broken link stops the chain with a sentence that names the file. Nothing is unpickled before the links ahead of it
held. The golden requests run the whole request path, so a loaded model is a warm one.
"""

import logging
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from packaging.version import Version
from pydantic import ValidationError

from predictors.artifact import GOLDEN, MANIFEST, REFERENCE, Artifact, open_artifact
from predictors.errors import ArtifactError, fault_sentence
from predictors.golden import check_golden, golden_inputs
from predictors.joining import joins_exactly
from predictors.plain_onnx import find_plain_onnx, load_plain_onnx
from predictors.processing import Processing, processing_class
from predictors.reference import Reference
from predictors.scorers.choice import build_scorer
from predictors.served_model import ServedModel

if TYPE_CHECKING:  # a model that is served without scikit-learn does not wait for its import
    from sklearn.base import BaseEstimator

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class LoadPolicy:
    """What an operator lets an artifact do.

    Attributes:
        allow_pickle: Whether ``model.joblib`` may be unpickled at all.
        allow_imports: Packages besides the platform's own list that its pickle may import from.
        verify_key: A PEM file with the Ed25519 public key that must have signed the artifact; None asks for none.
    """

    allow_pickle: bool = False
    allow_imports: tuple[str, ...] = ()
    verify_key: Path | None = None


def load(folder: Path, policy: LoadPolicy | None = None, *, name: str | None = None) -> ServedModel:
    """Return the model in an artifact's folder, verified and warm.

    Args:
        folder: The folder that holds ``artifact.json``, or just one plain ONNX file.
        policy: What the artifact may do; by default no pickle and no signature.
        name: The name to serve it under; its own by default.

    Raises:
        ArtifactError: A link of the chain broke; the text names the file.
        SettingsError: The policy's key cannot be used.
    """
    policy = policy or LoadPolicy()
    plain = find_plain_onnx(folder)
    if plain is not None:
        if policy.verify_key is not None:
            raise ArtifactError(
                f"{plain}: a plain ONNX file is not signed, though a key is configured; pack and sign it: "
                "portside pack --sign"
            )
        return load_plain_onnx(plain, name=name)
    artifact = open_artifact(folder, verify_key=policy.verify_key)
    model = build_model(artifact, policy, name=name)
    golden = check_golden(model, artifact.path(GOLDEN))
    if not model.scorer.inline:
        model.joins = joins_exactly(model, golden_inputs(model, golden))
        _log.info("%s %s: requests %s scored together", model.name, model.version, "are" if model.joins else "are not")
    return model


def build_model(artifact: Artifact, policy: LoadPolicy, *, name: str | None = None) -> ServedModel:
    """Return the model of a verified artifact, its golden requests not yet asked."""
    manifest = artifact.manifest

    @cache
    def estimator() -> "BaseEstimator":
        return _load_estimator(artifact, policy)

    processing = processing_class(manifest.processing)
    bound = processing(manifest.model_signature, estimator() if processing.needs_estimator else None)
    _check_signature(artifact, bound)
    scorer = build_scorer(artifact, estimator)
    return ServedModel(name or manifest.name, manifest.version, scorer, bound, reference=_read_reference(artifact))


def _read_reference(artifact: Artifact) -> Reference:
    path = artifact.path(REFERENCE)
    try:
        return Reference.model_validate_json(path.read_bytes())
    except ValidationError as err:
        raise ArtifactError(f"{path}: {fault_sentence(err.errors(include_url=False)[0])}") from err


def _load_estimator(artifact: Artifact, policy: LoadPolicy) -> "BaseEstimator":
    from predictors.model_files.estimator_file import read_estimator

    entry = artifact.manifest.estimator
    if entry is None:
        raise ArtifactError(f"{artifact.path(MANIFEST)}: it names no estimator, which its processing needs")
    _check_scikit_learn(artifact)
    return read_estimator(
        artifact.path(entry.file), allow_pickle=policy.allow_pickle, allow_imports=policy.allow_imports
    )


def _check_scikit_learn(artifact: Artifact) -> None:
    """Refuse an estimator of another major version of scikit-learn, and warn of another minor one."""
    packed = artifact.manifest.libraries.get("scikit-learn")
    path = artifact.path(MANIFEST)
    if packed is None:
        raise ArtifactError(f"{path}: it does not say with which scikit-learn the model was fitted; pack it again")
    then, now = Version(packed), Version(version("scikit-learn"))
    if then.major != now.major:
        raise ArtifactError(
            f"{path}: the model was fitted with scikit-learn {then}, here is {now}; "
            "serve it with its own major version, or train it again"
        )
    if then.minor != now.minor:
        _log.warning(
            "%s: the model was fitted with scikit-learn %s, here is %s: golden requests decide", path, then, now
        )


def _check_signature(artifact: Artifact, processing: Processing) -> None:
    if processing.signature() != artifact.manifest.signature:
        raise ArtifactError(
            f"{artifact.path(MANIFEST)}: its signature is not the one that its processing "
            f'"{artifact.manifest.processing}" has in this release; pack the model again'
        )
