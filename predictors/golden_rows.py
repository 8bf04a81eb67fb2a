# SPDX-License-Identifier: Apache-2.0
"""The rows that golden requests ask: typical ones, and the first row moved to each kind of edge its columns have."""

from collections.abc import Callable, Iterator
from typing import Any, Final

import numpy as np

from predictors.rows import Place, number_of_rows, places_of, take
from predictors.signature import Tensors, TensorSpec

_BATCH: Final = 8
_UNSEEN: Final = "unseen \N{EM DASH} neue Kategorie"
_NON_ASCII: Final = "Gr\u00fc\u00dfe, \u4f60\u597d \U0001f44b"

#: Of a column, the value at its edge in a tuple of one; an empty tuple where it has no such edge.
_Edge = Callable[[Place], tuple[()] | tuple[object]]


def golden_rows(rows: Tensors, specs: tuple[TensorSpec, ...]) -> Iterator[tuple[str, Tensors]]:
    """Yield what to ask, each with a few words on it.

    Args:
        rows: The sample as public input tensors, at least one row.
        specs: Their description.
    """
    yield "a batch of typical rows", take(rows, slice(_BATCH))
    yield "the first row", take(rows, slice(1))
    yield "the last row", take(rows, slice(number_of_rows(rows) - 1, None))
    for about, edge in _EDGES.items():
        moved = _moved(rows, specs, edge)
        if moved is not None:
            yield about, moved


def _moved(rows: Tensors, specs: tuple[TensorSpec, ...], edge: _Edge) -> Tensors | None:
    """Return the first row with every column at its edge; None where no column has such an edge."""
    first = {name: array[:1].copy() for name, array in rows.items()}
    found = False
    for place in places_of(specs):
        for value in edge(place):
            column: Any = first[place.spec.name][place.selection]
            column[0] = value
            found = True
    return first if found else None


def _minimum(place: Place) -> tuple[()] | tuple[object]:
    return () if place.column.minimum is None else (place.column.minimum,)


def _maximum(place: Place) -> tuple[()] | tuple[object]:
    return () if place.column.maximum is None else (place.column.maximum,)


def _above_float32(place: Place) -> tuple[()] | tuple[object]:
    middle = _middle(place)
    return () if middle is None else (np.nextafter(np.float64(middle), np.inf),)


def _between_float32(place: Place) -> tuple[()] | tuple[object]:
    middle = _middle(place)
    return () if middle is None else ((float(middle) + float(np.nextafter(middle, np.float32(np.inf)))) / 2,)


def _missing(place: Place) -> tuple[()] | tuple[object]:
    if not place.column.missing:
        return ()
    return (None,) if place.dtype.kind == "O" else (np.nan,)


def _unseen(place: Place) -> tuple[()] | tuple[object]:
    return (_UNSEEN,) if place.column.categories else ()


def _empty(place: Place) -> tuple[()] | tuple[object]:
    return ("",) if place.dtype.kind == "O" else ()


def _outside_ascii(place: Place) -> tuple[()] | tuple[object]:
    return (_NON_ASCII,) if place.dtype.kind == "O" else ()


def _middle(place: Place) -> np.float32 | None:
    """Return a float32 in the middle of a float column's range; None for other columns."""
    low, high = place.column.minimum, place.column.maximum
    if place.dtype.kind != "f" or low is None or high is None:
        return None
    with np.errstate(over="ignore"):
        middle = np.float32(low / 2 + high / 2)
    return middle if np.isfinite(middle) else None


_EDGES: Final[dict[str, _Edge]] = {
    "every number at its minimum": _minimum,
    "every number at its maximum": _maximum,
    "every number just above a float32": _above_float32,
    "every number halfway between two float32": _between_float32,
    "every value missing that may be": _missing,
    "an unseen category in every column of texts": _unseen,
    "empty texts": _empty,
    "texts outside ASCII": _outside_ascii,
}
