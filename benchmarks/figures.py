# SPDX-License-Identifier: Apache-2.0
"""What a run measures: figures, each with the values of all rounds."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from statistics import median
from typing import Final

#: The names of what is compared, as tables and JSON have them.
PORTSIDE: Final = "Portside"
STOCK: Final = "stock KServe"
MLSERVER: Final = "MLServer"
ASGI_ECHO: Final = "ASGI echo"
PROTOCOL_ECHO: Final = "protocol echo"


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure.

    Attributes:
        section: The part of the run it belongs to.
        metric: What was measured, with its unit.
        case: What it was measured on: a model, a number of rows, a path.
        subject: What was measured: a server or one way to run it.
        values: The value of each round, in the metric's unit.
    """

    section: str
    metric: str
    case: str
    subject: str
    values: tuple[float, ...]

    @property
    def value(self) -> float:
        """The median over the rounds."""
        return median(self.values)


@dataclass
class Ledger:
    """The figures of a section while they are taken.

    Attributes:
        section: The section's name.
        notes: Sentences that belong under its tables.
    """

    section: str
    notes: list[str] = field(default_factory=list)
    _values: dict[tuple[str, str, str], list[float]] = field(default_factory=dict)

    def add(self, metric: str, case: str, subject: str, value: float) -> None:
        """Enter the value of one round."""
        self._values.setdefault((metric, case, subject), []).append(value)

    def note(self, sentence: str) -> None:
        """Enter a sentence, once."""
        if sentence not in self.notes:
            self.notes.append(sentence)

    def __iter__(self) -> Iterator[Figure]:
        for (metric, case, subject), values in self._values.items():
            yield Figure(self.section, metric, case, subject, tuple(values))


def find(figures: Iterable[Figure], section: str, metric: str, case: str, subject: str) -> Figure | None:
    """Return a figure; None when it was not taken in this run."""
    for figure in figures:
        if (figure.section, figure.metric, figure.case, figure.subject) == (section, metric, case, subject):
            return figure
    return None


def percentile(values: Iterable[float], share: float) -> float:
    """Return the smallest value that at least a share of all values does not exceed (nearest rank).

    Args:
        values: At least one value.
        share: Above 0 and up to 1.

    Raises:
        ValueError: There is no value, or the share is out of its range.
    """
    ordered = sorted(values)
    if not ordered or not 0 < share <= 1:
        raise ValueError("a percentile needs a value and a share above 0 and up to 1")
    rank = -int(-len(ordered) * share // 1)
    return ordered[rank - 1]
