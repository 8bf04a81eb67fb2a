# SPDX-License-Identifier: Apache-2.0
"""A small platform for tests: releases of every controller in a few documents, manifests, and a cluster with it all."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.cluster.kubernetes_server import Object

ROOT = Path(__file__).parents[3]
VERSIONS = """\
CERT_MANAGER_VERSION=1.19.1
CERT_MANAGER_SUPPORTED=">=1.15,<2"
GATEWAY_API_VERSION=1.5.1
GATEWAY_API_SUPPORTED=">=1.2,<2"
ENVOY_GATEWAY_VERSION=1.8.1
ENVOY_GATEWAY_SUPPORTED=">=1.7,<2"
KEDA_VERSION=2.18.0
KEDA_SUPPORTED=">=2.16,<3"
METRICS_SERVER_VERSION=0.8.0
METRICS_SERVER_SUPPORTED=">=0.6,<2"
KSERVE_VERSION=0.20.0
KSERVE_SUPPORTED=">=0.20,<0.22"
"""
FILES = ("CERT_MANAGER", "GATEWAY_API", "ENVOY_GATEWAY", "KEDA", "METRICS_SERVER", "KSERVE_CRDS", "KSERVE")
RESTRICTED = {
    "allowPrivilegeEscalation": False,
    "runAsNonRoot": True,
    "capabilities": {"drop": ["ALL"]},
    "seccompProfile": {"type": "RuntimeDefault"},
}
GATEWAY_KINDS = ("gatewayclasses", "gateways", "httproutes", "grpcroutes", "referencegrants")


def portside(*words: str | Path, kubeconfig: Path | None = None) -> "subprocess.CompletedProcess[str]":
    """Run the command line against a cluster, or without one."""
    command = [sys.executable, "-m", "portside", *map(str, words)]
    path = str(kubeconfig) if kubeconfig else "nowhere"
    env = {**os.environ, "KUBECONFIG": path}
    return subprocess.run(command, capture_output=True, text=True, timeout=120, env=env, check=False)


def deployment(namespace: str, name: str, image: str, **metadata: Any) -> Object:
    """Return a Deployment of one container."""
    spec = {"replicas": 1, "template": {"spec": {"containers": [{"name": "manager", "image": image, "args": []}]}}}
    named = {"name": name, "namespace": namespace, **metadata}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": named, "spec": spec}


def named(api_version: str, kind: str, name: str, namespace: str | None = None, **content: Any) -> Object:
    """Return an object."""
    metadata = {"name": name} | ({"namespace": namespace} if namespace else {})
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata, **content}


def definition(name: str, version: str | None = None) -> Object:
    """Return a CustomResourceDefinition, of a version of the Gateway API if one is given."""
    found = named("apiextensions.k8s.io/v1", "CustomResourceDefinition", name)
    if version:
        found["metadata"]["annotations"] = {"gateway.networking.k8s.io/bundle-version": f"v{version}"}
    return found


def kserve_config(ingress: Object, deploy: Object) -> Object:
    """Return KServe's ConfigMap with these two of its keys and one more."""
    data = {"ingress": json.dumps(ingress), "deploy": json.dumps(deploy), "logger": "{}"}
    return named("v1", "ConfigMap", "inferenceservice-config", "kserve", data=data)


def kserve_as_released() -> Object:
    """Return KServe's ConfigMap as its release has it."""
    return kserve_config({"enableGatewayApi": False, "urlScheme": "http"}, {"defaultDeploymentMode": "Serverless"})


def controllers(kserve: str = "0.20.0") -> list[Object]:
    """Return what tells that each controller is there."""
    return [
        *(definition(f"{kind}.gateway.networking.k8s.io", "1.5.1") for kind in GATEWAY_KINDS),
        deployment("envoy-gateway-system", "envoy-gateway", "docker.io/envoyproxy/gateway:v1.8.1"),
        deployment("keda", "keda-operator", "ghcr.io/kedacore/keda:2.18.0"),
        named("apiregistration.k8s.io/v1", "APIService", "v1beta1.metrics.k8s.io"),
        deployment("kserve", "kserve-controller-manager", f"kserve/kserve-controller:v{kserve}"),
        kserve_as_released(),
    ]


