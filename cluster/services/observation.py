# SPDX-License-Identifier: Apache-2.0
"""One service as it is on the cluster at a moment: its own objects, and what Kubernetes made of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from cluster.api import Cluster, Object
from cluster.errors import ClusterError
from cluster.readiness import is_ready, is_taken_up
from cluster.services.objects import GRPC_ROUTE, HTTP_ROUTE, INFERENCE_SERVICE, SERVICE_LABEL, backend_name

#: The server's container, and the one that fetches the model before it starts.
CONTAINER: Final = "kserve-container"
INITIALIZER: Final = "storage-initializer"

_DEPLOYMENT: Final = ("apps/v1", "Deployment")
_REPLICA_SET: Final = ("apps/v1", "ReplicaSet")
_POD: Final = ("v1", "Pod")
_REVISION: Final = "deployment.kubernetes.io/revision"
_HASH: Final = "pod-template-hash"
_SOURCE: Final = "internal.serving.kserve.io/storage-initializer-sourceuri"


@dataclass(frozen=True, slots=True)
class Observed:
    """A service's objects, read one after the other within a moment.

    Attributes:
        service: The InferenceService.
        deployment: The Deployment of its predictor; None before KServe has made it.
        replica_sets: The ReplicaSets of all its Deployments.
        pods: Its pods, those that are leaving excepted.
        routes: Its HTTPRoute and GRPCRoute, by kind, where they are.
        events: Warnings about objects of its namespace.
    """

    service: Object
    deployment: Object | None
    replica_sets: Sequence[Object]
    pods: Sequence[Object]
    routes: Mapping[str, Object]
    events: Sequence[Object]

    @property
    def name(self) -> str:
        """The service's name."""
        name: str = self.service["metadata"]["name"]
        return name

    @property
    def namespace(self) -> str:
        """The service's namespace."""
        namespace: str = self.service["metadata"]["namespace"]
        return namespace

    @property
    def artifact(self) -> str:
        """The URI of the version that is wanted; empty where the service has none."""
        model = self.service["spec"].get("predictor", {}).get("model", {})
        uri: str = model.get("storageUri", "")
        return uri

    @property
    def least(self) -> int:
        """How many replicas there have to be; KServe takes those of a canary from them, but for one."""
        replicas: int = self.service["spec"].get("predictor", {}).get("minReplicas", 1)
        canaries = self.service["spec"].get("canary") or []
        taken: int = sum(canary["predictor"].get("minReplicas", 1) for canary in canaries)
        return max(replicas - taken, min(replicas, 1))

    @property
    def is_followed(self) -> bool:
        """Whether the Deployment is that of the InferenceService's present spec.

        KServe does not tell: the ``observedGeneration`` in its status is the Deployment's own. So the two are compared
        in what a user may change.
        """
        if self.deployment is None:
            return False
        predictor, template = self.service["spec"].get("predictor", {}), self.deployment["spec"]["template"]
        model, pod = predictor.get("model", {}), template["spec"]
        container: Object = next((each for each in pod["containers"] if each["name"] == CONTAINER), {})
        account = predictor.get("serviceAccountName")
        return (
            _annotation(template, _SOURCE) in ("", self.artifact)
            and model.get("image") in (None, container.get("image"))
            and account in (None, pod.get("serviceAccountName"))
            and set(model.get("args") or []) <= set(container.get("args") or [])
            and all(variable in container.get("env", []) for variable in model.get("env") or [])
            and all(
                _same_amounts(model.get("resources", {}).get(key, {}), container.get("resources", {}).get(key, {}))
                for key in ("requests", "limits")
            )
        )

    @property
    def new_pods(self) -> list[Object]:
        """The pods of the Deployment's present template."""
        if self.deployment is None or not is_taken_up(self.deployment):
            return []
        uid, revision = self.deployment["metadata"]["uid"], _annotation(self.deployment, _REVISION)
        hashes = {
            found["metadata"]["labels"].get(_HASH)
            for found in self.replica_sets
            if _annotation(found, _REVISION) == revision and _owner(found) == uid
        }
        return [pod for pod in self.pods if pod["metadata"]["labels"].get(_HASH) in hashes]

    @property
    def old_pods(self) -> list[Object]:
        """The pods of the Deployment's former templates."""
        if self.deployment is None:
            return []
        uid, new = self.deployment["metadata"]["uid"], [pod["metadata"]["name"] for pod in self.new_pods]
        own = {found["metadata"]["uid"] for found in self.replica_sets if _owner(found) == uid}
        return [pod for pod in self.pods if _owner(pod) in own and pod["metadata"]["name"] not in new]

    @property
    def former_ready(self) -> list[Object]:
        """The pods that serve another version than the wanted one."""
        return [pod for pod in self.old_pods if is_ready(pod) and source_of(pod) != self.artifact]


