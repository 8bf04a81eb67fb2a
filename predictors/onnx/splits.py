# SPDX-License-Identifier: Apache-2.0
"""Rows that stand at both sides of the splits of a model's trees, where its input columns are what the trees see."""

from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from predictors.datatypes import DTYPES
from predictors.onnx.trees import Floats, Ints, Tree, split_points
from predictors.rows import Place
from predictors.signature import Tensors

#: Bounds of the rows made; beyond one of them, splits are chosen by chance.
MAX_ROWS: Final = 100_000
MAX_CELLS: Final = 20_000_000  # rows x columns
MAX_VISITS: Final = 10_000_000  # rows x trees

#: A model of few splits gets several rows for each, up to so many, and up to so many rows in all: where a tree's leaves
#: know several outputs, one row may not tell all of them.
_ROWS_PER_SPLIT: Final = 8
_ROWS_OF_FEW_SPLITS: Final = 20_000

#: How many splits are also tried at the threshold itself and its float32 neighbours.
TRIED_WIDELY: Final = 500

#: How often a row is looked for that ends in different leaves at the two sides of a split: among the sample's rows,
#: and then among rows that take each column's value from anywhere.
_TRIES_WITH_SAMPLE: Final = 4
_TRIES: Final = 40

_Flags = npt.NDArray[np.bool_]


