# SPDX-License-Identifier: Apache-2.0
"""Before the first request: whose turn it is, whether it can be, and the canary's pods."""

from dataclasses import replace

from cluster.services.artifact_uri import version_of
from rollouts.decision.canary import canary_name, replicas_for
from rollouts.decision.ending import Cause, called_off, late, reverted
from rollouts.decision.look import Look
from rollouts.decision.measuring import after_ready
from rollouts.observation import Service
from rollouts.phases import Phase
from rollouts.spec import End
from rollouts.status import Canary, Former, Status
from rollouts.version_order import is_newer


def pending(look: Look) -> Status:
    """Return the status of a rollout that has begun nothing, or waits for its canary."""
    status, rollout = look.status, look.rollout
    cause = called_off(look)
    if status.former is None:
        if look.seen.service is None:
            return _refused(look, f"there is no InferenceService {rollout.service} in namespace {rollout.namespace}")
        if cause is not None:
            return status.decide(look.now, Phase.REVERTED, cause.reason, cause.message, ended=look.now)
        hopeless = _hopeless(look, look.seen.service)
        if hopeless is not None:
            return _refused(look, hopeless)
        return _waiting(look) or _begun(look, look.seen.service)
    if cause is not None:
        return reverted(look, cause)
    return _canary(look)


def _waiting(look: Look) -> Status | None:
    """Return the status of one whose turn it is not; None where it is."""
    if look.seen.ahead is not None:
        return replace(look.status, verdict=f"waits for rollout {look.seen.ahead} to end")
    if look.rollout.paused:
        return replace(look.status, verdict="paused before it began")
    return None


def _begun(look: Look, service: Service) -> Status:
    wrong = _wrong(look, service)
    if wrong is not None:
        return _refused(look, wrong)
    rollout = look.rollout
    former = Former(service.storage_uri, service.min_replicas, service.max_replicas)
    canary = Canary(canary_name(rollout.service, rollout.version), rollout.storage_uri, _first_replicas(look, former))
    pods = f"{canary.replicas} pod{'s' if canary.replicas > 1 else ''}"
    return look.status.decide(
        look.now,
        Phase.PENDING,
        "Started",
        f"{rollout.version} beside {version_of(former.storage_uri)}: its canary of {pods} is being made",
        former=former,
        canary=canary,
        canary_since=look.now,
        started=look.now,
    )


def _canary(look: Look) -> Status:
    canary = look.seen.canary
    if look.ready and look.rollout.paused and look.rollout.end is not End.PROMOTE:
        # The time in which its pods must be ready begins anew: one of them may be gone when it is resumed.
        return replace(
            look.status,
            verdict=f"{look.rollout.version} is ready, and paused before its first request",
            canary_since=look.now,
        )
    if look.ready:
        return after_ready(look)
    if canary.final and canary.problem is not None:
        return reverted(look, Cause("Failed", f"{look.rollout.version} cannot start: {canary.problem}"))
    too_late = late(look)
    if too_late is not None:
        return reverted(look, too_late)
    waits = canary.problem or "its pods are being made"
    return replace(look.status, verdict=f"{look.rollout.version} is not ready yet: {waits}")


def _wrong(look: Look, service: Service) -> str | None:
    """Return why one that is not hopeless cannot begin, in one sentence with what to do; None where it can."""
    return look.seen.routes_problem or _wrong_version(look, service) or _wrong_surroundings(look, service)


def _hopeless(look: Look, service: Service) -> str | None:
    """Return why a rollout cannot be beside what serves now, whoever it waits for or replaces; None where it may."""
    return service.unfit or (None if look.rollout.force else _wrong_version(look, service))


def _wrong_version(look: Look, service: Service) -> str | None:
    rollout, present = look.rollout, version_of(service.storage_uri)
    if service.storage_uri.rstrip("/") == rollout.storage_uri.rstrip("/"):
        return f"{rollout.service} serves {present} already"
    if not rollout.force and not is_newer(rollout.version, present):
        return f"{rollout.version} is not newer than {present}, which serves now: set spec.force to bring it in anyway"
    return None


def _wrong_surroundings(look: Look, service: Service) -> str | None:
    rollout = look.rollout
    if service.foreign_canary is not None:
        return f"{rollout.service} has a canary already, {service.foreign_canary}: take it out of spec.canary first"
    if rollout.shadow_requests and not service.logs_predictions:
        return (
            f"shadowing reads the prediction logs, and {rollout.service} writes none: give its predictor.model.env "
            'PREDICTOR_LOG_PREDICTIONS "-" and a PREDICTOR_LOG_RATE, or leave spec.shadow out'
        )
    answered = [each for each in look.seen.snapshots.values() if each.requests > each.failed]
    if rollout.gates.max_shift is not None and answered and not any(each.outputs for each in answered):
        return (
            f"{rollout.service} counts no outputs, since its artifact has no reference distribution: pack it with "
            "training data, or leave gates.predictions out"
        )
    return None


def _refused(look: Look, message: str) -> Status:
    return look.status.decide(look.now, Phase.REFUSED, "Refused", message, ended=look.now)


def _first_replicas(look: Look, former: Former) -> int:
    share = look.rollout.steps[0].traffic if look.rollout.steps else 100
    return replicas_for(share, look.seen.stable.ready, former)
