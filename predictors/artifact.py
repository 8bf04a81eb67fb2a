# SPDX-License-Identifier: Apache-2.0
"""The model artifact: a folder whose ``artifact.json`` describes and seals every other file in it.

Opening one checks, in this order and before any content is interpreted: the manifest's schema version, that exactly
the sealed files are there, their digests, and the manifest's own signature when a key is configured.
"""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final, Literal

import orjson
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from predictors import sealing
from predictors.errors import ArtifactError, fault_sentence
from predictors.linear.document import Kind
from predictors.model_inputs import Layout
from predictors.signature import Signature

MANIFEST: Final = "artifact.json"
GOLDEN: Final = "golden.json"
REFERENCE: Final = "reference.json"
ONNX_MODEL: Final = "model.onnx"
LINEAR_MODEL: Final = "linear.json"
SCHEMA_VERSION: Final = 1

#: Names and versions become folders, URLs and Kubernetes labels, so they are plain.
NAME_PATTERN: Final = r"^[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?$"
Name = Annotated[str, Field(pattern=NAME_PATTERN)]


class _Sealed(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class EstimatorEntry(_Sealed):
    """The fitted scikit-learn object in the artifact.

    Attributes:
        file: ``model.skops`` or ``model.joblib``.
        type: Its class, for people; never imported because it stands here.
        layout: How it takes its rows.
        imports: Of a joblib file: every global that loading it imports, for people.
    """

    file: Literal["model.skops", "model.joblib"]
    type: str
    layout: Layout
    imports: tuple[str, ...] = ()


class OnnxEntry(_Sealed):
    """Whether ``model.onnx`` is in the artifact, and why.

    Attributes:
        held: True when the parity gate held, or when the artifact is a plain ONNX file.
        reason: One sentence of what was measured, or why there is none.
    """

    held: bool
    reason: str


class LinearEntry(_Sealed):
    """Whether ``linear.json`` is in the artifact, and why.

    Attributes:
        held: True when its scorer was proven equal to the estimator, bit for bit.
        reason: One sentence of what was compared, or why there is none.
        scorer: The scorer that reads it; None where there is none.
    """

    held: bool
    reason: str
    scorer: Kind | None = None


class Manifest(_Sealed):
    """What ``artifact.json`` holds.

    Attributes:
        schema_version: Of this layout; another one is refused.
        name: The model's name.
        version: Its version.
        signature: The tensors that clients see.
        model_signature: The tensors of the bare model, without its processing.
        processing: The name of the platform's processing class; None for the identity.
        estimator: The scikit-learn object; None for a plain ONNX model.
        linear: The file of a linear model, or why there is none; None in artifacts packed before there was one.
        onnx: The ONNX file, or why there is none.
        metrics: Figures of the evaluation.
        lineage: Where the model comes from: data digest, code commit, pipeline run.
        libraries: Versions of the libraries it was fitted and packed with.
        files: The SHA-256 of every other file, by file name.
    """

    schema_version: Literal[1] = SCHEMA_VERSION
    name: Name
    version: Name
    signature: Signature
    model_signature: Signature
    processing: str | None
    estimator: EstimatorEntry | None
    linear: LinearEntry | None = None
    onnx: OnnxEntry
    metrics: Mapping[str, float | int | str]
    lineage: Mapping[str, float | int | str]
    libraries: Mapping[str, str]
    files: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Artifact:
    """A verified artifact: every file is the one that was sealed.

    Attributes:
        folder: Where it lies.
        manifest: Its description.
        signed: Whether its signature was checked.
    """

    folder: Path
    manifest: Manifest
    signed: bool = False

    def path(self, name: str) -> Path:
        """Return the path of one of its files."""
        return self.folder / name


def open_artifact(folder: Path, *, verify_key: Path | None = None) -> Artifact:
    """Return the artifact in a folder once its files are found to be the sealed ones.

    Args:
        folder: The folder that holds ``artifact.json``.
        verify_key: A PEM file with the Ed25519 public key that must have signed it; None asks for no signature.

    Raises:
        ArtifactError: A file is missing, extra, truncated or altered, or the manifest is not one of this schema.
    """
    if not folder.is_dir():
        raise ArtifactError(f"{folder}: no such folder; give the folder that holds {MANIFEST}")
    content = _read(folder / MANIFEST)
    manifest = parse_manifest(content, folder / MANIFEST)
    _check_names(folder, manifest)
    for name, digest in manifest.files.items():
        if sha256_of(folder / name) != digest:
            raise ArtifactError(f"{folder / name}: its SHA-256 is not the one in {MANIFEST}: truncated or altered")
    if verify_key is not None:
        sealing.verify(folder, content, verify_key)
    return Artifact(folder, manifest, signed=verify_key is not None)


def parse_manifest(content: bytes, path: Path) -> Manifest:
    """Return the manifest in the bytes of the file ``path``; ArtifactError when they are none of this schema."""
    try:
        document = orjson.loads(content)
    except orjson.JSONDecodeError as err:
        raise ArtifactError(f"{path}: not valid JSON ({err.msg} at byte {err.pos}): truncated or altered") from err
    version = document.get("schema_version") if isinstance(document, dict) else None
    if version != SCHEMA_VERSION:
        raise ArtifactError(
            f"{path}: schema version {version!r}, this release reads {SCHEMA_VERSION}; pack the model again with it"
        )
    try:
        return Manifest.model_validate_json(content)
    except ValidationError as err:
        raise ArtifactError(f"{path}: {fault_sentence(err.errors(include_url=False)[0])}") from err


def sha256_of(path: Path) -> str:
    """Return the hexadecimal SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def check_name(kind: str, value: str) -> None:
    """Raise ValueError unless the value may be a model's name or version."""
    if not re.match(NAME_PATTERN, value):
        raise ValueError(f'the {kind} "{value}" must be 1 to 63 letters, digits, ".", "_" or "-", as in spam or 1.0.0')


def _check_names(folder: Path, manifest: Manifest) -> None:
    found = {path.name for path in folder.iterdir()}
    sealed = {MANIFEST, *manifest.files}
    missing = sorted(sealed - found)
    if missing:
        raise ArtifactError(f"{folder / missing[0]}: missing, though {MANIFEST} lists it; copy the whole folder again")
    extra = sorted(found - sealed - {sealing.SIGNATURE})
    if extra:
        raise ArtifactError(f"{folder / extra[0]}: not listed in {MANIFEST}; remove it, or pack the model again")
    for name in sealed:
        if Path(name).name != name or not (folder / name).is_file() or (folder / name).is_symlink():
            raise ArtifactError(f"{folder / name}: not a plain file of the artifact's own folder")


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as err:
        raise ArtifactError(f"{path}: cannot be read ({err.strerror}); give the folder that holds {MANIFEST}") from err
