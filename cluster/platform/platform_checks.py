# SPDX-License-Identifier: Apache-2.0
"""Checks of what the platform stands on: KServe, the gateway, autoscaling and metrics."""

import json
from collections.abc import Mapping
from typing import Any, Final

from cluster.api import Cluster, Object
from cluster.errors import ClusterError
from cluster.names import GATEWAY, SYSTEM_NAMESPACE
from cluster.platform import controllers
from cluster.platform.controllers import Controller
from cluster.platform.findings import Finding, State
from cluster.platform.kserve_settings import CONFIG_MAP
from cluster.platform.versions import Versions
from cluster.readiness import condition, told, unready

_INSTALL: Final = "run `portside install`"
_STANDARD_MODES: Final = ("Standard", "RawDeployment")
_DEPLOYMENTS: Final = {
    controllers.KSERVE.key: "kserve-controller-manager",
    controllers.ENVOY_GATEWAY.key: "envoy-gateway",
    controllers.KEDA.key: "keda-operator",
}


def check_api(cluster: Cluster) -> list[Finding]:
    """Say which API server answers."""
    return [Finding("Kubernetes API", "ok", f"{cluster.server} answers, {cluster.version()}")]


def check_kserve(cluster: Cluster, versions: Versions) -> list[Finding]:
    """Check KServe's version, its controller and its settings."""
    findings = _check_controller(cluster, versions, controllers.KSERVE, "problem")
    found = controllers.KSERVE.find(cluster)
    return findings if found is None else [*findings, *_check_settings(cluster, found.namespace)]


def check_gateway(cluster: Cluster, versions: Versions) -> list[Finding]:
    """Check the Gateway API's definitions, Envoy Gateway, the GatewayClass and the Gateway with its addresses."""
    findings = _check_controller(cluster, versions, controllers.GATEWAY_API, "problem")
    findings += _check_controller(cluster, versions, controllers.ENVOY_GATEWAY, "problem")
    for kind, namespace, name in (("GatewayClass", None, "Accepted"), ("Gateway", SYSTEM_NAMESPACE, "Programmed")):
        found = cluster.get("gateway.networking.k8s.io/v1", kind, GATEWAY, namespace)
        findings.append(_check_condition(kind, found, name))
        if kind == "Gateway" and found is not None and findings[-1].state == "ok":
            findings[-1] = Finding(kind, "ok", f"{GATEWAY} is programmed, at {_addresses(cluster, found)}")
    return findings


def check_keda(cluster: Cluster, versions: Versions) -> list[Finding]:
    """Check KEDA, which only the services that scale by requests in flight need."""
    return _check_controller(cluster, versions, controllers.KEDA, "warning")


def check_metrics(cluster: Cluster) -> list[Finding]:
    """Check that the cluster measures its nodes and pods, which the HPA reads."""
    check = "metrics API"
    service = cluster.get("apiregistration.k8s.io/v1", "APIService", controllers.METRICS_API)
    remedy = f"{_INSTALL}, which brings metrics-server; without it no HPA scales"
    if service is None:
        return [Finding(check, "problem", "nothing serves metrics.k8s.io", remedy)]
    waits_for = unready(service)
    if waits_for:
        return [Finding(check, "problem", waits_for, "look at the pods of metrics-server and their log")]
    nodes = len(cluster.objects("metrics.k8s.io/v1beta1", "NodeMetrics"))
    if not nodes:
        remedy = "wait a minute; if it stays so, look at the log of metrics-server"
        return [Finding(check, "problem", "it is served, but has measured no node", remedy)]
    return [Finding(check, "ok", f"it measures {nodes} node{'' if nodes == 1 else 's'}")]


def _check_controller(cluster: Cluster, versions: Versions, controller: Controller, missing: State) -> list[Finding]:
    try:
        found = controller.find(cluster)
    except ClusterError as err:
        return [Finding(controller.name, "problem", str(err), "bring them to one version")]
    if found is None:
        return [Finding(controller.name, missing, "it is not installed", _INSTALL)]
    return [_check_found(cluster, versions, controller, found)]


