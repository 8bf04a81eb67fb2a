# SPDX-License-Identifier: Apache-2.0
"""The registry: versions of models as ``<root>/<name>/<version>/`` in a local folder or a bucket, never overwritten.

A version is there as soon as its ``artifact.json`` is, which is written last. Who fills a version's folder in a bucket
first claims it with an object beside it that names the artifact, so that no two artifacts mix their files. A claim that
an interrupted publisher left lets the same artifact be completed, and no other.
"""

import errno
import hashlib
from pathlib import Path
from typing import Final, Protocol

from pipelines.object_store import ObjectStore, RegistryError
from predictors.artifact import MANIFEST, Artifact, open_artifact
from predictors.publishing import put_in_place
from predictors.sealing import SIGNATURE

__all__ = ["Registry", "RegistryError", "VersionExistsError", "open_registry"]

#: What a rename says when another folder stands there.
_TAKEN: Final = (errno.ENOTEMPTY, errno.EEXIST)


class VersionExistsError(RegistryError):
    """The version is there already; the text says whether it is the same artifact."""


class Registry(Protocol):
    """Where versions live."""

    def publish(self, folder: Path) -> str:
        """Verify the artifact in a folder, publish it, and return its address.

        Raises:
            ArtifactError: The folder is not an intact artifact.
            VersionExistsError: The version exists.
            RegistryError: The registry cannot be reached or refuses.
        """
        ...


def open_registry(root: str, *, endpoint_url: str | None = None) -> Registry:
    """Return the registry under a root; nothing is asked of it yet.

    Args:
        root: ``s3://bucket[/prefix]``, ``gs://bucket[/prefix]`` or a local folder, which need not exist.
        endpoint_url: An S3 or Google Cloud Storage server of one's own; None takes the usual settings, as
            ``AWS_ENDPOINT_URL``.

    Raises:
        RegistryError: The root is no such place, or a package for it is not installed.
    """
    if "://" in root and not root.startswith("file://"):
        return BucketRegistry(ObjectStore(root, endpoint_url=endpoint_url))
    if endpoint_url is not None:
        raise RegistryError(f"{root}: a local folder has no endpoint; leave --endpoint-url out, or give s3://BUCKET")
    return FolderRegistry(Path(root.removeprefix("file://")))


class FolderRegistry:
    """A local folder."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def publish(self, folder: Path) -> str:
        """Copy the artifact beside its place and rename it there; see ``Registry``."""
        artifact = open_artifact(folder)
        final = self._root / artifact.manifest.name / artifact.manifest.version
        if (final / MANIFEST).exists():
            raise _exists(final, (final / MANIFEST).read_bytes(), artifact)
        try:
            put_in_place(folder, final)
        except OSError as err:
            if (final / MANIFEST).exists():
                raise _exists(final, (final / MANIFEST).read_bytes(), artifact) from err
            if err.errno in _TAKEN:
                raise RegistryError(f"{final}: this folder has files and no {MANIFEST}; remove it") from err
            raise RegistryError(f"{final}: cannot be written: {err.strerror}") from err
        return str(final)


class BucketRegistry:
    """A bucket, or a part of one."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store

    def publish(self, folder: Path) -> str:
        """Upload the artifact under a claim, its manifest last; see ``Registry``."""
        artifact = open_artifact(folder)
        manifest = artifact.manifest
        home, claim = f"{manifest.name}/{manifest.version}", f"{manifest.name}/.{manifest.version}.publishing"
        self._refuse_if_there(home, artifact)
        self._take(claim, home, artifact)
        files = _files(artifact)
        # Between the look above and the claim another publisher may have come to its end.
        self._refuse_if_there(home, artifact, claim=claim)
        strangers = sorted(self._store.names(home) - set(files))
        if strangers:
            raise RegistryError(
                f"{self._address(home)}/{strangers[0]}: not a file of this artifact, and there is no {MANIFEST}; "
                "delete what an interrupted upload left there"
            )
        for name in files:
            self._store.write(f"{home}/{name}", artifact.path(name))
        created = self._store.create(f"{home}/{MANIFEST}", artifact.path(MANIFEST).read_bytes())
        self._store.delete(claim)
        if not created:
            raise _exists(self._address(home), self._store.read(f"{home}/{MANIFEST}"), artifact)
        return self._address(home)

    def _refuse_if_there(self, home: str, artifact: Artifact, *, claim: str | None = None) -> None:
        if MANIFEST not in self._store.names(home):
            return
        if claim is not None:
            self._store.delete(claim)
        raise _exists(self._address(home), self._store.read(f"{home}/{MANIFEST}"), artifact)

    def _take(self, claim: str, home: str, artifact: Artifact) -> None:
        name = _claim_of(artifact)
        if self._store.create(claim, name):
            return
        holder = self._store.read(claim)
        if holder is None:
            # Its publisher has ended in this very moment: the version is there, or may be had again.
            self._refuse_if_there(home, artifact)
            self._take(claim, home, artifact)
        elif holder != name:
            raise RegistryError(
                f"{self._address(claim)}: another artifact is being published as this version; choose a new version "
                f"(or, where that was given up, delete this object and {self._address(home)}/)"
            )

    def _address(self, path: str) -> str:
        return f"{self._store.root}/{path}"


def _files(artifact: Artifact) -> list[str]:
    """Return the names of all files but the manifest."""
    signature = [SIGNATURE] if artifact.path(SIGNATURE).is_file() else []
    return [*sorted(artifact.manifest.files), *signature]


def _claim_of(artifact: Artifact) -> bytes:
    """Return what tells this artifact from any other: the digest of its manifest and signature."""
    parts = [artifact.path(name) for name in (MANIFEST, SIGNATURE)]
    content = b"".join(path.read_bytes() for path in parts if path.is_file())
    return f"sha256:{hashlib.sha256(content).hexdigest()}\n".encode()


def _exists(address: str | Path, there: bytes | None, artifact: Artifact) -> VersionExistsError:
    if there == artifact.path(MANIFEST).read_bytes():
        return VersionExistsError(f"{address}: this version exists, and is this very artifact")
    return VersionExistsError(f"{address}: this version exists with another content; choose a new version")
