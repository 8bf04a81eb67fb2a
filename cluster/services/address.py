# SPDX-License-Identifier: Apache-2.0
"""Where a service is asked from outside the cluster: its hostname, at the port that leads to the Gateway."""

from collections.abc import Mapping
from typing import Any, Final

from cluster.api import Cluster
from cluster.errors import ClusterError
from cluster.names import GATEWAY, SYSTEM_NAMESPACE

_GATEWAY: Final = ("gateway.networking.k8s.io/v1", "Gateway")
_LISTENER: Final = "http"
#: kind-config.yaml leads this port of one's own machine to the Gateway's.
_KIND_PORT: Final = 8080
_DEFAULT_PORTS: Final = {"http": 80, "https": 443}


def gateway_address(cluster: Cluster) -> str:
    """Return the address of the Gateway's REST listener, in which ``{host}`` stands for a service's hostname.

    The Gateway's Service is reached at a node's port where it is of type NodePort: at kind's own, where the node is
    one of kind's. Else it is reached at the listener's port.
    """
    gateway = cluster.get(*_GATEWAY, GATEWAY, SYSTEM_NAMESPACE) or {}
    listeners = {each["name"]: each for each in gateway.get("spec", {}).get("listeners", [])}
    listener = listeners.get(_LISTENER, {"protocol": "HTTP", "port": 80})
    scheme = listener["protocol"].lower()
    port = _node_port(cluster, listener["port"]) or listener["port"]
    return f"{scheme}://{{host}}" if port == _DEFAULT_PORTS.get(scheme) else f"{scheme}://{{host}}:{port}"


def hostname_of(route: Mapping[str, Any] | None) -> str | None:
    """Return the hostname that a route takes; None where there is none."""
    hostnames = (route or {}).get("spec", {}).get("hostnames") or [None]
    first: str | None = hostnames[0]
    return first


def _node_port(cluster: Cluster, port: int) -> int | None:
    owner = "gateway.envoyproxy.io/owning-gateway"
    labels = f"{owner}-name={GATEWAY},{owner}-namespace={SYSTEM_NAMESPACE}"
    try:
        services = cluster.objects("v1", "Service", labels=labels)
        nodes = cluster.objects("v1", "Node")
    except ClusterError:
        # Who may see to the models alone is told the listener's port.
        return None
    if not services or services[0]["spec"]["type"] != "NodePort":
        return None
    if any(str(node["spec"].get("providerID", "")).startswith("kind://") for node in nodes):
        return _KIND_PORT
    ports = {each["port"]: each.get("nodePort") for each in services[0]["spec"]["ports"]}
    return ports.get(port)
