# SPDX-License-Identifier: Apache-2.0
"""The controllers that the platform stands on: what tells that one is there, and what its release holds."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from cluster.api import Cluster, Object
from cluster.errors import ClusterError

#: On a controller's Deployment: ``begun`` while an installation is under way, so that one broken off is taken up again.
INSTALLATION: Final = "portside.dev/installation"
BEGUN: Final = "begun"
COMPLETE: Final = "complete"

GATEWAY_API_KINDS: Final = ("gatewayclasses", "gateways", "httproutes", "grpcroutes", "referencegrants")
METRICS_API: Final = "v1beta1.metrics.k8s.io"

_GATEWAY_API_GROUPS = (".gateway.networking.k8s.io", ".gateway.networking.x-k8s.io")
#: KServe's parts for large language models and for models kept on nodes have controllers of their own.
_NOT_STANDARD_MODE = ("llmisvc", "llminference", "localmodel")
_BUNDLE_VERSION = "gateway.networking.k8s.io/bundle-version"
_TAG = re.compile(r":v?(\d+(?:\.\d+)+[\w.+-]*)(?:@|$)")


@dataclass(frozen=True, slots=True)
class Found:
    """A controller that a cluster has.

    Attributes:
        version: Its version; None where nothing tells it.
        namespace: The namespace that it runs in; None for definitions, which have none.
        begun: Whether Portside began to install it and was broken off.
    """

    version: str | None
    namespace: str | None = None
    begun: bool = False


@dataclass(frozen=True, slots=True)
class Controller:
    """One controller.

    Attributes:
        name: Its name as it is shown.
        key: What its entries in ``versions.env`` begin with.
        find: Says whether a cluster has it.
        files: The entries of its files.
        wanted: Whether a document of those files is installed.
        namespace: A namespace that its files need and do not hold.
    """

    name: str
    key: str
    find: Callable[[Cluster], Found | None]
    files: Sequence[str]
    wanted: Callable[[Mapping[str, Any]], bool] = lambda _: True
    namespace: str | None = None


def _deployed(name: str, image: str) -> Callable[[Cluster], Found | None]:
    """Find a Deployment by its usual name, and its version by the tag of its image or by its label."""

    def find(cluster: Cluster) -> Found | None:
        for deployment in cluster.objects("apps/v1", "Deployment", fields=f"metadata.name={name}"):
            containers = deployment["spec"]["template"]["spec"]["containers"]
            images = [container["image"] for container in containers if image in container["image"]]
            if images:
                return _found(deployment, images[0])
        return None

    return find


def _found(deployment: Object, image: str) -> Found:
    metadata = deployment["metadata"]
    tag = _TAG.search(image)
    label = metadata.get("labels", {}).get("app.kubernetes.io/version", "")
    version = tag[1] if tag else label.removeprefix("v")
    begun = metadata.get("annotations", {}).get(INSTALLATION) == BEGUN
    return Found(version or None, metadata["namespace"], begun)


def _find_gateway_api(cluster: Cluster) -> Found | None:
    names = [f"{kind}.gateway.networking.k8s.io" for kind in GATEWAY_API_KINDS]
    definitions = [cluster.get("apiextensions.k8s.io/v1", "CustomResourceDefinition", name) for name in names]
    there = [definition for definition in definitions if definition is not None]
    if not there:
        return None
    versions = {one["metadata"].get("annotations", {}).get(_BUNDLE_VERSION, "").removeprefix("v") for one in there}
    if len(versions) > 1:
        raise ClusterError(
            f"the Gateway API's definitions on this cluster are of several versions ({', '.join(sorted(versions))}); "
            "bring them to one version first; nothing was changed"
        )
    return Found(versions.pop() or None, begun=len(there) < len(definitions))


def _find_metrics(cluster: Cluster) -> Found | None:
    service = cluster.get("apiregistration.k8s.io/v1", "APIService", METRICS_API)
    if service is None:
        return None
    own = _deployed("metrics-server", "metrics-server/metrics-server")(cluster)
    # Whoever serves the metrics, their version is that of the API.
    return Found(None, begun=own is not None and own.begun)


def _is_gateway_api(document: Mapping[str, Any]) -> bool:
    return str(document["metadata"]["name"]).endswith(_GATEWAY_API_GROUPS)


def _is_standard_mode(document: Mapping[str, Any]) -> bool:
    # The definitions stand in a file of their own, which holds those of the InferenceService's controller alone.
    name = str(document["metadata"]["name"])
    if document["kind"] == "CustomResourceDefinition":
        return name.endswith(".serving.kserve.io") and not name.startswith(("llm", "localmodel"))
    return not any(part in name for part in _NOT_STANDARD_MODE)


CERT_MANAGER: Final = Controller(
    "cert-manager", "CERT_MANAGER", _deployed("cert-manager", "cert-manager-controller"), ["CERT_MANAGER"]
)
GATEWAY_API: Final = Controller("Gateway API", "GATEWAY_API", _find_gateway_api, ["GATEWAY_API"], _is_gateway_api)
ENVOY_GATEWAY: Final = Controller(
    "Envoy Gateway",
    "ENVOY_GATEWAY",
    _deployed("envoy-gateway", "/gateway"),
    ["ENVOY_GATEWAY"],
    lambda document: not _is_gateway_api(document),
    "envoy-gateway-system",
)
KEDA: Final = Controller("KEDA", "KEDA", _deployed("keda-operator", "keda"), ["KEDA"])
METRICS_SERVER: Final = Controller("metrics API", "METRICS_SERVER", _find_metrics, ["METRICS_SERVER"])
KSERVE: Final = Controller(
    "KServe",
    "KSERVE",
    _deployed("kserve-controller-manager", "kserve-controller"),
    ["KSERVE_CRDS", "KSERVE"],
    _is_standard_mode,
    "kserve",
)

#: All of them, in the order in which they are installed.
CONTROLLERS: Final = (CERT_MANAGER, GATEWAY_API, ENVOY_GATEWAY, KEDA, METRICS_SERVER, KSERVE)
