# SPDX-License-Identifier: Apache-2.0
"""The gate on errors: the canary's share of failed requests, less the stable version's."""

from typing import Final

from rollouts.gates.figures import percent
from rollouts.gates.result import GateResult, not_compared, nothing_yet, outcome_of
from rollouts.measurements.evidence import Evidence
from rollouts.measurements.sums import Sums
from rollouts.statistics.design_effect import design_effect
from rollouts.statistics.increase import least_increase
from rollouts.statistics.share import Share, most_increase

ERRORS: Final = "errors"


def judge_errors(evidence: Evidence, limit: float, error: float) -> GateResult:
    """Return the gate's word.

    Args:
        evidence: What both versions have counted.
        limit: How far the canary's share of requests answered with 5xx may lie above the stable one's.
        error: The greatest probability that a kept limit is ever taken for a broken one.
    """
    canary, stable = _failed(evidence.canary), _failed(evidence.stable)
    if not canary.count:
        return nothing_yet(ERRORS, limit)
    if not stable.count:
        return not_compared(ERRORS, limit)
    low, high = least_increase(canary, stable, error), most_increase(canary, stable, error)
    increase = canary.value - stable.value
    return GateResult(
        gate=ERRORS,
        outcome=outcome_of(violated=low > limit, holds=high <= limit, within=increase <= limit),
        measured=increase,
        low=low,
        high=high,
        limit=limit,
        text=(
            f"errors: {percent(canary.value)} of {canary.count:,} requests, stable {percent(stable.value)} of "
            f"{stable.count:,}; at most {percent(limit)} more"
        ),
    )


def _failed(sums: Sums) -> Share:
    counts = sums.counts
    effect = design_effect(
        counts.failed,
        counts.requests,
        blocks=sums.blocks,
        part_squares=sums.failed.squares,
        products=sums.failed.products,
        count_squares=sums.squares,
    )
    return Share(counts.failed, counts.requests, effect)
