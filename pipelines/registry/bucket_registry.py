# SPDX-License-Identifier: Apache-2.0
"""A registry in a bucket, where nothing can be renamed.

A version is there as soon as its ``artifact.json`` is, which is written last and deleted first. Who fills or empties a
version's folder first claims it with an object beside it. A publisher's claim names the artifact, so that no two
artifacts mix their files: one that an interrupted publisher left lets the same artifact be completed, and no other.
"""

import hashlib
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from pipelines.registry.errors import RegistryError
from pipelines.registry.object_store import ObjectStore
from pipelines.registry.refusals import exists, half_deleted
from pipelines.registry.registry import Registry
from predictors.artifact import MANIFEST, Artifact, open_artifact
from predictors.sealing import SIGNATURE

#: What a claim holds whose owner deletes.
_DELETING: Final = b"deleting\n"

#: How often, and how many seconds apart, a publisher that has published is given the time to drop its claim.
_LOOKS: Final = 10
_PAUSE: Final = 0.1


class BucketRegistry(Registry):
    """A bucket, or a part of one; see ``Registry``."""

    def __init__(self, store: ObjectStore) -> None:
        super().__init__(store)
        self._objects = store

    def publish(self, folder: Path) -> str:
        """Upload the artifact under a claim, its manifest last; see ``Registry``."""
        artifact = open_artifact(folder)
        manifest = artifact.manifest
        home, claim = f"{manifest.name}/{manifest.version}", _claim(manifest.name, manifest.version)
        self._refuse_if_there(home, artifact)
        self._take(claim, home, artifact)
        files = _files(artifact)
        # Between the look above and the claim another publisher may have come to its end.
        self._refuse_if_there(home, artifact, claim=claim)
        strangers = sorted(set(self._objects.files(home)) - set(files))
        if strangers:
            raise RegistryError(
                f"{self.root}/{home}/{strangers[0]}: not a file of this artifact, and there is no {MANIFEST}; "
                "delete what an interrupted upload left there"
            )
        for name in files:
            self._objects.upload(f"{home}/{name}", artifact.path(name))
        created = self._objects.create(f"{home}/{MANIFEST}", artifact.path(MANIFEST).read_bytes())
        self._objects.delete(claim)
        if not created:
            raise exists(f"{self.root}/{home}", self._objects.read(f"{home}/{MANIFEST}"), artifact)
        return f"{self.root}/{home}"

    def _refuse_if_there(self, home: str, artifact: Artifact, *, claim: str | None = None) -> None:
        if MANIFEST not in self._objects.files(home):
            return
        if claim is not None:
            self._objects.delete(claim)
        raise exists(f"{self.root}/{home}", self._objects.read(f"{home}/{MANIFEST}"), artifact)

    def _take(self, claim: str, home: str, artifact: Artifact) -> None:
        name = _content_of_claim(artifact)
        if self._objects.create(claim, name):
            return
        holder = self._objects.read(claim)
        if holder is None:
            # Its owner has ended in this very moment: the version is there, or may be had again.
            self._refuse_if_there(home, artifact)
            self._take(claim, home, artifact)
        elif holder == _DELETING:
            raise half_deleted(f"{self.root}/{home}", artifact.manifest.name, artifact.manifest.version)
        elif holder != name:
            raise RegistryError(
                f"{self.root}/{claim}: another artifact is being published as this version; choose a new version "
                f"(or, where that was given up, delete this object and {self.root}/{home}/)"
            )

    def _copy(self, path: str, file: Path) -> bool:
        return self._objects.download(path, file)

    def _remove(self, name: str, version: str, go_on: Callable[[], None]) -> None:
        home, claim = f"{name}/{version}", _claim(name, version)
        go_on()
        self._bar_publishers(claim)
        for path in [MANIFEST, *sorted(set(self._objects.files(home)) - {MANIFEST})]:
            go_on()
            self._objects.delete(f"{home}/{path}")

    def _bar_publishers(self, claim: str) -> None:
        """Take the claim for a deletion.

        The version is complete, so that a publisher's claim is about to go, or was left by one that was killed.
        """
        for _ in range(_LOOKS):
            if self._objects.create(claim, _DELETING) or self._objects.read(claim) == _DELETING:
                return
            time.sleep(_PAUSE)
        self._objects.write(claim, _DELETING)

    def _release(self, name: str, version: str) -> None:
        self._objects.delete(_claim(name, version))

    def _is_half_deleted(self, name: str, version: str) -> bool:
        return self._objects.read(_claim(name, version)) == _DELETING


def _claim(name: str, version: str) -> str:
    return f"{name}/.{version}.publishing"


def _files(artifact: Artifact) -> list[str]:
    """Return the names of all files but the manifest."""
    signature = [SIGNATURE] if artifact.path(SIGNATURE).is_file() else []
    return [*sorted(artifact.manifest.files), *signature]


def _content_of_claim(artifact: Artifact) -> bytes:
    """Return what tells this artifact from any other: the digest of its manifest and signature."""
    parts = [artifact.path(name) for name in (MANIFEST, SIGNATURE)]
    content = b"".join(path.read_bytes() for path in parts if path.is_file())
    return f"sha256:{hashlib.sha256(content).hexdigest()}\n".encode()
