# SPDX-License-Identifier: Apache-2.0
"""Whether a run shows that a server keeps an SLO, shows that it does not, or shows neither.

The chance of an error, 1 - confidence, is shared equally among the objectives (Bonferroni), and by the two ends of
each one's interval. So the verdict is a wrong PASS or a wrong FAIL with a probability of at most 1 - confidence,
whatever the server's true figures are: of a server that stays as it was, and within what ``design_effect`` says that a
run of its length can see.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

from loadtests.judging.evidence import MAX_LAG, Counts, Evidence
from loadtests.judging.objective import (
    SILENCE,
    Objective,
    Outcome,
    error_rate_objective,
    goodput_objective,
    percentile_objective,
)
from loadtests.judging.slo import Slo


@dataclass(frozen=True)
class Verdict:
    """What a run shows about an SLO.

    Attributes:
        outcome: PASS when every objective passes, FAIL when one fails.
        objectives: In the order of the SLO: latency, error rate, goodput.
        requests: How many were sent and measured.
        failed: How many of them were not answered rightly.
        confidence: Of the verdict as a whole.
        generator: How the generator fell behind, a sentence each; with any of them all is INCONCLUSIVE.
        remarks: What else is to be known, a sentence each.
        more_requests: When INCONCLUSIVE: how many more would decide it, if what was seen stays so; None when no number
            does, or the run is to be repeated.
    """

    outcome: Outcome
    objectives: tuple[Objective, ...]
    requests: int
    failed: int
    confidence: float
    generator: tuple[str, ...]
    remarks: tuple[str, ...]
    more_requests: int | None

    def to_json(self) -> dict[str, object]:
        """Return plain values for a JSON document; a duration without an end is ``"never"``."""
        return {
            "outcome": str(self.outcome),
            "requests": self.requests,
            "failed": self.failed,
            "confidence": self.confidence,
            "objectives": [
                {
                    "name": one.name,
                    "unit": one.unit,
                    "limit": one.limit,
                    "measured": _plain(one.measured),
                    "low": _plain(one.low),
                    "high": _plain(one.high),
                    "design_effect": one.effect,
                    "outcome": str(one.outcome),
                    "more_requests": one.more_requests,
                }
                for one in self.objectives
            ],
            "generator": list(self.generator),
            "remarks": list(self.remarks),
            "more_requests": self.more_requests,
        }


def judge(slo: Slo, evidence: Evidence, max_lag_us: int = MAX_LAG) -> Verdict:
    """Return what a run shows about an SLO.

    Args:
        slo: What the server must keep.
        evidence: What the run measured.
        max_lag_us: How late requests may leave at the 99th percentile, in microseconds.
    """
    counts = Counts(evidence.seconds)
    generator = tuple(evidence.ways_behind(max_lag_us))
    missing = max(0, slo.min_requests - counts.total)
    objectives = tuple(_objectives(slo, counts))
    if generator:
        objectives = tuple(replace(one, outcome=Outcome.INCONCLUSIVE, more_requests=None) for one in objectives)
    elif missing:
        objectives = tuple(_postponed(one, missing) for one in objectives)
    outcome = _overall(objectives)
    return Verdict(
        outcome=outcome,
        objectives=objectives,
        requests=counts.total,
        failed=int(counts.failed.sum()),
        confidence=slo.confidence,
        generator=generator,
        remarks=tuple(_remarks(counts, slo.min_requests)),
        more_requests=_more_requests(objectives) if outcome is Outcome.INCONCLUSIVE else None,
    )


def _objectives(slo: Slo, counts: Counts) -> Iterator[Objective]:
    stated = len(slo.latency) + (slo.error_rate is not None) + (slo.goodput is not None)
    error = (1 - slo.confidence) / stated / 2
    for name, limit in slo.latency.items():
        yield percentile_objective(name, limit, counts, error)
    if slo.error_rate is not None:
        yield error_rate_objective(slo.error_rate, counts, error)
    if slo.goodput is not None:
        yield goodput_objective(slo.goodput, counts, error)


def _postponed(one: Objective, missing: int) -> Objective:
    """Return an objective of a run with too few requests to be judged."""
    undecidable = one.outcome is Outcome.INCONCLUSIVE and one.more_requests is None
    more = None if undecidable else max(missing, one.more_requests or 0)
    return replace(one, outcome=Outcome.INCONCLUSIVE, more_requests=more)


def _overall(objectives: tuple[Objective, ...]) -> Outcome:
    outcomes = {one.outcome for one in objectives}
    if Outcome.FAIL in outcomes:
        return Outcome.FAIL
    return Outcome.PASS if outcomes == {Outcome.PASS} else Outcome.INCONCLUSIVE


def _more_requests(objectives: tuple[Objective, ...]) -> int | None:
    """Return how many more requests decide: until the first one fails, or until all pass."""
    open_ones = [one for one in objectives if one.outcome is Outcome.INCONCLUSIVE]
    to_fail = [one.more_requests for one in open_ones if one.more_requests is not None and not one.kept]
    if to_fail:
        return min(to_fail)
    to_pass = [one.more_requests for one in open_ones if one.more_requests is not None]
    return max(to_pass) if len(to_pass) == len(open_ones) else None


def _remarks(counts: Counts, min_requests: int) -> Iterator[str]:
    if not counts.total:
        yield "no request was measured: the run was shorter than its warm-up, or its timetable is empty"
        return
    if counts.total < min_requests:
        yield (
            f"{counts.total:,} requests were measured, {min_requests - counts.total:,} fewer than the {min_requests:,} "
            "that min_requests asks for"
        )
    if counts.failed.sum() == counts.total:
        yield "every request failed"
        return
    if len(counts.requests) == 1:
        yield "the run lasted one second, which cannot show whether requests fail together: let it last 10 s or more"
    if counts.silence >= SILENCE:
        yield f"the server went silent: every request that was due in the last {counts.silence} s failed"


def _plain(value: float | None) -> float | str | None:
    return "never" if value is not None and math.isinf(value) else value
