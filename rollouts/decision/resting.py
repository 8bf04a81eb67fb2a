# SPDX-License-Identifier: Apache-2.0
"""The deadline stands still while a rollout waits for somebody: in a pause, and in a step that holds, until resumed."""

from dataclasses import replace
from datetime import datetime

from rollouts.phases import Phase
from rollouts.spec import Rollout
from rollouts.status import Status


def with_rest(rollout: Rollout, status: Status, now: datetime) -> Status:
    """Return the status after a decision, its deadline moved by a rest that the decision has ended."""
    if _rests(rollout, status):
        return replace(status, rests_since=status.rests_since or now)
    if status.rests_since is None:
        return status
    begun, rested = status.measured_since, now - status.rests_since
    return replace(status, rests_since=None, measured_since=None if begun is None else begun + rested)


def _rests(rollout: Rollout, status: Status) -> bool:
    if status.phase is Phase.PAUSED:
        return True
    if status.phase is not Phase.PROGRESSING or not 0 < status.step <= len(rollout.steps):
        return False
    step = rollout.steps[status.step - 1]
    return step.hold and rollout.resumed_step < status.step and status.traffic == step.traffic
