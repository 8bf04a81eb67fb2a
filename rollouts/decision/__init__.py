# SPDX-License-Identifier: Apache-2.0
"""What a rollout does next: pure, from what it asks for, what it has come to, and what one look shows."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Final

from rollouts.decision.look import Look, with_look
from rollouts.decision.measuring import paused, progressing, shadowing
from rollouts.decision.pending import pending
from rollouts.decision.promoting import promoted, promoting
from rollouts.decision.resting import with_rest
from rollouts.decision.reverting import released, reverting
from rollouts.observation import Seen
from rollouts.phases import Phase
from rollouts.spec import Rollout
from rollouts.status import Status

_PHASES: Final[Mapping[Phase, Callable[[Look], Status]]] = {
    Phase.PENDING: pending,
    Phase.SHADOWING: shadowing,
    Phase.PROGRESSING: progressing,
    Phase.PAUSED: paused,
    Phase.PROMOTING: promoting,
    Phase.PROMOTED: promoted,
    Phase.REVERTING: reverting,
    Phase.REVERTED: released,
    Phase.INCONCLUSIVE: released,
}


def decide(rollout: Rollout, status: Status, seen: Seen, now: datetime) -> Status:
    """Return what a rollout has come to, and what it now wants of the cluster.

    Args:
        rollout: What it asks for.
        status: What it had come to.
        seen: What a look at the cluster shows.
        now: When the look was taken.
    """
    if status.done:
        return status
    return with_rest(rollout, _PHASES[status.phase](with_look(rollout, status, seen, now)), now)


__all__ = ["decide"]