def rows_at_splits(
    trees: list[Tree], sample: Tensors, places: list[Place], rng: np.random.Generator, *, float32: bool
) -> dict[str, npt.NDArray[np.generic]]:
    """Return rows that go down to a split and there left by a hair, right by a hair, and on without a value.

    A model that parts the values elsewhere, though by one step of their datatype, gives another output on one of
    them, as long as any row tells the two sides apart. Rows without a value are made where the sample has some. All
    splits, and so all leaves, are tried, up to 100,000 rows (fewer for more than 200 columns or 100 trees).

    Args:
        trees: The model's trees, at least one.
        sample: The sample's rows as input tensors, all of numbers.
        places: The columns, counted as the trees do.
        rng: Chooses the rows.
        float32: Whether the trees round a value to float32 before comparing it.
    """
    nodes = _nodes(trees, [place.dtype for place in places], float32=float32)
    matrix = np.column_stack([sample[place.spec.name][place.selection].astype(np.float64) for place in places])
    may_miss = np.array([place.column.missing and place.dtype.kind == "f" for place in places])
    sides = [nodes.last_left, nodes.first_right]
    if may_miss.any():
        sides.append(np.full_like(nodes.threshold, np.nan))
    splits = np.flatnonzero(nodes.is_inner & np.isfinite(nodes.last_left) & np.isfinite(nodes.first_right))
    limit = min(MAX_ROWS, MAX_CELLS // len(places), MAX_VISITS // len(trees)) // len(sides)
    if len(splits) > limit:
        splits = np.sort(rng.choice(splits, limit, replace=False))
    repeats = min(_ROWS_PER_SPLIT, _ROWS_OF_FEW_SPLITS // (len(splits) * len(sides) + 1))
    splits = np.repeat(splits, max(1, repeats))
    rows = _telling_rows(nodes, splits, matrix, rng)
    widely = np.sort(rng.permutation(len(splits))[:TRIED_WIDELY])
    made = np.concatenate(
        [
            *(_with_values(rows, nodes.feature[splits], side[splits]) for side in sides),
            *(
                _with_values(rows[widely], nodes.feature[splits[widely]], values)
                for values in _neighbours(nodes.threshold[splits[widely]])
            ),
        ]
    )
    return _as_tensors(made[~(np.isnan(made) & ~may_miss).any(axis=1)], places)


class _Nodes(NamedTuple):
    """The nodes of all trees in one row of arrays, each with its parent (-1: it is a root)."""

    feature: Ints
    threshold: Floats
    left: Ints
    right: Ints
    missing_left: _Flags
    value: Floats
    last_left: Floats
    first_right: Floats
    is_inner: _Flags
    parent: Ints
    is_left_child: _Flags


def _nodes(trees: list[Tree], dtypes: list[np.dtype[np.generic]], *, float32: bool) -> _Nodes:
    starts = np.concatenate([[0], np.cumsum([len(tree.feature) for tree in trees])])
    shifted = [
        tree._replace(left=np.where(tree.left < 0, -1, tree.left + start), right=np.maximum(tree.right + start, start))
        for tree, start in zip(trees, starts, strict=False)
    ]
    joined = Tree(*(np.concatenate(arrays) for arrays in zip(*shifted, strict=True)))
    is_inner = joined.left >= 0
    last_left, first_right = np.zeros_like(joined.threshold), np.zeros_like(joined.threshold)
    for dtype in set(dtypes):
        of_dtype = np.array([other == dtype for other in dtypes])[joined.feature] & is_inner
        last_left[of_dtype], first_right[of_dtype] = split_points(joined.threshold[of_dtype], dtype, float32=float32)
    parent = np.full(len(is_inner), -1)
    is_left_child = np.zeros(len(is_inner), dtype=bool)
    inner = np.flatnonzero(is_inner)
    parent[joined.left[inner]] = parent[joined.right[inner]] = inner
    is_left_child[joined.left[inner]] = True
    return _Nodes(*joined, last_left, first_right, is_inner, parent, is_left_child)


def _telling_rows(nodes: _Nodes, splits: Ints, matrix: Floats, rng: np.random.Generator) -> Floats:
    """Return a row for each split that goes down to it and, if one is found, ends otherwise at its other side."""
    rows = np.empty((len(splits), matrix.shape[1]))
    pools = [
        np.concatenate([matrix[:, column], nodes.last_left[of_column], nodes.first_right[of_column]])
        for column in range(matrix.shape[1])
        for of_column in [nodes.is_inner & (nodes.feature == column)]
    ]
    open_ones = np.arange(len(splits))
    for attempt in range(_TRIES):
        if attempt < _TRIES_WITH_SAMPLE:
            tried = matrix[rng.integers(len(matrix), size=len(open_ones))]
        else:
            tried = np.column_stack([rng.choice(pool, len(open_ones)) for pool in pools])
        _lead_down(nodes, splits[open_ones], tried)
        rows[open_ones] = tried
        split = splits[open_ones]
        ends = [
            nodes.value[_leaves(nodes, split, _with_values(tried, nodes.feature[split], side[split]))]
            for side in (nodes.last_left, nodes.first_right)
        ]
        open_ones = open_ones[(ends[0] == ends[1]).all(axis=1)]
        if not len(open_ones):
            break
    return rows


def _lead_down(nodes: _Nodes, splits: Ints, rows: Floats) -> None:
    """Move each row's values, in place, as little as it takes for the row to come to its split."""
    below = splits
    while len(moving := np.flatnonzero(nodes.parent[below] >= 0)):
        above = nodes.parent[below]
        split, at = above[moving], (moving, nodes.feature[above[moving]])
        # fmin and fmax also fill in a missing value.
        rows[at] = np.where(
            nodes.is_left_child[below[moving]],
            np.fmin(rows[at], nodes.last_left[split]),
            np.fmax(rows[at], nodes.first_right[split]),
        )
        below = np.where(above >= 0, above, below)
    rows[np.isinf(rows)] = np.nan  # to the right of a threshold of infinity go only missing values


def _leaves(nodes: _Nodes, starts: Ints, rows: Floats) -> Ints:
    """Return the leaf that each row comes to from its start."""
    at = starts.copy()
    while len(moving := np.flatnonzero(nodes.is_inner[at])):
        node = at[moving]
        values = rows[moving, nodes.feature[node]]
        goes_left = np.where(np.isnan(values), nodes.missing_left[node], values <= nodes.last_left[node])
        at[moving] = np.where(goes_left, nodes.left[node], nodes.right[node])
    return at


def _neighbours(thresholds: Floats) -> list[Floats]:
    with np.errstate(over="ignore"):
        narrow = thresholds.astype(np.float32)
        steps = [narrow, *(np.nextafter(narrow, np.float32(side)) for side in (-np.inf, np.inf))]
    within = [np.where(np.isfinite(step), step, thresholds) for step in steps]
    return [thresholds, *(np.nextafter(thresholds, side) for side in (-np.inf, np.inf)), *within]


def _with_values(rows: Floats, features: Ints, values: Floats) -> Floats:
    changed = rows.copy()
    changed[np.arange(len(rows)), features] = values
    return changed


def _as_tensors(matrix: Floats, places: list[Place]) -> dict[str, npt.NDArray[np.generic]]:
    tensors: dict[str, npt.NDArray[np.generic]] = {}
    for spec in dict.fromkeys(place.spec for place in places):
        values = matrix[:, [number for number, place in enumerate(places) if place.spec is spec]]
        dtype: Any = DTYPES[spec.datatype]
        if dtype.kind in "iu":
            # A split may lie outside of what an integer column can hold; float64 counts whole numbers to 2**53.
            values = np.clip(values, max(np.iinfo(dtype).min, -(2**53)), min(np.iinfo(dtype).max, 2**53))
        with np.errstate(over="ignore"):
            tensors[spec.name] = (values if len(spec.shape) > 1 else values[:, 0]).astype(dtype)
    return tensors
