# SPDX-License-Identifier: Apache-2.0
"""One look at a rollout, with what follows from it whatever the phase: what was counted, and which pods fell away."""

from dataclasses import dataclass, field, replace
from datetime import datetime

from cluster.services.artifact_uri import version_of
from rollouts.measurements.snapshot import Snapshot
from rollouts.observation import Pod, Seen
from rollouts.phases import Phase
from rollouts.spec import Rollout
from rollouts.status import Status


@dataclass(frozen=True, slots=True)
class Look:
    """What a decision is made from.

    Attributes:
        rollout: What it asks for.
        status: What it has come to, with what this look has counted.
        seen: What the look shows.
        now: When it was taken.
        flow: What the canary has counted since the last one, where that had counted something too and all its pods had
            told; what follows on a silence was sent nobody knows when.
    """

    rollout: Rollout
    status: Status
    seen: Seen
    now: datetime
    flow: Snapshot = field(default_factory=Snapshot)

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
    before, idle_before = status.evidence, status.idle_since
    evidence = before.with_look(seen.stable.pods, seen.canary.pods, seen.snapshots)
    answered = evidence.canary.counts.since(before.canary.counts)
    status = replace(
        _with_pods(status, seen) if _is_watched(status) else status,
        evidence=evidence,
        idle_since=None if answered.requests else status.idle_since or now,
        pairs=status.pairs + seen.pairs if status.mirror else status.pairs,
        ready_pods={pod.name: pod.ready_since for pod in (*seen.stable.pods, *seen.canary.pods) if pod.ready},
    )
    flows = idle_before is None and before.unheard.isdisjoint(pod.key for pod in seen.canary.pods)
    return Look(rollout, status, seen, now, answered if flows else Snapshot())


def _with_pods(status: Status, seen: Seen) -> Status:
    """Return the status with what has befallen the pods since the last look."""
    pods = (*seen.stable.pods, *seen.canary.pods)
    fell = {pod.name for pod in pods if _fell(status, pod)}
    down = {
        pod.name
        for pod in pods
        if not (pod.ready or pod.leaving) and (pod.name in fell or pod.name in status.down_pods)
    }
    if any(pod.name in fell | down for pod in seen.stable.pods):
        # What befalls both versions is blamed on neither, whichever of them is well again first.
        canary = {pod.name for pod in seen.canary.pods}
        fell, down = fell - canary, down - (canary - status.down_pods)
    canary_restarts, stable_restarts = _excused_restarts(status, seen)
    return replace(
        status,
        unready=status.unready + sum(pod.name in fell for pod in seen.canary.pods),
        down_pods=frozenset(down),
        canary_restarts=canary_restarts,
        stable_restarts=stable_restarts,
    )


def _excused_restarts(status: Status, seen: Seen) -> tuple[int, int]:
    """Return how many ends of the canary's servers, and of the stable version's, are blamed on nobody."""
    # Those of pods that are gone went with them.
    canary, stable = (
        min(status.canary_restarts, seen.canary.restarts),
        min(status.stable_restarts, seen.stable.restarts),
    )
    is_over = bool(seen.canary.pods) and all(pod.ready for pod in seen.canary.pods)
    if is_over and seen.canary.restarts > canary and seen.stable.restarts > stable:
        return seen.canary.restarts, seen.stable.restarts
    return canary, stable


def _fell(status: Status, pod: Pod) -> bool:
    """Return whether a pod that was ready at the last look is not so now, or was not so in between."""
    if pod.leaving or pod.name not in status.ready_pods:
        return False
    return not pod.ready or pod.ready_since != status.ready_pods[pod.name]


def _is_watched(status: Status) -> bool:
    return status.phase in (Phase.SHADOWING, Phase.PROGRESSING, Phase.PAUSED, Phase.PROMOTING)
