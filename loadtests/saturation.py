# SPDX-License-Identifier: Apache-2.0
"""The saturation search over real runs: each rate is a run of its own, judged by the same SLO."""

import math
from collections.abc import Callable, Sequence
from typing import Final

from loadtests.errors import LoadTestError
from loadtests.generator import Processes, run_plan
from loadtests.judging.objective import Outcome
from loadtests.judging.verdict import Verdict, judge
from loadtests.knee import Held, Knee, find_knee
from loadtests.plan import Plan
from loadtests.run import Run

#: Higher rates are not tried: a generator process makes some thousands a second.
_CEILING: Final = 100_000.0

#: Runs that do not decide are made longer, up to so many times as long as was asked.
_LONGER: Final = 10.0
_MARGIN: Final = 1.1
_BEGIN: Final = "--find-knee needs one rate to begin with and a duration: --rate 50 --duration 20"

Told = Callable[[float, Run, Verdict], None]


def find_knee_of(plan: Plan, processes: Processes, extra: Sequence[str], *, max_lag_us: int, told: Told) -> Knee:
    """Return the highest rate at which the plan's SLO holds.

    Args:
        plan: Its rate is the one that is tried first; its duration that of every run.
        processes: Who sends.
        extra: More options of Locust's.
        max_lag_us: How late requests may leave at the 99th percentile, in microseconds.
        told: Called after every run.

    Raises:
        LoadTestError: The plan has no single rate to begin with, or a run could not be made.
    """
    try:
        first = float(plan.options.rate or "")
    except ValueError as err:
        raise LoadTestError(_BEGIN) from err
    if plan.options.duration is None:
        raise LoadTestError(_BEGIN)
    duration: float = plan.options.duration
    seed = plan.options.seed

    longest = duration * _LONGER

    def attempt(rate: float) -> Held:
        nonlocal seed, duration
        seconds = max(duration, min(plan.slo.min_requests * _MARGIN / rate, longest))
        while True:
            run = run_plan(plan.at_rate(rate, seconds, seed), processes, extra)
            seed += 1  # each run has arrivals of its own, or it would be the same one again
            verdict = judge(plan.slo, run.evidence(), max_lag_us)
            told(rate, run, verdict)
            enough = _seconds_that_decide(verdict, rate)
            if not seconds < enough <= longest:
                return _held(verdict)
            duration = seconds = enough  # shorter ones would not decide at the next rate either

    return find_knee(attempt, first=first, ceiling=_CEILING)


def _seconds_that_decide(verdict: Verdict, rate: float) -> float:
    """Return how long a run would decide what this one did not; infinite where none would."""
    if verdict.outcome is not Outcome.INCONCLUSIVE or verdict.generator or verdict.more_requests is None:
        return math.inf
    return (verdict.requests + verdict.more_requests) * _MARGIN / rate


def _held(verdict: Verdict) -> Held:
    if verdict.generator:
        return Held.GENERATOR
    return {Outcome.PASS: Held.HELD, Outcome.FAIL: Held.FAILED, Outcome.INCONCLUSIVE: Held.UNDECIDED}[verdict.outcome]
