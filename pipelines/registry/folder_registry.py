# SPDX-License-Identifier: Apache-2.0
"""A registry in a local folder: a version appears and disappears by one rename."""

import errno
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Final
from uuid import uuid4

from pipelines.registry.alias_log import AliasLog
from pipelines.registry.errors import RegistryError
from pipelines.registry.folder_store import FolderStore
from pipelines.registry.refusals import exists, half_deleted
from pipelines.registry.registry import Registry
from predictors.artifact import MANIFEST, open_artifact
from predictors.publishing import put_in_place

#: How a folder is called that is being deleted; a random part and its version follow.
_ASIDE: Final = ".deleted."

#: What a rename says when another folder stands there.
_TAKEN: Final = (errno.ENOTEMPTY, errno.EEXIST)


class FolderRegistry(Registry):
    """A local folder, which need not exist; see ``Registry``."""

    def __init__(self, root: Path) -> None:
        super().__init__(FolderStore(root))
        self._root = root

    def publish(self, folder: Path) -> str:
        """Copy the artifact beside its place and rename it there; see ``Registry``."""
        artifact = open_artifact(folder)
        name, version = artifact.manifest.name, artifact.manifest.version
        final = self._root / name / version
        if (final / MANIFEST).exists():
            raise exists(str(final), (final / MANIFEST).read_bytes(), artifact)
        if version in AliasLog(self._store, name).read().deletions:
            raise half_deleted(str(final), name, version)
        try:
            put_in_place(folder, final)
        except OSError as err:
            if (final / MANIFEST).exists():
                raise exists(str(final), (final / MANIFEST).read_bytes(), artifact) from err
            if err.errno in _TAKEN:
                raise RegistryError(f"{final}: this folder has files and no {MANIFEST}; remove it") from err
            raise RegistryError(f"{final}: cannot be written: {err.strerror}") from err
        return str(final)

    def _copy(self, path: str, file: Path) -> bool:
        try:
            shutil.copyfile(self._root / path, file)
        except FileNotFoundError:
            return False
        return True

    def _remove(self, name: str, version: str, go_on: Callable[[], None]) -> None:
        home = self._root / name / version
        go_on()
        try:
            home.rename(home.parent / f"{_ASIDE}{uuid4().hex}.{version}")
        except FileNotFoundError:
            return  # An interrupted deletion has come this far.
        except OSError as err:
            raise RegistryError(f"{home}: cannot be deleted: {err.strerror}") from err

    def _release(self, name: str, version: str) -> None:
        for folder in self._set_aside(name, version):
            shutil.rmtree(folder, ignore_errors=True)

    def _is_half_deleted(self, name: str, version: str) -> bool:
        return self._set_aside(name, version) != []

    def _set_aside(self, name: str, version: str) -> list[Path]:
        found = (self._root / name).glob(f"{_ASIDE}*")
        return [folder for folder in found if folder.name.removeprefix(_ASIDE).partition(".")[2] == version]
