# SPDX-License-Identifier: Apache-2.0
"""Rows of tensors: how many, which, one after another, and where in them a column stands."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from predictors.datatypes import DTYPES
from predictors.signature import Column, Tensors, TensorSpec


class Place(NamedTuple):
    """Where a column stands: its tensor, and its place on the tensor's last axis."""

    spec: TensorSpec
    number: int
    column: Column

    @property
    def dtype(self) -> np.dtype[np.generic]:
        """The dtype of the tensor."""
        return DTYPES[self.spec.datatype]

    @property
    def selection(self) -> tuple[slice] | tuple[slice, int]:
        """What picks the column from the tensor, (rows,)."""
        return (slice(None),) if len(self.spec.shape) == 1 else (slice(None), self.number)


def places_of(specs: tuple[TensorSpec, ...]) -> list[Place]:
    """Return all columns, in the order in which the estimator sees them."""
    return [Place(spec, number, column) for spec in specs for number, column in enumerate(spec.columns)]


def number_of_rows(rows: Tensors) -> int:
    """Return the length of the tensors' first axis."""
    return len(next(iter(rows.values())))


def take(rows: Tensors, which: slice | npt.NDArray[np.integer[Any]]) -> dict[str, npt.NDArray[np.generic]]:
    """Return these rows of every tensor."""
    return {name: array[which] for name, array in rows.items()}


def stack(parts: Sequence[Tensors]) -> dict[str, npt.NDArray[np.generic]]:
    """Return the rows of all parts, one after another; each part has the same tensors."""
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
