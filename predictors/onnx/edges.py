# SPDX-License-Identifier: Apache-2.0
"""Rows at the edges of the sample and just outside of it, and which of those the estimator refuses."""

import warnings
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from predictors.rows import Place, number_of_rows, places_of, stack, take
from predictors.scorers.scorer import Scorer
from predictors.signature import Tensors, TensorSpec

#: Texts that no sample is likely to hold: none at all, and characters of two, three and four bytes.
UNSEEN_TEXTS: Final = ("", "unseen é ☃ 🙂")

#: How many rows get each edge, and all edges together.
_ROWS: Final = 4
_ROWS_AT_MOST: Final = 2_000

#: So many unseen values are tried one by one, when the estimator refuses them together.
_TRIED_ALONE: Final = 100

_SEED: Final = 20_240_229

_Edge = tuple[Place, object]


class Edges(NamedTuple):
    """Rows at the edges.

    Attributes:
        accepted: Rows that the estimator accepts; maybe none.
        refused: Rows that it refuses, by the unseen value in them.
    """

    accepted: dict[str, npt.NDArray[np.generic]]
    refused: dict[str, Tensors]


def rows_at_edges(scorer: Scorer, sample: Tensors, specs: tuple[TensorSpec, ...]) -> Edges:
    """Return sample rows that have each column's minimum and maximum, missing values, and values not in the sample.

    Missing values stand only where the sample has some. Unseen are numbers outside of the sample's range and, in
    floating columns, between its whole numbers, and texts.

    Args:
        scorer: The scorer that calls the estimator.
        sample: The sample's rows as input tensors, at least one.
        specs: The model's input tensors.
    """
    rng = np.random.default_rng(_SEED)
    places = places_of(specs)
    seen = [(place, value) for place in places for value in _seen(place)]
    unseen = [(place, value) for place in places for value in _unseen(place)]
    repeats = max(1, min(_ROWS, _ROWS_AT_MOST // max(1, len(seen) + len(unseen))))
    accepted: list[Tensors] = [_rows_with(sample, seen, repeats, rng)]
    refused: dict[str, Tensors] = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # scikit-learn warns of categories it does not know: they are here on purpose
        together = _rows_with(sample, unseen, repeats, rng)
        if not unseen or _is_accepted(scorer, together):
            return Edges(stack([*accepted, together]), refused)
        for place, value in unseen[:_TRIED_ALONE]:
            rows = _rows_with(sample, [(place, value)], repeats, rng)
            if _is_accepted(scorer, rows):
                accepted.append(rows)
            else:
                refused[f"{value!r} as {place.column.name!r}"] = rows
    return Edges(stack(accepted), refused)


def _seen(place: Place) -> list[object]:
    column = place.column
    values: list[object] = [value for value in (column.minimum, column.maximum) if value is not None]
    if column.missing and place.dtype.kind in "fO":
        values.append(np.nan if place.dtype.kind == "f" else None)
    return values


def _unseen(place: Place) -> Sequence[object]:
    low, high = place.column.minimum, place.column.maximum
    if place.spec.datatype == "BYTES":
        return UNSEEN_TEXTS
    if low is None or high is None or place.spec.datatype == "BOOL":
        return ()
    if place.dtype.kind == "f":
        return (low - 1, low + 0.25, high + 1)
    limits = np.iinfo(place.dtype.name)
    return [value for value in (int(low) - 1, int(high) + 1) if limits.min <= value <= limits.max]


def _rows_with(
    sample: Tensors, edges: Sequence[_Edge], repeats: int, rng: np.random.Generator
) -> dict[str, npt.NDArray[np.generic]]:
    rows = take(sample, rng.integers(number_of_rows(sample), size=len(edges) * repeats))
    for row, (place, value) in enumerate(edge for edge in edges for _ in range(repeats)):
        column: Any = rows[place.spec.name][place.selection]
        column[row] = value
    return rows


def _is_accepted(scorer: Scorer, rows: Tensors) -> bool:
    try:
        scorer.score(rows)
    except (LookupError, TypeError, ValueError):  # what scikit-learn says to a value it does not know
        return False
    return True
