# SPDX-License-Identifier: Apache-2.0
"""All gates that a rollout asks for, judged on the evidence of one step."""

from collections.abc import Callable

from rollouts.gates.disagreements import judge_disagreements
from rollouts.gates.errors import judge_errors
from rollouts.gates.histogram import Histogram
from rollouts.gates.latency import judge_latency, judge_latency_ratio
from rollouts.gates.predictions import judge_predictions
from rollouts.gates.result import GateResult
from rollouts.measurements.evidence import Evidence
from rollouts.shadow.pairs import Pairs
from rollouts.spec import Gates, LatencyGate

#: Judges with an error.
_Judge = Callable[[float], tuple[GateResult, ...]]


def judge(gates: Gates, evidence: Evidence, pairs: Pairs, error: float) -> tuple[GateResult, ...]:
    """Return what each gate says.

    It may be asked at every look: however often that is, any of the gates says ``Violated`` of a canary that keeps all
    limits with a probability of at most ``error``, which is divided evenly among them (Bonferroni).

    Args:
        gates: What must hold.
        evidence: What both versions have counted in the step; without a stable version's requests, gates that compare
            are not judged.
        pairs: What shadowing has compared.
        error: What the step may use up of the rollout's error.
    """
    judges: list[_Judge] = []
    increase, shift, disagreement = gates.max_error_increase, gates.max_shift, gates.max_disagreement
    if increase is not None:
        judges.append(lambda part: (judge_errors(evidence, increase, part),))
    if gates.latency is not None:
        judges += _latency(gates.latency, evidence)
    if shift is not None:
        judges.append(lambda part: judge_predictions(evidence, shift, part))
    if disagreement is not None:
        judges.append(lambda part: (judge_disagreements(pairs, disagreement, part),))
    return tuple(result for each in judges for result in each(error / len(judges)))


def _latency(gate: LatencyGate, evidence: Evidence) -> list[_Judge]:
    judges: list[_Judge] = []
    percentile, most, ratio = gate.percentile, gate.max_milliseconds, gate.max_ratio
    times = Histogram(evidence.canary), Histogram(evidence.stable)
    if most is not None:
        judges.append(lambda error: (judge_latency(*times, percentile, most, error),))
    if ratio is not None:
        judges.append(lambda error: (judge_latency_ratio(*times, percentile, ratio, error),))
    return judges
