# SPDX-License-Identifier: Apache-2.0
"""The objects that make one service: what ``manifests/services/NAME/base`` holds, with a user's choices in place."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from cluster.api import Object
from cluster.names import GATEWAY, RUNTIME, SYSTEM_NAMESPACE

#: On every pod, ReplicaSet and Deployment of a service.
SERVICE_LABEL: Final = "serving.kserve.io/inferenceservice"

#: Kinds by what the rest of this part calls them: API version and kind.
INFERENCE_SERVICE: Final = ("serving.kserve.io/v1beta1", "InferenceService")
HTTP_ROUTE: Final = ("gateway.networking.k8s.io/v1", "HTTPRoute")
GRPC_ROUTE: Final = ("gateway.networking.k8s.io/v1", "GRPCRoute")
TRAFFIC_POLICY: Final = ("gateway.envoyproxy.io/v1alpha1", "BackendTrafficPolicy")
DISRUPTION_BUDGET: Final = ("policy/v1", "PodDisruptionBudget")

_ALLOW_PICKLE: Final = "PREDICTOR_ALLOW_PICKLE"
_KSERVE_ANNOTATIONS: Final = "serving.kserve.io/"
_DEPLOYMENT_MODE: Final = "serving.kserve.io/deploymentMode"
_ZONE: Final = "topology.kubernetes.io/zone"
_CPU_TARGET: Final = 70


@dataclass(frozen=True, slots=True)
class Service:
    """What a user chooses about a service.

    Attributes:
        name: The InferenceService's name, and the model's in URLs.
        namespace: Where its objects are.
        hostname: The host that its routes take.
        artifact: URI of the artifact's folder.
        min_replicas: How many pods there are at least.
        max_replicas: How many there are at most.
        cpu_target: The share of the requested CPU, in percent, above which pods are added; None leaves it unsaid.
        requests: Resources that each pod is given, as Kubernetes quantities.
        limits: Resources that no pod may exceed.
        image: The serving image; None takes the runtime's.
        service_account: Whose credentials read the artifact.
        allow_pickle: Whether the server may load a pickled model.
        args: Arguments of the server besides the runtime's.
        predictor: The predictor's own name, which it has once a rollout has promoted it; else None.
        autoscaling: KServe's ``autoScaling`` block, where another metric than CPU scales the service.
        annotations: KServe's annotations besides the deployment mode.
    """

    name: str
    namespace: str
    hostname: str
    artifact: str
    min_replicas: int = 1
    max_replicas: int = 1
    cpu_target: int | None = None
    requests: Mapping[str, str] = field(default_factory=lambda: {"cpu": "100m", "memory": "256Mi"})
    limits: Mapping[str, str] = field(default_factory=lambda: {"cpu": "2", "memory": "1Gi"})
    image: str | None = None
    service_account: str = "models"
    allow_pickle: bool = False
    args: tuple[str, ...] = ("--workers=1",)
    predictor: str | None = None
    autoscaling: Mapping[str, Any] | None = None
    annotations: Mapping[str, str] = field(default_factory=dict)

    @property
    def backend(self) -> str:
        """The Deployment's and the Kubernetes Service's name, as KServe makes them."""
        return backend_name(self.name, self.predictor)


def backend_name(service: str, predictor: str | None) -> str:
    """Return the name that KServe gives a predictor's Deployment and Service."""
    return f"{service}-predictor" if predictor is None else f"{service}-{predictor}-predictor"


def service_of(inference_service: Mapping[str, Any], hostname: str) -> Service:
    """Return the choices that an InferenceService of this runtime was made with.

    Args:
        inference_service: As it is on the cluster.
        hostname: The host of its routes.
    """
    metadata, predictor = inference_service["metadata"], inference_service["spec"]["predictor"]
    model = predictor.get("model", {})
    resources = model.get("resources", {})
    least = predictor.get("minReplicas", 1)
    environ = {variable["name"]: variable.get("value") for variable in model.get("env", [])}
    annotations = metadata.get("annotations", {})
    return Service(
        name=metadata["name"],
        namespace=metadata["namespace"],
        hostname=hostname,
        artifact=model.get("storageUri", ""),
        min_replicas=least,
        max_replicas=max(predictor.get("maxReplicas", least), least),
        cpu_target=predictor.get("scaleTarget") if predictor.get("scaleMetric") == "cpu" else None,
        requests=resources.get("requests", {}),
        limits=resources.get("limits", {}),
        image=model.get("image"),
        service_account=predictor.get("serviceAccountName", "default"),
        allow_pickle=environ.get(_ALLOW_PICKLE) == "true",
        args=tuple(model.get("args", ())),
        predictor=predictor.get("name"),
        autoscaling=predictor.get("autoScaling"),
        annotations={
            key: value
            for key, value in annotations.items()
            if key.startswith(_KSERVE_ANNOTATIONS) and key != _DEPLOYMENT_MODE
        },
    )


