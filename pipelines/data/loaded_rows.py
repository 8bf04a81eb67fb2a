# SPDX-License-Identifier: Apache-2.0
"""The rows of all parts in one frame, each with the part it is in and its number in the data as loaded."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from pipelines.data.findings import numbers_listed, rows_text
from pipelines.errors import StepError
from pipelines.use_cases import Parts


@dataclass(frozen=True, eq=False)
class LoadedRows:
    """All rows, those of train first, then validation, then test.

    Attributes:
        frame: The rows, numbered anew from 0: places.
        part: Of each place, the part it is in: 0, 1, 2 as in ``Parts``.
        number: Of each place, the row's number in the data as loaded.
    """

    frame: pd.DataFrame
    part: npt.NDArray[np.int64]
    number: npt.NDArray[np.int64]

    @classmethod
    def of(cls, parts: Parts) -> "LoadedRows":
        """Return the rows of parts whose index has the rows' numbers; where a split lost them, places stand for them.

        Raises:
            StepError: The parts have different columns.
        """
        filled = [part for part in parts if len(part)] or [parts.train]
        if any(list(part.columns) != list(filled[0].columns) for part in filled):
            raise StepError("the parts that split() returns have different columns; let it only choose rows")
        index = np.concatenate([part.index.to_numpy() for part in filled])
        lost = index.dtype.kind not in "iu" or len(np.unique(index)) < len(index)
        return cls(
            frame=pd.concat(filled, ignore_index=True),
            part=np.repeat(np.arange(len(parts)), [len(part) for part in parts]),
            number=np.arange(len(index)) if lost else index.astype(np.int64),
        )

    def by_part(self) -> Iterator[tuple[str, npt.NDArray[np.bool_]]]:
        """Yield the name of each part that has rows, and the places that are in it."""
        for place, name in enumerate(Parts._fields):
            inside = self.part == place
            if inside.any():
                yield name, inside

    def listed(self, places: npt.NDArray[np.int64]) -> tuple[int, ...]:
        """Return the numbers of the first of the rows at these places."""
        return numbers_listed(np.sort(self.number[places]))

    def told(self, places: npt.NDArray[np.int64], count: int | None = None) -> str:
        """Return the rows at these places as a sentence lists them; of ``count`` rows where these are not all."""
        return rows_text(self.listed(places), len(places) if count is None else count)
