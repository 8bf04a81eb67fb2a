# SPDX-License-Identifier: Apache-2.0
"""While the canary is measured: by copies of requests, then by a rising share of them."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from rollouts.decision.canary import replicas_for
from rollouts.decision.ending import Cause, called_off, harm, late, reverted
from rollouts.decision.look import Look
from rollouts.decision.promoting import begin_promotion
from rollouts.gates.figures import number
from rollouts.gates.judge import judge
from rollouts.gates.result import GateResult, Outcome
from rollouts.measurements.sums import Sums
from rollouts.phases import Phase
from rollouts.shadow.pairs import Pairs
from rollouts.spec import End, Step
from rollouts.status import Status

#: How likely a whole rollout may revert a version that keeps every limit.
TOTAL_ERROR: Final = 0.01
#: A classifier may have a gate for each of a hundred classes' probabilities; a decision tells no more of them.
_MOST_TOLD: Final = 6


def after_ready(look: Look) -> Status:
    """Return the status once the canary's pods are ready for the first time."""
    status = look.status
    if look.rollout.end is End.PROMOTE or not (look.rollout.shadow_requests or look.rollout.steps):
        return begin_promotion(look, f"{look.rollout.version} is ready")
    status = replace(
        status,
        canary_restarts=look.seen.canary.restarts,
        stable_restarts=look.seen.stable.restarts,
        unready=0,
        down_pods=frozenset(),
    )
    look = replace(look, status=status)
    if not look.rollout.shadow_requests:
        return _next_step(look, f"{look.rollout.version} is ready")
    return status.decide(
        look.now,
        Phase.SHADOWING,
        "Shadowing",
        f"{look.rollout.version} is ready and gets copies of the requests, until {look.rollout.shadow_requests:,} "
        "pairs of answers are compared",
        mirror=True,
        measured_since=look.now,
        evidence=status.evidence.restarted(look.now),
    )


def shadowing(look: Look) -> Status:
    """Return the status of a canary that gets copies of requests."""
    ended = _ended(look)
    if ended is not None:
        return ended
    if look.rollout.paused:
        return _pause(look)
    look, verdict = _judged(look)
    if verdict is not None:
        return reverted(look, verdict)
    pairs = look.status.pairs
    wanted = look.rollout.shadow_requests
    if pairs.compared < wanted or _waiting(look.status.gates):
        counts = f"{pairs.compared:,} of {wanted:,} pairs compared, {pairs.different:,} different"
        return _late_or(look, f"shadowing: {counts}")
    done = f"{pairs.compared:,} pairs of answers compared, {pairs.different:,} different"
    look = replace(look, status=replace(look.status, mirror=False))
    return _next_step(look, done) if look.rollout.steps else begin_promotion(look, done)


def progressing(look: Look) -> Status:
    """Return the status of a canary that answers a share of the requests, or is about to."""
    ended = _ended(look)
    if ended is not None:
        return ended
    if look.rollout.paused:
        return _pause(look)
    step = look.rollout.steps[look.status.step - 1]
    if look.status.traffic != step.traffic:
        return _raised(look, step)
    look, verdict = _judged(look)
    return _measured(look, step) if verdict is None else reverted(look, verdict)


def _measured(look: Look, step: Step) -> Status:
    """Return the status of a step whose share is answered, and no gate of which is violated."""
    if not look.seen.canary.ready:
        return _held(look)
    waits, holds = _incomplete(look, step), step.hold and look.rollout.resumed_step < look.status.step
    if waits is not None:
        return _late_or(look, f"step {_place(look)}, {step.traffic} %: {waits}", counts=not holds)
    if holds:
        return replace(look.status, verdict=f"step {_place(look)} holds at {step.traffic} % until it is resumed")
    done = f"step {_place(look)} at {step.traffic} % holds: {_told(look.status.gates)}"
    return begin_promotion(look, done) if look.status.step == len(look.rollout.steps) else _next_step(look, done)


def paused(look: Look) -> Status:
    """Return the status of a rollout that somebody has paused: it is watched all the same."""
    ended = _ended(look)
    if ended is not None:
        return ended
    look, verdict = _judged(look)
    if verdict is not None:
        return reverted(look, verdict)
    if look.status.traffic and not look.seen.canary.ready:
        return _held(look)
    status = look.status
    if look.rollout.paused or status.resume_to is None:
        return replace(status, verdict=f"paused at {status.traffic} %")
    return status.decide(
        look.now,
        status.resume_to,
        "Resumed",
        f"{look.rollout.version} goes on at {status.traffic} %",
        resume_to=None,
        # The time in which pods must be ready begins anew, as it does after a pause before the first request.
        canary_since=look.now,
    )


def _ended(look: Look) -> Status | None:
    """Return the status of one that harm or somebody ends; None where it goes on."""
    cause = called_off(look) or harm(look)
    if cause is not None:
        return reverted(look, cause)
    if look.rollout.end is End.PROMOTE:
        return begin_promotion(look, "a user promotes it, whatever the gates say")
    return None


