# SPDX-License-Identifier: Apache-2.0
"""What the two kinds of model file have in common: how they are read, and what must not differ between two runs."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from predictors.errors import ArtifactError

#: A model file is refused that is larger, or would be once it is decompressed.
MAX_BYTES = 4 * 2**30

#: Modules of trees that count how often they were asked, and where in their state the counters stand.
COUNTING_TREES = frozenset({"sklearn.neighbors._ball_tree", "sklearn.neighbors._kd_tree"})
TREE_COUNTERS = slice(7, 11)

_SHOWN_NAMES = 5
_SHOWN_CHARACTERS = 200


def read_bytes(path: Path) -> bytes:
    """Return a file's bytes: read once, so that what is checked is what is loaded.

    Raises:
        ArtifactError: It is missing, empty or too large.
    """
    try:
        content = path.read_bytes() if path.stat().st_size <= MAX_BYTES else None
    except OSError as err:
        raise ArtifactError(f"{path}: cannot be read: {err.strerror}") from err
    if content is None:
        raise ArtifactError(f"{path}: it holds more than {MAX_BYTES} bytes, which is the limit")
    if not content:
        raise ArtifactError(f"{path}: it is empty")
    return content


def list_names(names: Sequence[str]) -> str:
    """Return the first few names for a sentence, and how many more there are."""
    more = len(names) - _SHOWN_NAMES
    shown = ", ".join(name[:_SHOWN_CHARACTERS] for name in names[:_SHOWN_NAMES])
    return shown + (f" and {more} more" if more > 0 else "")


def describe_error(err: Exception) -> str:
    """Return an error's kind and text for a sentence; a file can make the text as long as it likes."""
    return f"{type(err).__name__}: {err}".removesuffix(": ")[:_SHOWN_CHARACTERS]


def module_of_ufunc(found: object, name: str) -> str | None:
    """Return the public module that a ufunc is best named by; None for other objects.

    Ufuncs know their module only since numpy 2.4, and before, the one in which they are found depends on which was
    imported first.
    """
    for module in ("numpy", "scipy.special"):
        if isinstance(found, np.ufunc) and vars(sys.modules.get(module, np)).get(name) is found:
            return module
    return None


def without_padding(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return an equal array in which the bytes between the fields are zero; they hold whatever was in the memory."""
    fields = array.dtype.fields
    if fields is None or sum(field[0].itemsize for field in fields.values()) == array.dtype.itemsize:
        return array
    clean = np.zeros(array.shape, array.dtype)
    for name in fields:
        clean[name] = array[name]
    return clean
