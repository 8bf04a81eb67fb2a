# SPDX-License-Identifier: Apache-2.0
"""The ways in which a rollout ends before it is promoted: by harm, by a user, by another rollout, by its deadline."""

from dataclasses import dataclass
from typing import Final

from rollouts.decision.look import Look
from rollouts.gates.figures import number
from rollouts.phases import Phase
from rollouts.spec import End
from rollouts.status import Status

#: How often a pod may become unready, where others of the canary go on answering.
_MOST_UNREADY: Final = 1


@dataclass(frozen=True, slots=True)
class Cause:
    """Why a rollout is reverted.

    Attributes:
        reason: One word in CamelCase.
        message: One sentence.
        outcome: What the rollout ends as.
    """

    reason: str
    message: str
    outcome: Phase = Phase.REVERTED


def reverted(look: Look, cause: Cause) -> Status:
    """Return the status that reverts: no traffic from now on, and the service back at its former version."""
    status, former = look.status, look.status.former
    back = None if status.storage_uri is None or former is None else former.storage_uri
    return status.decide(
        look.now,
        Phase.REVERTING,
        cause.reason,
        cause.message,
        traffic=0,
        mirror=False,
        storage_uri=back,
        outcome=cause.outcome,
        decided=look.now,
        idle_since=None,
        resume_to=None,
    )


def aborted(look: Look) -> Cause | None:
    """Return that a user has aborted a rollout; None where nobody has."""
    is_aborted = look.rollout.end is End.ABORT
    return Cause("Aborted", f"{look.rollout.version} was aborted by a user") if is_aborted else None


def called_off(look: Look) -> Cause | None:
    """Return why a rollout is not to go on, as somebody wants it; None where nobody does."""
    rollout = look.rollout
    cause = aborted(look)
    if cause is not None:
        return cause
    if look.seen.replaced_by is not None:
        return Cause("Replaced", f"{rollout.version} is replaced by rollout {look.seen.replaced_by}")
    return service_gone(look)


def service_gone(look: Look) -> Cause | None:
    """Return that the service was deleted; None where it is there."""
    is_gone = look.seen.service is None
    return Cause("ServiceGone", f"InferenceService {look.rollout.service} was deleted") if is_gone else None


def harm(look: Look) -> Cause | None:
    """Return what the canary's pods do that no requests need be waited for; None where they do well.

    What befalls the stable version's pods at the same time is the cluster's doing, and blamed on nobody.
    """
    canary, stable, status = look.seen.canary, look.seen.stable, look.status
    version = look.rollout.version
    crash = next((pod.crash for pod in canary.pods if pod.crash is not None), None)
    ended = any(pod.crash is not None and pod.started is None and not pod.leaving for pod in canary.pods)
    if (ended or canary.restarts > status.canary_restarts) and stable.restarts <= status.stable_restarts:
        return Cause("Crashed", f"{version} crashed: {crash or 'its server ended'}")
    if canary.final and canary.problem is not None:
        return Cause("Failed", f"{version} cannot serve: {canary.problem}")
    stable_well = bool(stable.pods) and all(pod.ready or pod.leaving for pod in stable.pods)
    is_down = not canary.ready and any(pod.name in status.down_pods for pod in canary.pods)
    if (status.unready > _MOST_UNREADY or is_down) and stable_well:
        return Cause("Unready", f"{version} became unready under way: {canary.problem or 'its probes failed'}")
    return None


def late(look: Look) -> Cause | None:
    """Return that the canary's pods are not ready in time; None where there is time left."""
    limit = look.rollout.ready_deadline
    if look.ready or look.seconds_since(look.status.canary_since) <= limit:
        return None
    why = look.seen.canary.problem or "its pods are not there"
    return Cause("NotReady", f"{look.rollout.version} is not ready within {number(limit)} s: {why}")