def observe(cluster: Cluster, namespace: str, name: str | None = None) -> list[Observed]:
    """Return the services of a namespace, by name.

    Args:
        cluster: Where they are.
        namespace: The namespace.
        name: Only this service; none is returned where it is not there.
    """
    if name is None:
        services = cluster.objects(*INFERENCE_SERVICE, namespace)
    else:
        found = cluster.get(*INFERENCE_SERVICE, name, namespace)
        services = [] if found is None else [found]
    if not services:
        return []
    labels = SERVICE_LABEL if name is None else f"{SERVICE_LABEL}={name}"
    made = {kind: cluster.objects(*kind, namespace, labels=labels) for kind in (_DEPLOYMENT, _REPLICA_SET, _POD)}
    routes = [route for kind in (HTTP_ROUTE, GRPC_ROUTE) for route in cluster.objects(*kind, namespace)]
    events = cluster.objects("v1", "Event", namespace, fields="type=Warning")
    return [
        _observed(service, made, routes, events)
        for service in sorted(services, key=lambda each: str(each["metadata"]["name"]))
    ]


def unknown_service(name: str, namespace: str) -> ClusterError:
    """Return the error that says that there is no such service."""
    return ClusterError(f"namespace {namespace} has no service {name}; `portside status` lists those that are there")


def source_of(pod: Mapping[str, Any]) -> str:
    """Return the URI that a pod's model was loaded from; empty where KServe has not written it down."""
    return _annotation(pod, _SOURCE)


def _observed(
    service: Object,
    made: Mapping[tuple[str, str], Sequence[Object]],
    routes: Sequence[Object],
    events: Sequence[Object],
) -> Observed:
    name = service["metadata"]["name"]
    backend = backend_name(name, service["spec"].get("predictor", {}).get("name"))
    return Observed(
        service=service,
        deployment=next((each for each in made[_DEPLOYMENT] if each["metadata"]["name"] == backend), None),
        replica_sets=[each for each in made[_REPLICA_SET] if _service(each) == name],
        pods=[each for each in made[_POD] if _service(each) == name and "deletionTimestamp" not in each["metadata"]],
        routes={each["kind"]: each for each in routes if each["metadata"]["name"] == name},
        events=events,
    )


def _service(document: Mapping[str, Any]) -> str:
    label: str = document["metadata"].get("labels", {}).get(SERVICE_LABEL, "")
    return label


def _annotation(document: Mapping[str, Any], key: str) -> str:
    found: str = document["metadata"].get("annotations", {}).get(key, "")
    return found


def _owner(document: Mapping[str, Any]) -> str:
    owners = document["metadata"].get("ownerReferences", [])
    return next((str(owner["uid"]) for owner in owners if owner.get("controller")), "")


def _same_amounts(wanted: Mapping[str, str], found: Mapping[str, str]) -> bool:
    """Return whether resources are given as wanted; Kubernetes writes ``1000m`` as ``1``."""
    from kubernetes.utils.quantity import parse_quantity

    return all(
        name in found and (amount == found[name] or parse_quantity(amount) == parse_quantity(found[name]))
        for name, amount in wanted.items()
    )
