# SPDX-License-Identifier: Apache-2.0
"""What a simulated version has counted in a step, kept in arrays until the gates ask: a run has 200,000 looks."""

from typing import Final

import numpy as np

from benchmarks.rollouts.version import BOUNDS, Second, spam
from rollouts.measurements.snapshot import Snapshot
from rollouts.measurements.sums import Bunching, Sums

_LABELS: Final = (*map(str, BOUNDS), "+Inf")
_TENTHS: Final = ("[-inf, 0.1)", *(f"[{k / 10}, {(k + 1) / 10})" for k in range(1, 9)), "[0.9, +inf)")


class Window:
    """The counts of a version, look by look."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self.requests = 0
        self._blocks = self._squares = 0
        self._failed = np.zeros(3, np.int64)
        self._times = np.zeros(len(_LABELS), np.int64)
        self._slower = np.zeros((2, len(BOUNDS)), np.int64)
        self._tenths = np.zeros(len(_TENTHS), np.int64)

    def add(self, block: Second) -> None:
        """Count one look."""
        if not block.requests:
            return
        self.requests += block.requests
        self._blocks += 1
        self._squares += block.requests**2
        self._failed += block.failed, block.failed**2, block.failed * block.requests
        self._times += block.times
        self._tenths += block.tenths
        slower = block.requests - block.times[:-1].cumsum()
        self._slower[0] += slower**2
        self._slower[1] += slower * block.requests

    def sums(self) -> Sums:
        """Return the counts as the gates take them."""
        failed, squares, products = self._failed.tolist()
        times, tenths = self._times.tolist(), self._tenths.tolist()
        answered, found = sum(tenths), spam(self._tenths)
        slower = self._slower.T.tolist()
        return Sums(
            counts=Snapshot(
                requests=self.requests,
                failed=failed,
                rows=answered,
                seconds={label: count for label, count in zip(_LABELS, times, strict=True) if count},
                outputs={
                    "label": {name: count for name, count in (("ham", answered - found), ("spam", found)) if count},
                    "probability": {name: count for name, count in zip(_TENTHS, tenths, strict=True) if count},
                },
            ),
            blocks=self._blocks,
            squares=self._squares,
            failed=Bunching(squares, products),
            slower={
                label: Bunching(*sums)
                for label, sums, count in zip(_LABELS[:-1], slower, times[:-1], strict=True)
                if count
            },
        )
