# SPDX-License-Identifier: Apache-2.0
"""What the rollouts of a scenario came to, as a table and as a document."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from benchmarks.figures import percentile
from benchmarks.report import table
from benchmarks.rollouts.simulation import Course, End


@dataclass(frozen=True, slots=True)
class Figures:
    """The rollouts of one scenario.

    Attributes:
        name: What was rolled out.
        rollouts: How many.
        ends: How many of them ended how.
        gates: How many of them each gate reverted.
        seconds: To the end of those that ended most often so, at the median and the 95th percentile.
        requests: That the canary had answered by then, likewise.
    """

    name: str
    rollouts: int
    ends: dict[str, int]
    gates: dict[str, int]
    seconds: tuple[float, float]
    requests: tuple[float, float]

    @classmethod
    def of(cls, name: str, courses: Sequence[Course]) -> "Figures":
        """Return the figures of the rollouts of a scenario, at least one."""
        ends = Counter(course.end for course in courses)
        # A verdict where there are some; else what became of them.
        counted = End.REVERTED if ends[End.REVERTED] else ends.most_common(1)[0][0]
        chosen = [course for course in courses if course.end is counted]
        return cls(
            name=name,
            rollouts=len(courses),
            ends={str(end): ends[end] for end in End},
            gates=dict(Counter(gate for course in courses for gate in course.gates)),
            seconds=_figures([course.seconds for course in chosen]),
            requests=_figures([course.requests for course in chosen]),
        )

    def document(self) -> dict[str, Any]:
        """Return the figures for JSON."""
        return asdict(self)


def equal_table(figures: Sequence[Figures]) -> str:
    """Return the table of versions that are as good as the other."""
    head = ["equal versions", "rollouts", "reverted", "promoted", "inconclusive", "s to the end: median", "p95"]
    return table(head, [[one.name, f"{one.rollouts:,}", *_ends(one), *_numbers(one.seconds)] for one in figures])


def fault_table(figures: Sequence[Figures]) -> str:
    """Return the table of faults; times and requests are those of the rollouts that were reverted, if any."""
    head = ["fault", "rollouts", "reverted", "promoted", "inconclusive", "s to the end: median", "p95"]
    head += ["canary's requests: median", "p95"]
    rows = [
        [one.name, f"{one.rollouts:,}", *_ends(one), *_numbers(one.seconds), *_numbers(one.requests)] for one in figures
    ]
    return table(head, rows)


def _ends(figures: Figures) -> list[str]:
    shares = {end: figures.ends[end] / figures.rollouts * 100 for end in End}
    return [f"{shares[end]:.3g} %" for end in (End.REVERTED, End.PROMOTED, End.INCONCLUSIVE)]


def _numbers(figures: tuple[float, float]) -> list[str]:
    return [f"{figure:,.0f}" for figure in figures]


def _figures(values: Sequence[float]) -> tuple[float, float]:
    return percentile(values, 0.5), percentile(values, 0.95)
