# SPDX-License-Identifier: Apache-2.0
"""What a check of a cluster finds: how it stands, in one line, and what to do about it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

State = Literal["ok", "warning", "problem"]

_CHECK_WIDTH = 18


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        check: What was looked at, such as ``Gateway``.
        state: ``ok``; ``warning`` where something that some need is missing; ``problem`` where models cannot be served.
        told: What was found, in one line.
        remedy: What to do; empty when all is well.
    """

    check: str
    state: State
    told: str
    remedy: str = ""

    def __str__(self) -> str:
        line = f"{self.state:<8} {self.check:<{_CHECK_WIDTH}} {self.told}"
        return f"{line}\n{'':9}{'':{_CHECK_WIDTH}} -> {self.remedy}" if self.remedy else line


def summary(findings: Sequence[Finding]) -> str:
    """Return the counts of what was found, in words."""
    counts = {state: sum(finding.state == state for finding in findings) for state in ("ok", "warning", "problem")}
    words = [f"{counts['ok']} ok"]
    words += [f"{counts[state]} {state}{'' if counts[state] == 1 else 's'}" for state in ("warning", "problem")]
    return ", ".join(words)
