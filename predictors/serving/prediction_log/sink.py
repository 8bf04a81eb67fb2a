# SPDX-License-Identifier: Apache-2.0
"""What the prediction log asks of the place its records go to."""

from collections.abc import Container, Sequence
from typing import Protocol

from predictors.serving.prediction_log.record import Prediction


class SinkError(Exception):
    """Records could not be written.

    Attributes:
        delivered: How many of them, the first ones, were written all the same.
        passing: Whether another attempt may succeed.
    """

    def __init__(self, reason: str, *, delivered: int = 0, passing: bool = False) -> None:
        super().__init__(reason)
        self.delivered = delivered
        self.passing = passing


class Sink(Protocol):
    """Takes records. A sink belongs to one thread of one process, and opens nothing before its first write.

    Attributes:
        linger: How many seconds a record may wait for others to be written with.
    """

    linger: float

    def encode(self, prediction: Prediction, redact: Container[str]) -> bytes:
        """Return the record that ``write`` takes; raises what ``line_of`` raises."""

    def write(self, records: Sequence[bytes]) -> None:
        """Write encoded records; SinkError when that fails."""

    def close(self) -> None:
        """Give back what was opened."""


def reason_of(err: Exception) -> str:
    """Return what may be shown of an error: the system's words, never text made from what was sent or given."""
    return (err.strerror if isinstance(err, OSError) else None) or type(err).__name__
