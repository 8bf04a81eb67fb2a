# SPDX-License-Identifier: Apache-2.0
"""The gate on predictions: how far the distribution of the canary's outputs lies from the stable version's."""

from collections.abc import Mapping
from typing import Final

import numpy as np

from rollouts.gates.bins import are_same, intervals, ordered
from rollouts.gates.figures import number, percent
from rollouts.gates.result import GateResult, Outcome, not_compared, nothing_yet, outcome_of
from rollouts.measurements.evidence import Evidence
from rollouts.measurements.sums import Sums
from rollouts.statistics.design_effect import FEWEST_BLOCKS
from rollouts.statistics.nested_events import nested_distance
from rollouts.statistics.total_variation import Distance, total_variation

PREDICTIONS: Final = "predictions"

_Counts = Mapping[str, int]


def judge_predictions(evidence: Evidence, limit: float, error: float) -> tuple[GateResult, ...]:
    """Return the gate's word on each output: ``predictions``, or ``predictions:OUTPUT`` where there are several.

    Args:
        evidence: What both versions have counted.
        limit: The largest total variation distance, 0 to 1.
        error: The greatest probability that a kept limit is ever taken for a broken one, for any of the outputs.
    """
    canary, stable = evidence.canary.counts, evidence.stable.counts
    if not canary.requests:
        return (nothing_yet(PREDICTIONS, limit),)
    if not stable.requests:
        return (not_compared(PREDICTIONS, limit),)
    outputs = sorted({*canary.outputs, *stable.outputs})
    if not outputs:
        text = "predictions: no outputs are counted; an artifact with a reference distribution has its outputs counted"
        return (GateResult(PREDICTIONS, Outcome.BEYOND, None, None, None, limit, text),)
    part = error / len(outputs)
    names = [f"{PREDICTIONS}:{output}" for output in outputs] if len(outputs) > 1 else [PREDICTIONS]
    return tuple(
        _judge_output(evidence, output, name, limit, part) for output, name in zip(outputs, names, strict=True)
    )


def _judge_output(evidence: Evidence, output: str, gate: str, limit: float, error: float) -> GateResult:
    sides = evidence.canary, evidence.stable
    canary, stable = ({label: n for label, n in sums.counts.outputs.get(output, {}).items() if n} for sums in sides)
    if not canary or not stable:
        version = "stable version" if canary else "canary"
        text = f"predictions of {output}: the {version} has counted none"
        return GateResult(gate, Outcome.BEYOND, None, None, None, limit, text)
    distance = _distance(canary, stable, (_weight(evidence.canary), _weight(evidence.stable)), error)
    if min(sums.blocks for sums in sides) < FEWEST_BLOCKS:
        distance = Distance(distance.measured, 0.0, 1.0)
    return GateResult(
        gate=gate,
        outcome=outcome_of(
            violated=distance.low > limit, holds=distance.high <= limit, within=distance.measured <= limit
        ),
        measured=distance.measured,
        low=distance.low,
        high=distance.high,
        limit=limit,
        text=(
            f"predictions of {output}: {number(distance.measured)} apart over {sum(canary.values()):,} values, stable "
            f"{sum(stable.values()):,}{_most(canary, stable)}; at most {number(limit)}"
        ),
    )


def _weight(sums: Sums) -> float:
    """Return what one row counts: the rows of one request come from one sender and are not independent."""
    return min(1.0, sums.counts.requests / sums.counts.rows) if sums.counts.rows else 1.0


def _distance(canary: _Counts, stable: _Counts, weights: tuple[float, float], error: float) -> Distance:
    if not are_same(canary, stable):
        return nested_distance(intervals(canary, weights[0]), intervals(stable, weights[1]), error)
    labels = ordered({*canary, *stable})
    mine, others = (
        np.array([each.get(label, 0) * weight for label in labels])
        for each, weight in zip((canary, stable), weights, strict=True)
    )
    return total_variation(mine, others, error)


def _most(canary: _Counts, stable: _Counts) -> str:
    """Return the bin whose share differs most; nothing where the two versions have other bins."""
    if not are_same(canary, stable):
        return ""
    sizes = sum(canary.values()), sum(stable.values())
    shares = [
        (label, canary.get(label, 0) / sizes[0], stable.get(label, 0) / sizes[1]) for label in {**canary, **stable}
    ]
    # Of two labels both differ by as much: the one that the canary gives more often is told.
    label, mine, other = max(shares, key=lambda each: (round(abs(each[1] - each[2]), 9), each[1] - each[2]))
    return f", most of all {label} with {percent(mine)}, stable {percent(other)}" if mine != other else ""
