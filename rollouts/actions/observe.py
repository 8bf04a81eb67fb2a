# SPDX-License-Identifier: Apache-2.0
"""One look at the cluster: six requests, one more where something is not as wanted; counts are asked besides."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from cluster.api import Cluster, Object
from cluster.services.objects import INFERENCE_SERVICE, SERVICE_LABEL, backend_name
from rollouts.actions.act import ROUTES
from rollouts.actions.arms import Made, canary_arm, stable_arm
from rollouts.actions.autoscalers import autoscalers_of
from rollouts.actions.choices import choices_of
from rollouts.actions.inference_service import canary_name_of, canary_of
from rollouts.actions.names import backends_of, canaries_of
from rollouts.actions.release import owns
from rollouts.actions.route_state import problem_of_routes, share_of
from rollouts.actions.rules import Backends
from rollouts.actions.turns import ahead_of, replacing
from rollouts.measurements.source import Source
from rollouts.observation import Arm, Seen
from rollouts.phases import Phase
from rollouts.spec import MODEL_ROLLOUT, Rollout
from rollouts.status import Status

_DEPLOYMENT: Final = ("apps/v1", "Deployment")
_REPLICA_SET: Final = ("apps/v1", "ReplicaSet")
_POD: Final = ("v1", "Pod")
_EVENT: Final = ("v1", "Event")


@dataclass(frozen=True, slots=True)
class _Read:
    """What was read of a rollout's service.

    Attributes:
        service: The InferenceService.
        routes: Its HTTPRoute and GRPCRoute, where they are there.
        made: What Kubernetes has made of it.
        backends: What stands for its versions.
    """

    service: Object
    routes: Sequence[Object]
    made: Made
    backends: Backends


def observe(
    cluster: Cluster, rollout: Rollout, status: Status, source: Source, neighbours: Iterable[Object] = ()
) -> Seen:
    """Return what a look at the cluster shows of a rollout, but for pairs of answers.

    Args:
        cluster: Where it is.
        rollout: The rollout.
        status: What it has come to.
        source: What tells the counts of pods.
        neighbours: The ModelRollouts of its namespace as they were last heard of. One that has not begun asks for them
            anew, since two of them must never take each other for the later one.

    Raises:
        ClusterError: The cluster cannot be reached, or does not let it be seen.
    """
    begun = status.former is not None
    others = list(neighbours) if begun else cluster.objects(*MODEL_ROLLOUT, rollout.namespace)
    ahead = None if begun else ahead_of(rollout, others)
    replaced_by = replacing(rollout, others, promoted=status.phase is Phase.PROMOTED)
    read = _read(cluster, rollout)
    if read is None:
        return Seen(service=None, ahead=ahead, replaced_by=replaced_by)
    stable, canary = _arms(cluster, rollout, status, read)
    own = canaries_of(rollout) if status.former is not None else frozenset()
    pods = [pod for pod in (*stable.pods, *canary.pods) if pod.runs]
    return Seen(
        service=choices_of(read.service, own),
        stable=stable,
        canary=canary,
        canary_exists=status.former is not None and _exists(cluster, rollout, status, read),
        traffic=share_of(read.routes, read.backends),
        routes_problem=problem_of_routes(rollout.service, read.routes, read.backends),
        snapshots=source.snapshots(rollout.namespace, rollout.service, pods),
        ahead=ahead,
        replaced_by=replaced_by,
    )


def _read(cluster: Cluster, rollout: Rollout) -> _Read | None:
    name, namespace = rollout.service, rollout.namespace
    service = cluster.get(*INFERENCE_SERVICE, name, namespace)
    if service is None:
        return None
    routes = [cluster.get(*kind, name, namespace) for kind in ROUTES]
    labels = f"{SERVICE_LABEL}={name}"
    made = Made(*(cluster.objects(*kind, namespace, labels=labels) for kind in (_DEPLOYMENT, _REPLICA_SET, _POD)))
    return _Read(service, [route for route in routes if route is not None], made, backends_of(rollout, service))


def _arms(cluster: Cluster, rollout: Rollout, status: Status, read: _Read) -> tuple[Arm, Arm]:
    """Return the pods of the service itself, and those of its canary where there shall be one."""
    arms = _both(rollout, status, read)
    if all(arm.problem is None for arm in arms):
        return arms
    # Why it is so may be told by an Event alone.
    events = cluster.objects(*_EVENT, rollout.namespace, fields="type=Warning")
    return _both(rollout, status, replace(read, made=replace(read.made, events=events)))


def _both(rollout: Rollout, status: Status, read: _Read) -> tuple[Arm, Arm]:
    stable = stable_arm(read.service, read.made, read.backends.stable)
    if status.canary is None:
        return stable, Arm()
    entry = canary_of(read.service) if canary_name_of(read.service) == status.canary.name else None
    backend = backend_name(rollout.service, status.canary.name)
    return stable, canary_arm(read.service, entry, read.made, backend)


def _exists(cluster: Cluster, rollout: Rollout, status: Status, read: _Read) -> bool:
    """Return whether anything of the rollout's canary is there, be it a field that the rollout has written."""
    canaries = read.backends.canaries
    if canary_name_of(read.service) in canaries_of(rollout):
        return True
    if any(map(read.made.has, canaries)):
        return True
    if status.canary is not None:
        return False
    return any(map(owns, [read.service, *read.routes])) or any(
        name in canaries for name in autoscalers_of(cluster, rollout)
    )
