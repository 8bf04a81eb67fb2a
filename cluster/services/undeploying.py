# SPDX-License-Identifier: Apache-2.0
"""Taking a service away without cutting a request in flight; its artifact stays where it is."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from cluster.api import Cluster, Object
from cluster.errors import ClusterError
from cluster.names import GATEWAY
from cluster.services.objects import (
    DISRUPTION_BUDGET,
    GRPC_ROUTE,
    HTTP_ROUTE,
    INFERENCE_SERVICE,
    SERVICE_LABEL,
    TRAFFIC_POLICY,
)
from cluster.services.observation import unknown_service

_AUTOSCALER: Final = ("autoscaling/v2", "HorizontalPodAutoscaler")
_LAST: Final = (TRAFFIC_POLICY[1], DISRUPTION_BUDGET[1])
_POLL_SECONDS: Final = 0.5
#: The proxies hear of a change within this time; requests that came before go on.
_PROXIES_SECONDS: Final = 2.0
#: A pod's grace period, with a margin for what makes and removes pods.
_GONE_SECONDS: Final = 90.0


@dataclass(frozen=True, slots=True)
class Remains:
    """What there is of a service.

    Attributes:
        name: The service.
        namespace: Its namespace.
        artifact: The URI of the artifact that it serves; empty where the InferenceService itself is gone already.
        documents: Its objects.
    """

    name: str
    namespace: str
    artifact: str
    documents: Sequence[Object]

    @property
    def titles(self) -> list[str]:
        """Its objects' kinds and names."""
        return [f"{each['kind']} {each['metadata']['name']}" for each in self.documents]


def find(cluster: Cluster, namespace: str, name: str) -> Remains:
    """Return what there is of a service, whole or what an interrupted run has left.

    Raises:
        ClusterError: There is nothing of it.
    """
    named = [
        found
        for kind in (HTTP_ROUTE, GRPC_ROUTE, INFERENCE_SERVICE, TRAFFIC_POLICY, DISRUPTION_BUDGET)
        if (found := cluster.get(*kind, name, namespace)) is not None and _is_of_service(found, name)
    ]
    autoscalers = cluster.objects(*_AUTOSCALER, namespace, labels=f"{SERVICE_LABEL}={name}")
    if not named and not autoscalers:
        raise unknown_service(name, namespace)
    artifacts = [_artifact(each) for each in named if each["kind"] == INFERENCE_SERVICE[1]]
    return Remains(name, namespace, "".join(artifacts), [*named, *autoscalers])


def remove(cluster: Cluster, remains: Remains, tell: Callable[[str], None]) -> None:
    """Delete a service: first what leads to it, then its pods when the last requests are answered.

    Args:
        cluster: Where it is.
        remains: What there is of it.
        tell: Takes a line whenever there is news.

    Raises:
        ClusterError: The cluster refuses, or the pods are not gone in time.
    """
    routes = [each for each in remains.documents if each["kind"] in (HTTP_ROUTE[1], GRPC_ROUTE[1])]
    _delete(cluster, routes)
    if routes:
        tell("the Gateway no longer leads to it")
        time.sleep(_PROXIES_SECONDS)
    _delete(cluster, [each for each in remains.documents if each["kind"] == INFERENCE_SERVICE[1]])
    _wait_for_pods(cluster, remains, tell)
    # KServe leaves an autoscaler behind where a rollout has renamed the predictor.
    autoscalers = cluster.objects(*_AUTOSCALER, remains.namespace, labels=f"{SERVICE_LABEL}={remains.name}")
    _delete(cluster, [*autoscalers, *(each for each in remains.documents if each["kind"] in _LAST)])


def _wait_for_pods(cluster: Cluster, remains: Remains, tell: Callable[[str], None]) -> None:
    deadline = time.monotonic() + _GONE_SECONDS
    told = False
    while True:
        pods = cluster.objects("v1", "Pod", remains.namespace, labels=f"{SERVICE_LABEL}={remains.name}")
        if not pods and cluster.get(*INFERENCE_SERVICE, remains.name, remains.namespace) is None:
            return
        if pods and not told:
            tell(f"{len(pods)} pod{'s' if len(pods) > 1 else ''} answering the last requests")
            told = True
        if time.monotonic() >= deadline:
            names = ", ".join(pod["metadata"]["name"] for pod in pods) or f"InferenceService {remains.name}"
            raise ClusterError(f"{names} is not gone after {_GONE_SECONDS:g} s; run the command again to go on")
        time.sleep(_POLL_SECONDS)


def _delete(cluster: Cluster, documents: Sequence[Object]) -> None:
    for document in documents:
        metadata = document["metadata"]
        cluster.delete(document["apiVersion"], document["kind"], metadata["name"], metadata["namespace"])


def _is_of_service(document: Object, name: str) -> bool:
    """Return whether an object of a service's name is of this service, not of something else's of that name."""
    spec = document["spec"]
    if document["kind"] in (HTTP_ROUTE[1], GRPC_ROUTE[1]):
        return any(parent["name"] == GATEWAY for parent in spec.get("parentRefs", []))
    if document["kind"] == DISRUPTION_BUDGET[1]:
        return bool(spec.get("selector", {}).get("matchLabels", {}).get(SERVICE_LABEL) == name)
    return True


def _artifact(service: Object) -> str:
    uri: str = service["spec"].get("predictor", {}).get("model", {}).get("storageUri", "")
    return uri
