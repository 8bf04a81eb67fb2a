# SPDX-License-Identifier: Apache-2.0
"""What a registry needs of the place it lives in: files by path, one of which several writers create only once."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file as its folder lists it.

    Attributes:
        size: In bytes.
        written: When it was written there, in UTC.
    """

    size: int
    written: datetime


class Store(Protocol):
    """A folder or bucket. Paths are relative to its root, with ``/`` between their parts.

    Every method raises RegistryError where the place cannot be reached or refuses.
    """

    root: str

    def folders(self, folder: str) -> set[str]:
        """Return the names of the folders in a folder; ``""`` is the root. None where there is no such folder."""
        ...

    def files(self, folder: str) -> dict[str, StoredFile]:
        """Return the files in a folder and in those within it, by their path relative to it."""
        ...

    def read(self, path: str) -> bytes | None:
        """Return a file's content; None when there is none."""
        ...

    def read_all(self, paths: Iterable[str]) -> dict[str, bytes]:
        """Return the contents of those of these files that are there, by path."""
        ...

    def write(self, path: str, content: bytes) -> None:
        """Write a file, over what may be there; a reader sees either content whole."""
        ...

    def create(self, path: str, content: bytes) -> bool:
        """Write a file unless there is one, and return whether there was none: of several writers one does it."""
        ...

    def delete(self, path: str) -> None:
        """Delete a file, if it is there."""
        ...
