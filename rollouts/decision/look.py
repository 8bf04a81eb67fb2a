# SPDX-License-Identifier: Apache-2.0
"""One look at a rollout, with what follows from it whatever the phase: what was counted, and which pods fell away."""

from dataclasses import dataclass, replace
from datetime import datetime

from rollouts.observation import Seen
from rollouts.phases import Phase
from rollouts.spec import Rollout, version_of
from rollouts.status import Status


@dataclass(frozen=True, slots=True)
class Look:
    """What a decision is made from.

    Attributes:
        rollout: What it asks for.
        status: What it has come to, with what this look has counted.
        seen: What the look shows.
        now: When it was taken.
    """

    rollout: Rollout
    status: Status
    seen: Seen
    now: datetime

    @property
    def ready(self) -> bool:
        """Whether the canary has the pods that were asked for, and all take requests."""
        canary = self.status.canary
        return canary is not None and self.seen.canary.complete and self.seen.canary.ready >= canary.replicas

    @property
    def former_version(self) -> str:
        """The version that served when the rollout began."""
        former = self.status.former
        return "?" if former is None else version_of(former.storage_uri)

    def seconds_since(self, moment: datetime | None) -> float:
        """Return how long ago something was; 0 where it never was."""
        return 0.0 if moment is None else (self.now - moment).total_seconds()


def with_look(rollout: Rollout, status: Status, seen: Seen, now: datetime) -> Look:
    """Return the look with its counts added to the status."""
    before = status.evidence
    evidence = before.with_look(seen.stable.pods, seen.canary.pods, seen.snapshots)
    answers = evidence.canary.counts.requests > before.canary.counts.requests
    idle_since = None if answers else status.idle_since or now
    fell = [pod.name for pod in seen.canary.pods if pod.name in status.ready_pods and not pod.ready and not pod.leaving]
    status = replace(
        status,
        evidence=evidence,
        idle_since=idle_since,
        pairs=status.pairs + seen.pairs if status.mirror else status.pairs,
        unready=status.unready + (len(fell) if _is_watched(status) else 0),
        ready_pods=tuple(sorted(pod.name for pod in seen.canary.pods if pod.ready)),
    )
    return Look(rollout, status, seen, now)


def _is_watched(status: Status) -> bool:
    return status.phase in (Phase.SHADOWING, Phase.PROGRESSING, Phase.PAUSED, Phase.PROMOTING)
