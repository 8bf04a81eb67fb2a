# SPDX-License-Identifier: Apache-2.0
"""What runs note beside the models: small documents whose paths begin with a dot, as ``.runs/spam/<run>.json``."""

from pipelines.registry.errors import RegistryError
from pipelines.registry.store import Store


class Records:
    """The notes under a registry's root.

    Every method raises RegistryError where the registry cannot be reached, or where a path is none of a note: it begins
    with a dot, which no model's name does, and leads nowhere else.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    def read(self, path: str) -> bytes | None:
        """Return a note; None when there is none."""
        return self._store.read(_checked(path))

    def write(self, path: str, content: bytes) -> None:
        """Write a note, over what may be there."""
        self._store.write(_checked(path), content)

    def create(self, path: str, content: bytes) -> bool:
        """Write a note unless there is one, and return whether there was none.

        Of several writers at once one is told True. Where the answer to a write is lost and the client asks again, that
        one may be told False as well: a writer that needs to know reads the note and looks for its own content.
        """
        return self._store.create(_checked(path), content)

    def delete(self, path: str) -> None:
        """Delete a note, if it is there."""
        self._store.delete(_checked(path))

    def names(self, folder: str) -> set[str]:
        """Return the paths of the notes in a folder, relative to it."""
        return set(self._store.files(_checked(folder)))


def _checked(path: str) -> str:
    parts = path.split("/")
    if not path.startswith(".") or any(part in ("", ".", "..") for part in parts):
        raise RegistryError(f'"{path}": a note\'s path begins with a dot and is relative, as in .runs/spam/one.json')
    return path
