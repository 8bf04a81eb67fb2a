# SPDX-License-Identifier: Apache-2.0
"""The durations that an SLO states, as lines in plots of latency."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from loadtests.judging.objective import duration_text
from loadtests.judging.verdict import Verdict
from loadtests.report.drawing import Ink

_PERCENTILE: Final = re.compile(r"(p[\d.]+) latency")
_GOODPUT: Final = re.compile(r"goodput within ([\d.e+]+) (us|ms|s)")
_MICROSECONDS: Final = {"us": 1, "ms": 1_000, "s": 1_000_000}
_INKS: Final = {"p50": Ink.P50, "p95": Ink.P95, "p99": Ink.P99}


@dataclass(frozen=True)
class Limit:
    """A duration that an objective states.

    Attributes:
        label: Such as "p99 at most 100 ms".
        microseconds: The duration.
        ink: The colour of what it limits.
    """

    label: str
    microseconds: float
    ink: Ink


def limits(verdict: Verdict) -> tuple[Limit, ...]:
    """Return the durations that the objectives state, in their order."""
    return tuple(_limits(verdict))


def _limits(verdict: Verdict) -> Iterator[Limit]:
    for one in verdict.objectives:
        if percentile := _PERCENTILE.fullmatch(one.name):
            label = f"{percentile[1]} at most {duration_text(one.limit)}"
            yield Limit(label, one.limit, _INKS.get(percentile[1], Ink.TEXT))
        elif goodput := _GOODPUT.fullmatch(one.name):
            yield Limit(one.name, float(goodput[1]) * _MICROSECONDS[goodput[2]], Ink.TEXT)