def releases() -> dict[str, Sequence[Object]]:
    """Return the documents of each file of a release."""
    return {
        "cert-manager-1.19.1": [
            named("v1", "Namespace", "cert-manager"),
            deployment("cert-manager", "cert-manager", "quay.io/jetstack/cert-manager-controller:v1.19.1"),
        ],
        "gateway-api-1.5.1": [definition(f"{kind}.gateway.networking.k8s.io", "1.5.1") for kind in GATEWAY_KINDS],
        "envoy-gateway-1.8.1": [
            deployment("envoy-gateway-system", "envoy-gateway", "docker.io/envoyproxy/gateway:v1.8.1"),
            definition("gateways.gateway.networking.k8s.io", "1.5.1"),
            definition("envoyproxies.gateway.envoyproxy.io"),
        ],
        "keda-2.18.0": [deployment("keda", "keda-operator", "ghcr.io/kedacore/keda:2.18.0")],
        "metrics-server-0.8.0": [
            deployment("kube-system", "metrics-server", "registry.k8s.io/metrics-server/metrics-server:v0.8.0"),
            named("apiregistration.k8s.io/v1", "APIService", "v1beta1.metrics.k8s.io"),
        ],
        "kserve-crds-0.20.0": [definition("inferenceservices.serving.kserve.io")],
        "kserve-0.20.0": [
            kserve_as_released(),
            definition("llminferenceservices.serving.kserve.io"),
            deployment("kserve", "llmisvc-controller-manager", "kserve/llmisvc-controller:v0.20.0"),
            deployment("kserve", "kserve-localmodel-controller-manager", "kserve/kserve-localmodel-controller:v0.20.0"),
            deployment("kserve", "kserve-controller-manager", "kserve/kserve-controller:v0.20.0"),
            named(
                "serving.kserve.io/v1alpha1", "ClusterStorageContainer", "default", spec={"container": {"name": "s"}}
            ),
        ],
    }


def configs() -> list[Object]:
    """Return what an overlay of configs holds."""
    restricted = {"pod-security.kubernetes.io/enforce": "restricted"}
    system, models = named("v1", "Namespace", "portside-system"), named("v1", "Namespace", "models")
    system["metadata"]["labels"] = restricted
    models["metadata"]["labels"] = {**restricted, "portside.dev/gateway": "true"}
    gateway_api = "gateway.networking.k8s.io/v1"
    container = {"container": {"name": "storage-initializer", "securityContext": RESTRICTED}}
    return [
        named(gateway_api, "Gateway", "portside", "portside-system", spec={}),
        named(gateway_api, "GatewayClass", "portside", spec={}),
        system,
        models,
        named("serving.kserve.io/v1alpha1", "ClusterStorageContainer", "default", spec=container),
        named("v1", "ServiceAccount", "models", "models", secrets=[{"name": "object-store"}]),
        _secret(),
    ]


def rollouts(image: str = "portside/rollouts:0.1.0") -> list[Object]:
    """Return the controller of rollouts, with the kind that it sees to."""
    return [deployment("portside-system", "rollouts", image), definition("modelrollouts.portside.dev")]


def runtime(image: str = "portside/predictor:0.1.0") -> Object:
    """Return the runtime."""
    spec = {"containers": [{"name": "kserve-container", "image": image}]}
    return named("serving.kserve.io/v1alpha1", "ClusterServingRuntime", "portside", spec=spec)


def write_manifests(folder: Path) -> Path:
    """Write manifests for the place ``kind``, and beside them the releases in a folder ``downloads``."""
    manifests, downloads = folder / "manifests", folder / "downloads"
    _write(manifests / "configs" / "overlays" / "kind", configs())
    _write(manifests / "controllers" / "rollouts" / "overlays" / "kind", rollouts())
    _write(manifests / "runtimes" / "overlays" / "kind", [runtime()])
    spam = named("serving.kserve.io/v1beta1", "InferenceService", "spam", "models", spec={})
    _write(manifests / "services" / "spam" / "overlays" / "kind", [spam])
    settings = ROOT / "manifests" / "configs"
    for path in ("base/kserve-settings.yaml", "overlays/kind/kserve-settings.yaml"):
        target = manifests / "configs" / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text((settings / path).read_text())
    lines = [f"{file}_URL=https://release.invalid/{file}.yaml\n{file}_SHA256=\n" for file in FILES]
    (manifests / "controllers" / "versions.env").write_text(VERSIONS + "".join(lines))
    downloads.mkdir()
    for name, documents in releases().items():
        (downloads / f"{name}.yaml").write_text("\n---\n".join(map(json.dumps, documents)))
    return manifests


def _write(folder: Path, documents: Sequence[Object]) -> None:
    folder.mkdir(parents=True)
    (folder / "kustomization.yaml").write_text("resources: [all.yaml]\n")
    (folder / "all.yaml").write_text("\n---\n".join(map(json.dumps, documents)))


def _secret() -> Object:
    secret = named(
        "v1", "Secret", "object-store", "models", data={"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""}
    )
    secret["metadata"]["annotations"] = {"serving.kserve.io/s3-endpoint": "object-store.portside-system:9000"}
    return secret
