# SPDX-License-Identifier: Apache-2.0
"""Rows of real data, and the requests that are drawn from them."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

import numpy as np

from loadtests.payloads.tensors import EncodedRequest, Encoder, InferenceRequest, Tensor


@dataclass(frozen=True)
class Rows:
    """Columns of equal length: one tensor for each input of a model, over all rows.

    Raises:
        ValueError: There is no column or no row, or the columns differ in length.
    """

    columns: tuple[Tensor, ...]

    def __post_init__(self) -> None:
        if len({column.shape[0] for column in self.columns}) != 1 or len(self) == 0:
            raise ValueError("rows need columns of one length, at least 1")

    def __len__(self) -> int:
        """Return how many rows there are."""
        return self.columns[0].shape[0]

    def take(self, indices: Sequence[int]) -> InferenceRequest:
        """Return the request that asks about these rows, in this order."""
        return InferenceRequest(inputs=tuple(_taken(column, indices) for column in self.columns), rows=len(indices))


def prepared(  # noqa: PLR0917 (as a request is told: that many rows, so encoded, to whom)
    rows: Rows, size: int, how: Encoder, model: str, version: str | None, count: int, seed: int
) -> tuple[EncodedRequest, ...]:
    """Return requests drawn from rows, ready to be sent.

    Args:
        rows: The data.
        size: Rows of each request, drawn with replacement.
        how: What makes their bytes.
        model: The model they ask.
        version: Its version; None: whichever is served.
        count: How many requests.
        seed: Of numpy's PCG64; the same seed gives the same requests, byte for byte, however they are encoded.
    """
    drawn = np.random.default_rng(seed).integers(len(rows), size=(count, size))
    return tuple(how(rows.take(indices), model, version) for indices in drawn.tolist())


def _taken(column: Tensor, indices: Sequence[int]) -> Tensor:
    width = prod(column.shape[1:])
    data = tuple(value for index in indices for value in column.data[index * width : (index + 1) * width])
    return Tensor(column.name, column.datatype, (len(indices), *column.shape[1:]), data)
