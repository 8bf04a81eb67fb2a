# SPDX-License-Identifier: Apache-2.0
"""How long and how often: the two sizes of a run."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Plan:
    """The size of a run; every figure is the median over the rounds.

    Attributes:
        rounds: How often each figure is taken; servers take turns within a round, so that all see the same minutes.
        seconds: How long each load lasts, in whole seconds (wrk knows no others).
        warm_up_seconds: How long each server is loaded before its first figure.
        probe_seconds: How long health is probed under load, and how long an overload lasts.
        start_models: The models whose start and memory are measured.
        row_counts: The numbers of rows in a request.
    """

    rounds: int
    seconds: int
    warm_up_seconds: int
    probe_seconds: int
    start_models: tuple[str, ...]
    row_counts: tuple[int, ...]


FULL: Final = Plan(
    rounds=5,
    seconds=4,
    warm_up_seconds=2,
    probe_seconds=10,
    start_models=("linear", "forest", "spam"),
    row_counts=(1, 10, 100, 1_000, 10_000),
)
QUICK: Final = Plan(
    rounds=1,
    seconds=2,
    warm_up_seconds=1,
    probe_seconds=3,
    start_models=("linear",),
    row_counts=(1, 100, 10_000),
)
