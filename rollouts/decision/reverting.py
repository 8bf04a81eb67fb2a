# SPDX-License-Identifier: Apache-2.0
"""Back to what was: no traffic, then no canary, then the end; and back to a version that was kept."""

from dataclasses import replace

from rollouts.decision.draining import is_drained
from rollouts.decision.look import Look
from rollouts.decision.promoting import PREVIOUS
from rollouts.phases import Phase
from rollouts.status import Status


def reverting(look: Look) -> Status:
    """Return the status of a rollout that goes back."""
    status, seen = look.status, look.seen
    if status.canary is None:
        return _end(look)
    # Kept pods that were taken away must not be asked.
    if status.canary.name == PREVIOUS and status.traffic and seen.canary.ready and not _is_back(look):
        return replace(status, verdict=f"{look.former_version} serves from its kept pods; the service itself follows")
    if status.traffic:
        return replace(status, traffic=0, idle_since=None, decided=look.now)
    status = _timed(look)
    if seen.service is not None and not is_drained(look):
        return replace(status, verdict="the canary answers its last requests")
    return replace(status, canary=None)


def released(look: Look) -> Status:
    """Return the status of an ended rollout: whatever came back of its canary is taken away again before it is done."""
    return replace(look.status, released=not look.seen.canary_exists)


def _end(look: Look) -> Status:
    status, seen = look.status, look.seen
    if seen.service is not None and (seen.canary_exists or not _is_back(look)):
        return replace(status, verdict=seen.stable.problem or "the canary's pods end")
    ended = status.outcome or Phase.REVERTED
    why = next((each.message for each in reversed(status.decisions) if each.phase is Phase.REVERTING), "")
    message = why if seen.service is None else f"{look.former_version} serves all requests: {why}"
    return status.decide(look.now, ended, str(ended), message, ended=look.now)


def _timed(look: Look) -> Status:
    """Return the status with when the canary was sent its last request: as late as it can have been."""
    status = look.status
    if status.zero_traffic is None:
        is_cut = look.seen.traffic == 0
        return replace(status, zero_traffic=look.now) if is_cut else status
    # What took longer than the time since then was sent before, and answered by a server that is slow to end.
    since = look.seconds_since(status.zero_traffic)
    was_sent = any(count and float(bound) <= since for bound, count in look.flow.seconds.items())
    return replace(status, zero_traffic=look.now) if was_sent else status


def _is_back(look: Look) -> bool:
    """Return whether the service itself serves its former version, if this rollout has to do with that."""
    status, seen = look.status, look.seen
    if status.storage_uri is None:
        return True
    return seen.service is not None and seen.service.storage_uri == status.storage_uri and seen.stable.complete
