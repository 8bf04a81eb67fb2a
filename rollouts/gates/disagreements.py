# SPDX-License-Identifier: Apache-2.0
"""The gate on disagreements: the share of shadowed requests that both versions answer differently."""

from typing import Final

from rollouts.gates.figures import percent
from rollouts.gates.result import GateResult, Outcome, outcome_of
from rollouts.shadow.pairs import Pairs
from rollouts.statistics.share import Share

DISAGREEMENTS: Final = "disagreements"


def judge_disagreements(pairs: Pairs, limit: float, error: float) -> GateResult:
    """Return the gate's word.

    Args:
        pairs: What shadowing has compared.
        limit: The largest share of pairs that may differ.
        error: The greatest probability that a kept limit is ever taken for a broken one.
    """
    if not pairs.compared:
        text = "disagreements: no answers of both versions to the same request yet"
        return GateResult(DISAGREEMENTS, Outcome.BEYOND, None, None, None, limit, text)
    share = Share(pairs.different, pairs.compared)
    low, high = share.lower(error), share.upper(error)
    return GateResult(
        gate=DISAGREEMENTS,
        outcome=outcome_of(violated=low > limit, holds=high <= limit, within=share.value <= limit),
        measured=share.value,
        low=low,
        high=high,
        limit=limit,
        text=(
            f"disagreements: {pairs.different:,} of {pairs.compared:,} pairs ({percent(share.value)}) differ; "
            f"at most {percent(limit)}"
        ),
    )
