# SPDX-License-Identifier: Apache-2.0
"""What `portside deploy` is to bring about: the user's choices, with those of the present service for the rest."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from cluster.api import Cluster, Object
from cluster.errors import ClusterError
from cluster.names import GATEWAY, RUNTIME, SYSTEM_NAMESPACE
from cluster.services.address import hostname_of
from cluster.services.objects import (
    GRPC_ROUTE,
    HTTP_ROUTE,
    INFERENCE_SERVICE,
    Service,
    service_of,
)

_INSTALL: Final = "run `make install`"
_SERVING: Final = "serving.kserve.io/v1alpha1"
_KSERVE: Final = "kserve"
_FORMATS: Final = ("portside", "onnx")


@dataclass(frozen=True, slots=True)
class Choices:
    """What a user says on the command line; None leaves a thing as it is, or to its default in a new service.

    Attributes:
        name: The service.
        namespace: Its namespace.
        artifact: URI of the version to serve.
        replicas: The fewest and the most pods.
        cpu_target: Percent of the requested CPU above which pods are added.
        cpu: Request and limit.
        memory: Request and limit.
        image: The serving image.
        domain: What comes after the service's name in its hostname.
        service_account: Whose credentials read the artifact.
        allow_pickle: Whether a pickled model may be loaded.
    """

    name: str
    namespace: str
    artifact: str
    replicas: tuple[int, int] | None = None
    cpu_target: int | None = None
    cpu: tuple[str, str] | None = None
    memory: tuple[str, str] | None = None
    image: str | None = None
    domain: str | None = None
    service_account: str | None = None
    allow_pickle: bool | None = None


def plan(cluster: Cluster, choices: Choices) -> Service:
    """Return the service as it shall be.

    Args:
        cluster: Where it shall be.
        choices: What the user says.

    Raises:
        ClusterError: The cluster lacks what a service needs, or the service cannot be made there; the text says what
            to do.
    """
    _check_platform(cluster, choices.namespace)
    present = cluster.get(*INFERENCE_SERVICE, choices.name, choices.namespace)
    if present is None:
        hostname = f"{choices.name}.{choices.domain or _ingress_domain(cluster)}"
        base = Service(choices.name, choices.namespace, hostname, choices.artifact)
    else:
        base = _present(cluster, present, choices)
    service = _with(base, choices)
    _check_account(cluster, service)
    _check_hostname(cluster, service)
    return service


def _present(cluster: Cluster, present: Object, choices: Choices) -> Service:
    predictor = present["spec"]["predictor"]
    model = predictor.get("model", {})
    if model.get("runtime", RUNTIME) != RUNTIME or model.get("modelFormat", {}).get("name") not in _FORMATS:
        what = model.get("runtime") or "something else"
        raise ClusterError(f"InferenceService {choices.name} is there and runs {what}: choose another name")
    if present["spec"].get("canary"):
        raise ClusterError(
            f"{choices.name} has a canary: a rollout of it is under way, or keeps the former version running; let that "
            f"end (`portside rollout status {choices.name}`), then deploy"
        )
    hostname = hostname_of(cluster.get(*HTTP_ROUTE, choices.name, choices.namespace))
    if choices.domain is not None or hostname is None:
        hostname = f"{choices.name}.{choices.domain or _ingress_domain(cluster)}"
    return service_of(present, hostname)


def _with(base: Service, choices: Choices) -> Service:
    least, most = choices.replicas or (base.min_replicas, base.max_replicas)
    chosen: dict[str, Any] = {
        "image": choices.image,
        "service_account": choices.service_account,
        "allow_pickle": choices.allow_pickle,
        "cpu_target": choices.cpu_target,
    }
    resources = {name: pair for name, pair in (("cpu", choices.cpu), ("memory", choices.memory)) if pair is not None}
    if choices.cpu_target is not None and base.autoscaling is not None:
        raise ClusterError(f"{base.name} scales by {_metrics(base.autoscaling)}, so --cpu-target has no place")
    return replace(
        base,
        artifact=choices.artifact,
        min_replicas=least,
        max_replicas=most,
        requests={**base.requests, **{name: request for name, (request, _) in resources.items()}},
        limits={**base.limits, **{name: limit for name, (_, limit) in resources.items()}},
        **{name: value for name, value in chosen.items() if value is not None},
    )


def _metrics(autoscaling: Mapping[str, Any]) -> str:
    return ", ".join(str(each.get("type", "?")) for each in autoscaling.get("metrics", [])) or "another metric"


def _check_platform(cluster: Cluster, namespace: str) -> None:
    if not cluster.knows(*INFERENCE_SERVICE):
        raise ClusterError(f"the cluster has no KServe: {_INSTALL}")
    if cluster.get("v1", "Namespace", namespace) is None:
        raise ClusterError(f"there is no namespace {namespace}: {_INSTALL}, which makes models, or name another")
    runtimes = (("ClusterServingRuntime", None), ("ServingRuntime", namespace))
    if all(cluster.get(_SERVING, kind, RUNTIME, place) is None for kind, place in runtimes):
        raise ClusterError(f"the cluster has no ClusterServingRuntime {RUNTIME}: {_INSTALL}")
    if cluster.get("gateway.networking.k8s.io/v1", "Gateway", GATEWAY, SYSTEM_NAMESPACE) is None:
        raise ClusterError(f"there is no Gateway {GATEWAY} in namespace {SYSTEM_NAMESPACE}: {_INSTALL}")


def _check_account(cluster: Cluster, service: Service) -> None:
    if cluster.get("v1", "ServiceAccount", service.service_account, service.namespace) is None:
        raise ClusterError(
            f"namespace {service.namespace} has no ServiceAccount {service.service_account}: {_INSTALL}, "
            "or name one with --service-account"
        )


def _check_hostname(cluster: Cluster, service: Service) -> None:
    for kind in (HTTP_ROUTE, GRPC_ROUTE):
        for route in _routes(cluster, kind, service.namespace):
            metadata, spec = route["metadata"], route["spec"]
            own = (metadata["namespace"], metadata["name"]) == (service.namespace, service.name)
            if not own and _is_ours(spec) and service.hostname in spec.get("hostnames", []):
                holder = f"{kind[1]} {metadata['namespace']}/{metadata['name']}"
                raise ClusterError(
                    f"the hostname {service.hostname} is held by {holder}: choose another name, or another --domain"
                )


def _routes(cluster: Cluster, kind: tuple[str, str], namespace: str) -> list[Object]:
    try:
        return cluster.objects(*kind)
    except ClusterError:
        # Who may see to one namespace alone cannot be told of the others.
        return cluster.objects(*kind, namespace)


def _is_ours(route: Mapping[str, Any]) -> bool:
    return any(parent["name"] == GATEWAY for parent in route.get("parentRefs", []))


def _ingress_domain(cluster: Cluster) -> str:
    found = cluster.get("v1", "ConfigMap", "inferenceservice-config", _KSERVE) or {}
    try:
        domain: str = json.loads(found["data"]["ingress"])["ingressDomain"]
    except (KeyError, ValueError, TypeError) as err:
        raise ClusterError(
            f"KServe's ConfigMap inferenceservice-config in namespace {_KSERVE} tells no ingressDomain: give one with "
            f"--domain, or {_INSTALL}"
        ) from err
    return domain
