# SPDX-License-Identifier: Apache-2.0
"""A local folder as a store, with the guarantees of a bucket: files appear whole, and are created only once."""

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Final
from uuid import uuid4

from pipelines.registry.errors import RegistryError
from pipelines.registry.store import StoredFile

#: What a file is called while it is written; a killed writer may leave one.
_UNFINISHED: Final = ".writing-"


class FolderStore:
    """A folder on this machine; see ``Store``.

    Args:
        root: The folder, as the user has named it. It need not exist: the first write makes it.
    """

    def __init__(self, root: Path) -> None:
        self.root = str(root)
        self._root = root

    def folders(self, folder: str) -> set[str]:
        """Return the names of the folders in a folder."""
        with self._told("read"):
            try:
                with os.scandir(self._root / folder) as entries:
                    return {entry.name for entry in entries if entry.is_dir()}
            except FileNotFoundError:
                return set()

    def files(self, folder: str) -> dict[str, StoredFile]:
        """Return the files in a folder and in those within it."""
        top = self._root / folder
        with self._told("read"):
            if not top.is_dir():
                return {}
            found: dict[str, StoredFile] = {}
            for parent, _, names in os.walk(top, onerror=_unless_gone):
                for path in (Path(parent, name) for name in names if not name.startswith(_UNFINISHED)):
                    # A file may be renamed or deleted while its folder is read.
                    with suppress(FileNotFoundError):
                        about = path.stat()
                        # A copy keeps the time of the last change; when it was made is that of the inode.
                        written = datetime.fromtimestamp(about.st_ctime, UTC)
                        found[path.relative_to(top).as_posix()] = StoredFile(about.st_size, written)
            return dict(sorted(found.items()))

    def read(self, path: str) -> bytes | None:
        """Return a file's content; None when there is none."""
        with self._told("read"):
            try:
                return (self._root / path).read_bytes()
            except (FileNotFoundError, NotADirectoryError):
                return None

    def read_all(self, paths: Iterable[str]) -> dict[str, bytes]:
        """Return the contents of those of these files that are there."""
        contents = {path: self.read(path) for path in paths}
        return {path: content for path, content in contents.items() if content is not None}

    def write(self, path: str, content: bytes) -> None:
        """Write a file, over what may be there."""
        with self._told("written"), self._written_beside(path, content) as beside:
            beside.replace(self._root / path)

    def create(self, path: str, content: bytes) -> bool:
        """Write a file unless there is one, and return whether there was none."""
        with self._told("written"), self._written_beside(path, content) as beside:
            try:
                # Unlike a rename, a link is refused where a file stands; unlike O_EXCL, it shows the whole content.
                (self._root / path).hardlink_to(beside)
            except FileExistsError:
                return False
            return True

    def delete(self, path: str) -> None:
        """Delete a file, if it is there."""
        with self._told("written"):
            (self._root / path).unlink(missing_ok=True)

    @contextmanager
    def _written_beside(self, path: str, content: bytes) -> Iterator[Path]:
        final = self._root / path
        final.parent.mkdir(parents=True, exist_ok=True)
        beside = final.parent / f"{_UNFINISHED}{uuid4().hex}"
        try:
            beside.write_bytes(content)
            yield beside
        finally:
            beside.unlink(missing_ok=True)

    @contextmanager
    def _told(self, what: str) -> Iterator[None]:
        """Turn the errors of the file system into one sentence each."""
        try:
            yield
        except OSError as err:
            raise RegistryError(f"{err.filename or self.root}: cannot be {what}: {err.strerror}") from err


def _unless_gone(err: OSError) -> None:
    """Raise what a folder cannot be read for, but where another has renamed or deleted it a moment ago."""
    if not isinstance(err, FileNotFoundError):
        raise err
