# SPDX-License-Identifier: Apache-2.0
"""What became of the predictions that were sampled, summed over the workers."""

import threading
from typing import Final

from predictors.serving.metrics.counters import Counters

RESULTS: Final = ("written", "dropped", "failed")


class LogResults:
    """Counts of logged predictions by what became of them; threads may add at once."""

    def __init__(self, *, workers: int = 1) -> None:
        self._counters = Counters(len(RESULTS), workers)
        self._lock = threading.Lock()

    def use_row(self, worker: int) -> None:
        """Count in the row of the worker with this number."""
        self._counters.use_row(worker)

    def add(self, result: str, count: int) -> None:
        """Count so many predictions: written, dropped because the log was full, or failed at its target."""
        with self._lock:
            self._counters.mine[RESULTS.index(result)] += count

    def totals(self) -> dict[str, int]:
        """Return the counts over all workers."""
        return dict(zip(RESULTS, self._counters.totals().tolist(), strict=True))
