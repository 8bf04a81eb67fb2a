# SPDX-License-Identifier: Apache-2.0
"""The way from a proven canary to a service of the new version: in place, while the canary goes on answering."""

from dataclasses import replace
from datetime import timedelta
from typing import Final

from rollouts.decision.draining import is_drained
from rollouts.decision.ending import Cause, aborted, called_off, harm, reverted, service_gone
from rollouts.decision.look import Look
from rollouts.gates.figures import number
from rollouts.phases import Phase
from rollouts.spec import End
from rollouts.status import Canary, Status

#: The predictor's name of a former version that is kept running.
PREVIOUS: Final = "previous"


def begin_promotion(look: Look, why: str) -> Status:
    """Return the status that brings the service itself to the new version."""
    rollout = look.rollout
    message = f"{why}; {rollout.service} itself is brought to {rollout.version}"
    return look.status.decide(
        look.now, Phase.PROMOTING, "Promoting", message, storage_uri=rollout.storage_uri, mirror=False, resume_to=None
    )


def promoting(look: Look) -> Status:
    """Return the status of a service on its way to the new version."""
    status, rollout, seen = look.status, look.rollout, look.seen
    if status.canary is None or status.canary.name == PREVIOUS:
        return _last(look)
    cause = called_off(look) or harm(look) or _stuck(look)
    if cause is not None:
        return reverted(look, cause)
    if seen.service is None or seen.service.storage_uri != rollout.storage_uri or not seen.stable.complete:
        waits = seen.stable.problem or "its pods are being replaced"
        # A canary whose pods were taken away must not be asked.
        traffic = status.traffic if seen.canary.ready else 0
        return replace(status, traffic=traffic, verdict=f"{rollout.service} is brought to {rollout.version}: {waits}")
    return _drained(look)


def _drained(look: Look) -> Status:
    """Return the status of a service that is at the new version, and whose canary ends its work."""
    status = look.status
    if status.traffic or status.decided is None:
        return replace(status, traffic=0, decided=look.now, idle_since=None)
    if not is_drained(look):
        return replace(status, verdict="the canary answers its last requests")
    if look.rollout.keep_previous and status.former is not None and status.canary is not None:
        return replace(status, canary=Canary(PREVIOUS, status.former.storage_uri, status.canary.replicas))
    return replace(status, canary=None)


def promoted(look: Look) -> Status:
    """Return the status of a promoted rollout, which may have the former version kept running."""
    status, rollout = look.status, look.rollout
    if status.canary is None:
        return replace(status, released=not look.seen.canary_exists)
    if rollout.end is End.ABORT:
        return _rolled_back(look)
    over = status.warm_until is None or look.now >= status.warm_until
    if over or look.seen.replaced_by is not None or look.seen.service is None:
        message = f"{look.former_version} is not kept any longer"
        return status.decide(
            look.now, Phase.PROMOTED, "PreviousReleased", message, canary=None, traffic=0, warm_until=None
        )
    return status


def _last(look: Look) -> Status:
    """Return the status once the canary is gone, or its place taken by the version that is kept."""
    status, seen, rollout = look.status, look.seen, look.rollout
    cause = aborted(look) or service_gone(look)
    if cause is not None:
        return reverted(look, cause)
    if status.canary is None and seen.canary_exists:
        return replace(status, verdict="the canary's pods end")
    if not seen.stable.complete:
        return replace(status, verdict=f"{rollout.service}: {seen.stable.problem or 'its pods are being replaced'}")
    if status.canary is not None and not look.ready:
        return replace(status, verdict=f"{look.former_version} is made ready to be kept")
    message = f"{rollout.version} serves, in place of {look.former_version}"
    warm = None
    if status.canary is not None:
        warm = look.now + timedelta(seconds=rollout.keep_previous)
        message += f", which is kept running for {number(rollout.keep_previous)} s"
    return status.decide(
        look.now, Phase.PROMOTED, "Promoted", message, ended=look.now, warm_until=warm, step=len(rollout.steps)
    )


def _stuck(look: Look) -> Cause | None:
    """Return why the service's own pods cannot be brought to the new version; None where they can."""
    seen, limit = look.seen, look.rollout.ready_deadline
    taken_up = seen.service is not None and seen.service.storage_uri == look.rollout.storage_uri
    if taken_up and seen.stable.final and seen.stable.problem is not None:
        return Cause(
            "Failed", f"{look.rollout.service} cannot be brought to {look.rollout.version}: {seen.stable.problem}"
        )
    patience = limit * max(1, len(seen.stable.pods))
    if (
        not seen.stable.complete
        and look.status.decided is None
        and look.seconds_since(look.status.phase_since) > patience
    ):
        why = seen.stable.problem or "its pods are being replaced"
        return Cause(
            "NotReady", f"{look.rollout.service} is not at {look.rollout.version} within {number(patience)} s: {why}"
        )
    return None


def _rolled_back(look: Look) -> Status:
    """Return the status that goes back to the version that was kept: by weights, then in place."""
    status = look.status
    ready = look.seen.canary.ready > 0
    pods = "take all requests" if ready else "are not ready, so that the service itself is brought back to it first"
    former = status.former
    return status.decide(
        look.now,
        Phase.REVERTING,
        "RolledBack",
        f"{look.former_version} {'is back' if ready else 'comes back'}: its kept pods {pods}",
        traffic=100 if ready else 0,
        storage_uri=None if former is None else former.storage_uri,
        outcome=Phase.REVERTED,
        decided=look.now,
        idle_since=None,
        ended=None,
        warm_until=None,
    )
