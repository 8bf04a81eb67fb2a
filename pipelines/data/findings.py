# SPDX-License-Identifier: Apache-2.0
"""What the checks of data find: in which column, in which rows, and the sentence that says so."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

#: So many rows are listed of those that are meant.
MOST_ROWS: Final = 10

#: So many findings are told in one sentence; the report has all.
_MOST_TOLD: Final = 3


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is wrong with the data.

    Attributes:
        check: The check that found it.
        column: The column; empty where it is about whole rows.
        rows: Up to ``MOST_ROWS`` of the rows that are meant, by their numbers in the data as loaded, 0 being the first.
        count: How many rows are meant.
        sentence: What is wrong; it names column and rows.
        stops: Whether the pipeline must not go on with such data; else it is only a remark.
    """

    check: str
    column: str
    rows: tuple[int, ...]
    count: int
    sentence: str
    stops: bool = True


@dataclass(frozen=True, slots=True)
class Check:
    """A check as it was done, for the report.

    Attributes:
        name: What is looked at.
        limit: What must hold.
        measured: What came out.
        findings: What it found.
        done: Whether it could be done at all.
    """

    name: str
    limit: str
    measured: str
    findings: tuple[Finding, ...] = ()
    done: bool = True

    @property
    def outcome(self) -> str:
        """``passed``, ``remark``, ``failed`` or ``not done``."""
        if any(finding.stops for finding in self.findings):
            return "failed"
        if self.findings:
            return "remark"
        return "passed" if self.done else "not done"


def numbers_listed(rows: npt.NDArray[np.int64]) -> tuple[int, ...]:
    """Return the first rows, as a finding lists them."""
    return tuple(rows[:MOST_ROWS].tolist())


def rows_text(rows: Sequence[int], count: int) -> str:
    """Return rows as a sentence lists them, with the count where there are more of them: ``rows 3, 17 and 20``."""
    if not rows:
        return "no row"
    if count > len(rows):
        return f"rows {', '.join(map(str, rows))}, ... ({count:,} rows)"
    *others, last = map(str, rows)
    return f"rows {', '.join(others)} and {last}" if others else f"row {last}"


def refusal(findings: Sequence[Finding]) -> str:
    """Return in one sentence why a pipeline must not go on, of findings that stop it."""
    told = [finding.sentence for finding in findings[:_MOST_TOLD]]
    others = len(findings) - len(told)
    more = f"; and {others} more finding{'s' if others > 1 else ''}, in the report" if others else ""
    return f"the data do not pass their checks: {'; '.join(told)}{more} (row 0 is the first); correct the data"