def _check_found(cluster: Cluster, versions: Versions, controller: Controller, found: controllers.Found) -> Finding:
    supported = versions.supported(controller.key)
    if found.begun:
        return Finding(controller.name, "problem", "its installation was broken off", f"{_INSTALL} again")
    if found.version is None:
        return Finding(controller.name, "warning", "its version cannot be told", f"see that it is {supported}")
    if not versions.supports(controller.key, found.version):
        said = f"version {found.version} is not supported ({supported})"
        return Finding(controller.name, "problem", said, "bring it to a supported version")
    waits_for = _waits_for(cluster, controller, found)
    if waits_for:
        remedy = f"look at its pods: kubectl get pods --namespace {found.namespace}"
        return Finding(controller.name, "problem", f"version {found.version}: {waits_for}", remedy)
    return Finding(controller.name, "ok", f"version {found.version} (supported: {supported})")


def _waits_for(cluster: Cluster, controller: Controller, found: controllers.Found) -> str | None:
    if controller.key not in _DEPLOYMENTS:
        return None
    deployment = cluster.get("apps/v1", "Deployment", _DEPLOYMENTS[controller.key], found.namespace)
    return "its controller is gone" if deployment is None else unready(deployment)


def _check_settings(cluster: Cluster, namespace: str | None) -> list[Finding]:
    check = "KServe settings"
    config_map = cluster.get("v1", "ConfigMap", CONFIG_MAP, namespace)
    try:
        data = (config_map or {})["data"]
        ingress, deploy = json.loads(data["ingress"]), json.loads(data["deploy"])
    except (KeyError, ValueError):
        said = f"ConfigMap {namespace}/{CONFIG_MAP} lacks `ingress` or `deploy`, or they are not JSON"
        return [Finding(check, "problem", said, "mend it, then " + _INSTALL)]
    mode, gateway = deploy.get("defaultDeploymentMode"), ingress.get("kserveIngressGateway")
    findings = []
    if mode not in _STANDARD_MODES:
        findings.append(Finding(check, "problem", f"the deployment mode is {mode}, not Standard", _INSTALL))
    if not ingress.get("enableGatewayApi"):
        findings.append(Finding(check, "problem", "the Gateway API is off", _INSTALL))
    if gateway != f"{SYSTEM_NAMESPACE}/{GATEWAY}":
        findings.append(Finding(check, "warning", f"its Gateway is {gateway}", _INSTALL))
    said = f"mode {mode}, Gateway API on, Gateway {gateway}, domain {ingress.get('ingressDomain')}"
    return findings or [Finding(check, "ok", said)]


def _check_condition(check: str, found: Object | None, name: str) -> Finding:
    if found is None:
        return Finding(check, "problem", f"there is no {check} {GATEWAY}", _INSTALL)
    waits_for = unready(found)
    if waits_for:
        remedy = "see its conditions, and the log of Deployment envoy-gateway"
        return Finding(check, "problem", waits_for, remedy)
    return Finding(check, "ok", f"{GATEWAY}: {told(condition(found, name) or {})}")


def _addresses(cluster: Cluster, gateway: Mapping[str, Any]) -> str:
    addresses = [address["value"] for address in gateway.get("status", {}).get("addresses", [])]
    services = cluster.objects("v1", "Service", labels=f"gateway.envoyproxy.io/owning-gateway-name={GATEWAY}")
    # Envoy Gateway names a Service's ports by protocol; a user knows the listeners' names.
    names = {listener["port"]: listener["name"] for listener in gateway["spec"].get("listeners", [])}
    ports = [
        f"{names.get(port['port'], port['name'])} {port['port']}"
        + (f" (NodePort {port['nodePort']})" if "nodePort" in port else "")
        for service in services
        for port in service["spec"]["ports"]
    ]
    return f"{', '.join(addresses) or 'no address'}, ports {', '.join(ports) or 'unknown'}"
