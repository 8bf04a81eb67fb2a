# SPDX-License-Identifier: Apache-2.0
"""Counters in memory that all workers share: each worker adds in a row of its own, and any of them can tell the sum.

The memory is taken before the workers are forked. A worker that ends leaves its counts behind, and its successor goes
on in the same row, so that totals never fall and nothing that was counted is lost.
"""

import mmap
from typing import Final

import numpy as np
import numpy.typing as npt

_BYTES: Final = 8


class Counters:
    """A fixed number of 64-bit integers for each worker, all zero at first.

    A row has one writer: the event loop of its worker. Reading is open to all of them.

    Attributes:
        mine: This worker's row, as a list of integers that is added to in place.
    """

    mine: memoryview

    def __init__(self, size: int, workers: int = 1) -> None:
        self._size = size
        self._workers = workers
        self._memory = memoryview(mmap.mmap(-1, max(1, size * workers) * _BYTES)).cast("q")
        self.use_row(0)

    def use_row(self, worker: int) -> None:
        """Take the row of the worker with this number, from 0 on."""
        self.mine = self._memory[worker * self._size : (worker + 1) * self._size]

    def totals(self) -> npt.NDArray[np.int64]:
        """Return the sums over all workers, (size,)."""
        sums: npt.NDArray[np.int64] = self._rows().sum(axis=0)
        return sums

    def latest(self, place: int) -> int:
        """Return the largest value that any worker has at a place."""
        return int(self._rows()[:, place].max())

    def _rows(self) -> npt.NDArray[np.int64]:
        flat = np.frombuffer(self._memory, dtype=np.int64, count=self._size * self._workers)
        return flat.reshape(self._workers, self._size)
