# SPDX-License-Identifier: Apache-2.0
"""The pods of one version as a rollout sees them; pure, from what was read of the cluster."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from cluster.api import Object
from cluster.readiness import condition, is_ready
from cluster.services.observation import CONTAINER, Observed
from cluster.services.reasons import explain_pods, how_it_ended
from rollouts.actions.inference_service import as_canary
from rollouts.observation import Arm, Pod


@dataclass(frozen=True, slots=True)
class Made:
    """What Kubernetes has made of an InferenceService, all its versions together.

    Attributes:
        deployments: Its Deployments.
        replica_sets: Its ReplicaSets.
        pods: Its pods, those that are leaving among them.
        events: Warnings about objects of its namespace; left out until somebody asks why.
    """

    deployments: Sequence[Object]
    replica_sets: Sequence[Object]
    pods: Sequence[Object]
    events: Sequence[Object] = ()

    def has(self, backend: str) -> bool:
        """Return whether a Deployment of that name, or pods of it, are there."""
        return any(each["metadata"]["name"] == backend for each in self.deployments) or bool(self.pods_of(backend))

    def pods_of(self, backend: str) -> list[Object]:
        """Return the pods of a Deployment, by the label that KServe gives them: it is there longer than their owner."""
        return [pod for pod in self.pods if pod["metadata"].get("labels", {}).get("app") == f"isvc.{backend}"]


def stable_arm(service: Object, made: Made, backend: str) -> Arm:
    """Return the pods of the service itself.

    Args:
        service: The InferenceService.
        made: What was made of it.
        backend: The name of its Deployment.
    """
    return _arm(service, made, backend)


def canary_arm(service: Object, entry: Object | None, made: Made, backend: str) -> Arm:
    """Return the pods of the service's canary.

    Args:
        service: The InferenceService.
        entry: Its entry for the canary; None where it has none.
        made: What was made of it.
        backend: The name of the canary's Deployment.
    """
    if entry is None:
        return Arm(_pods(made.pods_of(backend)), problem="the InferenceService has no canary yet")
    return _arm(as_canary(service, entry), made, backend)


def _arm(service: Object, made: Made, backend: str) -> Arm:
    own = made.pods_of(backend)
    reason = explain_pods(
        Observed(
            service=service,
            deployment=next((each for each in made.deployments if each["metadata"]["name"] == backend), None),
            replica_sets=made.replica_sets,
            pods=[pod for pod in own if "deletionTimestamp" not in pod["metadata"]],
            routes={},
            events=made.events,
        )
    )
    if reason is None:
        return Arm(_pods(own), complete=True)
    return Arm(_pods(own), problem=reason.text, final=reason.final)


def _pods(documents: Iterable[Object]) -> tuple[Pod, ...]:
    return tuple(map(_pod, sorted(documents, key=lambda pod: str(pod["metadata"]["name"]))))


def _pod(document: Object) -> Pod:
    metadata = document["metadata"]
    statuses = document.get("status", {}).get("containerStatuses") or []
    server: Mapping[str, Any] = next((each for each in statuses if each["name"] == CONTAINER), {})
    restarts = server.get("restartCount", 0)
    started = (server.get("state", {}).get("running") or {}).get("startedAt")
    pod = Pod(
        name=metadata["name"],
        key=f"{metadata['uid']}/{restarts}",
        ready=is_ready(document),
        leaving="deletionTimestamp" in metadata,
        restarts=restarts,
        started=None if started is None else datetime.fromisoformat(started),
        ready_since=_ready_since(document),
    )
    return replace(pod, crash=_crash(server, leaving=pod.leaving))


def _ready_since(document: Object) -> datetime | None:
    found = condition(document, "Ready")
    if found is None or found["status"] != "True" or not found.get("lastTransitionTime"):
        return None
    return datetime.fromisoformat(found["lastTransitionTime"])


def _crash(server: Mapping[str, Any], *, leaving: bool) -> str | None:
    """Return why a server last ended, unless it ended well or was told to."""
    last = server.get("lastState", {}).get("terminated")
    ended = last if leaving else server.get("state", {}).get("terminated") or last
    if ended is None or ended.get("exitCode") == 0:
        return None
    return how_it_ended(server, ended)