def _pause(look: Look) -> Status:
    status = look.status
    message = f"{look.rollout.version} is paused at {status.traffic} %"
    return status.decide(look.now, Phase.PAUSED, "Paused", message, resume_to=status.phase)


def _held(look: Look) -> Status:
    """Return the status of a canary whose pods were taken away, by a drain perhaps: no fault of theirs."""
    message = f"{look.rollout.version} has no ready pod: it gets no traffic until one is back"
    return look.status.decide(
        look.now, look.status.phase, "Held", message, traffic=0, canary_since=look.now, ready_pods={}
    )


def _next_step(look: Look, why: str) -> Status:
    """Return the status that asks for the next step's pods; its traffic comes once they are ready."""
    status, rollout = look.status, look.rollout
    step = rollout.steps[status.step]
    canary, former = status.canary, status.former
    if canary is None or former is None:
        raise ValueError("a step without a canary")
    replicas = max(canary.replicas, replicas_for(step.traffic, look.seen.stable.ready, former))
    status = replace(
        status,
        phase=Phase.PROGRESSING,
        phase_since=status.phase_since if status.phase is Phase.PROGRESSING else look.now,
        step=status.step + 1,
        canary=replace(canary, replicas=replicas),
        canary_since=look.now,
        measured_since=status.measured_since or look.now,
    )
    look = replace(look, status=status)
    return _raised(look, step, f"{why}; ") if look.ready else _announced(look, step, why)


def _announced(look: Look, step: Step, why: str) -> Status:
    pods = look.status.canary.replicas if look.status.canary else 0
    message = f"{why}; {step.traffic} % follow once {pods} pods are ready"
    return look.status.decide(look.now, Phase.PROGRESSING, "StepPrepared", message)


def _raised(look: Look, step: Step, why: str = "") -> Status:
    """Return the status in which a step's traffic begins, once its pods are ready."""
    status = look.status
    if not look.ready:
        too_late = late(look)
        if too_late is not None:
            return reverted(look, too_late)
        waits = look.seen.canary.problem or "pods are being made"
        return replace(status, verdict=f"step {_place(look)}: {step.traffic} % follow once all pods are ready: {waits}")
    message = f"{why}step {_place(look)}: {step.traffic} % of the requests to {look.rollout.version}"
    return status.decide(
        look.now,
        Phase.PROGRESSING,
        "Step",
        message,
        traffic=step.traffic,
        exposed=status.exposed or look.now,
        evidence=status.evidence.restarted(look.now),
        gates=(),
    )


def _judged(look: Look) -> tuple[Look, Cause | None]:
    """Return the look with the gates' word on what was counted, and why it reverts; None where none is violated."""
    rollout, status = look.rollout, look.status
    looks = len(rollout.steps) + (1 if rollout.shadow_requests else 0)
    gates = rollout.gates if status.mirror else replace(rollout.gates, max_disagreement=None)
    pairs = status.pairs if status.mirror else Pairs()
    # Where the canary has all requests, what still comes from the stable version compares nothing.
    alone = status.traffic == 100  # noqa: PLR2004
    evidence = replace(status.evidence, stable=Sums()) if alone else status.evidence
    results = judge(gates, evidence, pairs, TOTAL_ERROR / max(1, looks))
    look = replace(look, status=replace(status, gates=results))
    broken = [result for result in results if result.outcome is Outcome.VIOLATED]
    if not broken:
        return look, None
    return look, Cause("GateViolated", f"{rollout.version} against {look.former_version}: {_told(broken)}")


def _incomplete(look: Look, step: Step) -> str | None:
    """Return what a step still waits for; None when nothing."""
    status, least = look.status, look.rollout.min_requests
    if look.seen.traffic != status.traffic:
        return look.seen.routes_problem or "the Gateway has not yet taken up the weights"
    canary, stable = status.evidence.canary.counts.requests, status.evidence.stable.counts.requests
    counted = f"{canary:,} and {stable:,} of {least:,} requests each"
    if canary < least or (stable < least and step.traffic < 100):  # noqa: PLR2004
        return counted
    waiting = _waiting(status.gates)
    return f"{counted}; {_told(waiting)}" if waiting else None


def _late_or(look: Look, verdict: str, *, counts: bool = True) -> Status:
    """Return the status that goes on measuring, or is inconclusive where the time is over."""
    if counts and look.seconds_since(look.status.measured_since) > look.rollout.deadline:
        message = f"not decided within {number(look.rollout.deadline)} s: {verdict}"
        return reverted(look, Cause("DeadlineExceeded", message, Phase.INCONCLUSIVE))
    return replace(look.status, verdict=verdict)


def _waiting(gates: Sequence[GateResult]) -> list[GateResult]:
    return [gate for gate in gates if gate.outcome is Outcome.BEYOND]


def _told(gates: Sequence[GateResult]) -> str:
    texts = [gate.text for gate in gates[:_MOST_TOLD]]
    if len(gates) > _MOST_TOLD:
        texts.append(f"and {len(gates) - _MOST_TOLD} more, see status.gates")
    return "; ".join(texts) or "no gates asked for"


def _place(look: Look) -> str:
    return f"{look.status.step} of {len(look.rollout.steps)}"