def objects(service: Service) -> list[Object]:
    """Return a service's objects in the order in which they are applied: what routes lead to comes before them."""
    return [
        _inference_service(service),
        _disruption_budget(service),
        _traffic_policy(service),
        _route(service, HTTP_ROUTE, "http", 80, {"timeouts": {"request": "35s"}}),
        # A GRPCRoute has no time-outs of its own: gRPC calls carry their deadlines.
        _route(service, GRPC_ROUTE, "grpc", 8081, {}),
    ]


def _inference_service(service: Service) -> Object:
    model: Object = {
        "modelFormat": {"name": "portside", "version": "1"},
        "protocolVersion": "v2",
        "runtime": RUNTIME,
        "storageUri": service.artifact,
        "args": list(service.args),
        "resources": {"requests": dict(service.requests), "limits": dict(service.limits)},
    }
    if service.image is not None:
        model["image"] = service.image
    if service.allow_pickle:
        model["env"] = [{"name": _ALLOW_PICKLE, "value": "true"}]
    predictor: Object = {
        "minReplicas": service.min_replicas,
        "maxReplicas": service.max_replicas,
        "serviceAccountName": service.service_account,
        # Five seconds of preStop, five of drain and thirty for requests in flight, with a margin.
        "terminationGracePeriodSeconds": 45,
        "deploymentStrategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}},
        "topologySpreadConstraints": [_spread(service, "kubernetes.io/hostname"), _spread(service, _ZONE)],
        "model": model,
    }
    if service.autoscaling is not None:
        predictor["autoScaling"] = dict(service.autoscaling)
    elif service.cpu_target is not None or service.max_replicas > service.min_replicas:
        predictor |= {"scaleMetric": "cpu", "scaleTarget": service.cpu_target or _CPU_TARGET}
    if service.predictor is not None:
        predictor["name"] = service.predictor
    return {
        **_head(service, INFERENCE_SERVICE),
        "metadata": {
            **_metadata(service),
            # KServe makes no routes for it: the HTTPRoute and GRPCRoute beside it lead here.
            "labels": {"networking.kserve.io/visibility": "cluster-local"},
            "annotations": {_DEPLOYMENT_MODE: "Standard", **service.annotations},
        },
        "spec": {"predictor": predictor},
    }


def _spread(service: Service, key: str) -> Object:
    return {
        "maxSkew": 1,
        "topologyKey": key,
        "whenUnsatisfiable": "ScheduleAnyway",
        "labelSelector": {"matchLabels": {SERVICE_LABEL: service.name}},
    }


def _route(service: Service, kind: tuple[str, str], listener: str, port: int, rule: Mapping[str, Any]) -> Object:
    return {
        **_head(service, kind),
        "spec": {
            "parentRefs": [{"name": GATEWAY, "namespace": SYSTEM_NAMESPACE, "sectionName": listener}],
            "hostnames": [service.hostname],
            "rules": [{**rule, "backendRefs": [{"name": service.backend, "port": port, "weight": 100}]}],
        },
    }


def _traffic_policy(service: Service) -> Object:
    group = HTTP_ROUTE[0].partition("/")[0]
    return {
        **_head(service, TRAFFIC_POLICY),
        "spec": {
            "targetRefs": [
                {"group": group, "kind": kind, "name": service.name} for kind in (HTTP_ROUTE[1], GRPC_ROUTE[1])
            ],
            "loadBalancer": {"type": "LeastRequest"},
            # Asking a model changes nothing, so a request may be sent again when its connection fails, even after it
            # was sent: "reset" is what the requests in flight see when a container is killed.
            "retry": {
                "numRetries": 3,
                "retryOn": {"triggers": ["connect-failure", "refused-stream", "reset"]},
                "perRetry": {"backOff": {"baseInterval": "25ms", "maxInterval": "250ms"}},
            },
        },
    }


def _disruption_budget(service: Service) -> Object:
    return {
        **_head(service, DISRUPTION_BUDGET),
        "spec": {
            # Rounded up: a single replica stays until there is a second, two leave one at a time.
            "minAvailable": "50%",
            # Pods that do not answer anyway may always go, so that a broken one never blocks a node's drain.
            "unhealthyPodEvictionPolicy": "AlwaysAllow",
            "selector": {"matchLabels": {SERVICE_LABEL: service.name}},
        },
    }


def _head(service: Service, kind: tuple[str, str]) -> Object:
    return {"apiVersion": kind[0], "kind": kind[1], "metadata": _metadata(service)}


def _metadata(service: Service) -> Object:
    return {"name": service.name, "namespace": service.namespace}
