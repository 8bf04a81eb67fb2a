# SPDX-License-Identifier: Apache-2.0
"""Sealing an artifact's folder and putting it in its place: whole or not at all, and never over another one."""

import errno
import os
import shutil
import tempfile
from pathlib import Path

import orjson
from pydantic import BaseModel

from predictors import sealing
from predictors.artifact import GOLDEN, MANIFEST, REFERENCE, Manifest, check_name, sha256_of
from predictors.errors import ArtifactError, PackingError
from predictors.golden import GoldenRequests
from predictors.loading import LoadPolicy, load
from predictors.reference import Reference


def check_identity(name: str, version: str) -> None:
    """Raise PackingError unless these may be a model's name and version."""
    try:
        check_name("name", name)
        check_name("version", version)
    except ValueError as err:
        raise PackingError(str(err)) from err


def publish(
    folder: Path,
    manifest: Manifest,
    golden: GoldenRequests,
    reference: Reference,
    *,
    out: Path,
    signing_key: Path | None,
) -> Path:
    """Seal a folder that holds the model's files, load it as a server would, and move it to ``out/name/version``.

    Args:
        folder: Holds the model's files; the others are written into it.
        manifest: The manifest, its digests still missing.
        golden: The golden requests.
        reference: The reference distribution.
        out: The root folder of all models.
        signing_key: A PEM file with an Ed25519 private key; None for no signature.

    Returns:
        The artifact's folder. When the very same artifact stands there already, it is left as it is.

    Raises:
        PackingError: The version stands there with another content, or cannot be loaded.
    """
    _write_json(folder / GOLDEN, golden)
    _write_json(folder / REFERENCE, reference)
    files = {path.name: sha256_of(path) for path in sorted(folder.iterdir())}
    _write_json(folder / MANIFEST, manifest.model_copy(update={"files": files}))
    if signing_key is not None:
        sealing.sign(folder, (folder / MANIFEST).read_bytes(), signing_key)
    _check_loads(folder, manifest)
    return _move(folder, out / manifest.name / manifest.version)


def _write_json(path: Path, model: BaseModel) -> None:
    path.write_bytes(orjson.dumps(model.model_dump(mode="json"), option=orjson.OPT_INDENT_2) + b"\n")


def _check_loads(folder: Path, manifest: Manifest) -> None:
    """Load the folder under a policy that trusts what was packed a moment ago from this very process."""
    imports = manifest.estimator.imports if manifest.estimator else ()
    try:
        load(folder, LoadPolicy(allow_pickle=True, allow_imports=imports))
    except ArtifactError as err:
        sentence = str(err).removeprefix(f"{folder}{os.sep}")
        raise PackingError(f"the packed model does not load as it was: {sentence}") from err


def _add_signature(folder: Path, final: Path) -> None:
    """Sign the same artifact later: its signature is no part of what the manifest seals."""
    signature = folder / sealing.SIGNATURE
    if signature.is_file():
        # Written beside the folder and renamed, so that a server never reads half of one.
        staging = final.parent / f".{final.name}-{sealing.SIGNATURE}"
        shutil.copyfile(signature, staging)
        staging.rename(final / sealing.SIGNATURE)


def _move(folder: Path, final: Path) -> Path:
    if final.exists():
        if (final / MANIFEST).is_file() and (final / MANIFEST).read_bytes() == (folder / MANIFEST).read_bytes():
            _add_signature(folder, final)
            return final
        raise PackingError(f"{final}: this version exists with another content; choose a new version")
    try:
        put_in_place(folder, final)
    except OSError as err:
        raise PackingError(f"{final}: cannot be written: {err.strerror}") from err
    return final


def put_in_place(folder: Path, final: Path) -> None:
    """Copy a folder to where nothing stands yet, whole or not at all.

    Args:
        folder: What to copy.
        final: The place; folders above it are made.

    Raises:
        OSError: It cannot be written, or a folder with files stands there: of two writers one is told so.
    """
    final.parent.mkdir(parents=True, exist_ok=True)
    # A rename within one folder is atomic: nobody ever sees half an artifact under its final name.
    staging = Path(tempfile.mkdtemp(prefix=f".{final.name}-", dir=final.parent))
    try:
        shutil.copytree(folder, staging, dirs_exist_ok=True)
        staging.chmod(0o755)
        staging.rename(final)
    except shutil.Error as err:
        # It tells of all files at once, each with source, target and reason; the first is enough.
        raise OSError(errno.EIO, str(err.args[0][0][2])) from err
    finally:
        shutil.rmtree(staging, ignore_errors=True)
