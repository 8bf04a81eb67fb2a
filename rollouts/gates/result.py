# SPDX-License-Identifier: Apache-2.0
"""What one gate says about the evidence so far."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class Outcome(StrEnum):
    """What is known about a limit."""

    VIOLATED = "Violated"
    """It is broken, but for the error that the rollout may make."""
    HOLDS = "Holds"
    """It is kept, but for that error."""
    WITHIN = "Within"
    """Not proven either way; what was measured is within the limit."""
    BEYOND = "Beyond"
    """Not proven either way; what was measured is beyond the limit, so more requests are waited for."""


@dataclass(frozen=True, slots=True)
class GateResult:
    """One gate's word.

    Attributes:
        gate: ``errors``, ``latency``, ``predictions`` or ``disagreements``; with an output's name behind a colon
            where there are several.
        outcome: What is known.
        measured: The figure that is compared with the limit.
        low: The lower end of its interval; None where nothing bounds it.
        high: The upper end; None where nothing bounds it.
        limit: The limit.
        text: One line for a reader, with the numbers of both versions and their units.
    """

    gate: str
    outcome: Outcome
    measured: float | None
    low: float | None
    high: float | None
    limit: float
    text: str

    def as_document(self) -> dict[str, Any]:
        """Return it as the status has it; figures of six significant digits, those that are not there left out."""
        figures = {"measured": self.measured, "low": self.low, "high": self.high, "limit": self.limit}
        rounded = {name: float(f"{value:.6g}") for name, value in figures.items() if value is not None}
        return {"gate": self.gate, "outcome": str(self.outcome), "text": self.text, **rounded}

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> "GateResult":
        """Return what ``as_document`` has made."""
        return cls(
            gate=document["gate"],
            outcome=Outcome(document["outcome"]),
            measured=document.get("measured"),
            low=document.get("low"),
            high=document.get("high"),
            limit=document["limit"],
            text=document["text"],
        )


def outcome_of(*, violated: bool, holds: bool, within: bool) -> Outcome:
    """Return what is known: what is proven, else what was measured.

    Args:
        violated: Whether the limit is proven to be broken.
        holds: Whether it is proven to be kept.
        within: Whether what was measured is within it.
    """
    if violated:
        return Outcome.VIOLATED
    if holds:
        return Outcome.HOLDS
    return Outcome.WITHIN if within else Outcome.BEYOND


def nothing_yet(gate: str, limit: float) -> GateResult:
    """Return the word of a gate while the canary has answered nothing."""
    text = f"{gate}: the canary has answered no requests yet"
    return GateResult(gate, Outcome.BEYOND, None, None, None, limit, text)


def not_compared(gate: str, limit: float) -> GateResult:
    """Return the word of a gate that compares, where the stable version answers nothing."""
    text = f"{gate}: not compared, the stable version has answered no requests in this step"
    return GateResult(gate, Outcome.WITHIN, None, None, None, limit, text)
