# SPDX-License-Identifier: Apache-2.0
"""Checks of what a model needs around it: namespaces, the runtime and its image, the storage, Prometheus."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from cluster.api import Cluster, Object
from cluster.names import RUNTIME, SYSTEM_NAMESPACE
from cluster.platform.documents import images
from cluster.platform.findings import Finding

_INSTALL: Final = "run `portside install`"
_SERVICE_ACCOUNT: Final = "models"
_ENFORCE: Final = "pod-security.kubernetes.io/enforce"
_GATEWAY_LABEL: Final = "portside.dev/gateway"
_S3_ENDPOINT: Final = "serving.kserve.io/s3-endpoint"
_WORKLOAD_IDENTITY: Final = ("iam.gke.io/gcp-service-account", "eks.amazonaws.com/role-arn")
_PULL_FAILURES: Final = ("ErrImagePull", "ImagePullBackOff", "InvalidImageName")
#: What an overlay holds until a user writes an image of their own there.
_PLACEHOLDERS: Final = (":replace", "registry.example.com/", "@sha256:" + 64 * "0")


def check_namespaces(cluster: Cluster, namespace: str) -> list[Finding]:
    """Check that the namespaces are there, with Pod Security and the label that the Gateway asks for."""
    return [_check_namespace(cluster, name, models=name == namespace) for name in (SYSTEM_NAMESPACE, namespace)]


def check_runtime(cluster: Cluster, namespace: str) -> list[Finding]:
    """Check that the runtime is there, runs an image of the user's, and that the nodes can pull it."""
    runtime = cluster.get("serving.kserve.io/v1alpha1", "ClusterServingRuntime", RUNTIME)
    if runtime is None:
        return [Finding("runtime", "problem", f"there is no ClusterServingRuntime {RUNTIME}", _INSTALL)]
    image = next(images(runtime["spec"]["containers"]), "")
    if any(placeholder in image for placeholder in _PLACEHOLDERS):
        remedy = "write your image into manifests/runtimes/overlays, or `portside install --image IMAGE`"
        return [Finding("runtime", "problem", f"its image {image} is a placeholder", remedy)]
    return [Finding("runtime", "ok", f"ClusterServingRuntime {RUNTIME} runs {image}"), _check_pull(cluster, namespace)]


def check_storage(cluster: Cluster, namespace: str) -> list[Finding]:
    """Check how a pod gets at its artifact: the service account's secret, and KServe's storage container."""
    return [_check_secret(cluster, namespace), _check_storage_container(cluster)]


def check_prometheus(cluster: Cluster) -> list[Finding]:
    """Check Prometheus, which only alerts and the services that scale by requests in flight need."""
    check = "Prometheus"
    if cluster.get("v1", "Service", "prometheus", SYSTEM_NAMESPACE) is None:
        said = f"there is no Service prometheus in {SYSTEM_NAMESPACE}"
        remedy = "needed for alerts and for scaling with KEDA: see manifests/components/monitoring"
        return [Finding(check, "warning", said, remedy)]
    labels = "kubernetes.io/service-name=prometheus"
    slices = cluster.objects("discovery.k8s.io/v1", "EndpointSlice", SYSTEM_NAMESPACE, labels=labels)
    endpoints = [one for found in slices for one in found.get("endpoints") or []]
    if not any(one.get("conditions", {}).get("ready") for one in endpoints):
        remedy = f"kubectl describe pods --namespace {SYSTEM_NAMESPACE}"
        return [Finding(check, "warning", "no pod of it is ready", remedy)]
    return [Finding(check, "ok", f"Service prometheus in {SYSTEM_NAMESPACE} has a ready pod")]


def _check_namespace(cluster: Cluster, name: str, *, models: bool) -> Finding:
    check = "namespace"
    found = cluster.get("v1", "Namespace", name)
    if found is None:
        return Finding(check, "problem", f"{name} is not there", _INSTALL)
    labels = found["metadata"].get("labels", {})
    if models and labels.get(_GATEWAY_LABEL) != "true":
        remedy = f"kubectl label namespace {name} {_GATEWAY_LABEL}=true"
        return Finding(check, "problem", f"{name} has no label {_GATEWAY_LABEL}: its routes are not taken", remedy)
    if labels.get(_ENFORCE) != "restricted":
        remedy = f"kubectl label namespace {name} {_ENFORCE}=restricted"
        return Finding(check, "warning", f"{name} does not enforce Pod Security `restricted`", remedy)
    return Finding(check, "ok", f"{name}: Pod Security `restricted`" + (", open to the Gateway" if models else ""))


def _check_pull(cluster: Cluster, namespace: str) -> Finding:
    check = "image pull"
    pods = cluster.objects("v1", "Pod", namespace)
    for pod in pods:
        for status in _statuses(pod):
            waiting = status.get("state", {}).get("waiting", {})
            if waiting.get("reason") in _PULL_FAILURES:
                said = f"pod {pod['metadata']['name']} cannot have {status['image']}: {waiting['reason']}"
                remedy = "see that the image is in the registry, and that the nodes may pull it (imagePullSecrets)"
                return Finding(check, "problem", said, remedy)
    started = [pod for pod in pods if any(status.get("imageID") for status in _statuses(pod))]
    if not started:
        return Finding(check, "ok", f"no pod in {namespace} has asked for an image yet")
    return Finding(check, "ok", f"no pod in {namespace} waits for its image")


def _statuses(pod: Mapping[str, Any]) -> Iterator[Object]:
    status = pod.get("status", {})
    for key in ("initContainerStatuses", "containerStatuses"):
        yield from status.get(key) or []


def _check_secret(cluster: Cluster, namespace: str) -> Finding:
    check = "storage secret"
    account = cluster.get("v1", "ServiceAccount", _SERVICE_ACCOUNT, namespace)
    if account is None:
        said = f"there is no ServiceAccount {_SERVICE_ACCOUNT} in {namespace}"
        return Finding(check, "problem", said, _INSTALL)
    annotations = account["metadata"].get("annotations", {})
    identity = next((annotations[key] for key in _WORKLOAD_IDENTITY if key in annotations), None)
    if identity:
        return Finding(check, "ok", f"ServiceAccount {_SERVICE_ACCOUNT} acts as {identity}")
    names = [secret["name"] for secret in account.get("secrets") or []]
    if not names:
        said = f"ServiceAccount {_SERVICE_ACCOUNT} has no secret"
        remedy = "right for gs:// with Workload Identity; for s3://, add the secret with the store's keys to it"
        return Finding(check, "warning", said, remedy)
    return _check_secrets(cluster, namespace, names)


def _check_secrets(cluster: Cluster, namespace: str, names: list[str]) -> Finding:
    check = "storage secret"
    found = {name: cluster.get("v1", "Secret", name, namespace) for name in names}
    gone = [name for name, secret in found.items() if secret is None]
    if gone:
        said = f"ServiceAccount {_SERVICE_ACCOUNT} names Secret {gone[0]}, which is not there"
        return Finding(check, "problem", said, f"make it in namespace {namespace}")
    for name, secret in found.items():
        endpoint = (secret or {})["metadata"].get("annotations", {}).get(_S3_ENDPOINT)
        keys = {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"} <= (secret or {}).get("data", {}).keys()
        if endpoint and keys:
            return Finding(check, "ok", f"Secret {name}, for the store at {endpoint}")
    said = f"no Secret of ServiceAccount {_SERVICE_ACCOUNT} has both keys and the annotation {_S3_ENDPOINT}"
    remedy = "for a store other than AWS, annotate it; its keys are AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
    return Finding(check, "warning", said, remedy)


def _check_storage_container(cluster: Cluster) -> Finding:
    check = "storage container"
    found = cluster.get("serving.kserve.io/v1alpha1", "ClusterStorageContainer", "default")
    if found is None:
        return Finding(check, "problem", "there is no ClusterStorageContainer default", f"KServe's: {_INSTALL}")
    context = found["spec"]["container"].get("securityContext", {})
    restricted = (
        context.get("allowPrivilegeEscalation") is False
        and context.get("runAsNonRoot") is True
        and "ALL" in context.get("capabilities", {}).get("drop", [])
        and context.get("seccompProfile", {}).get("type") in {"RuntimeDefault", "Localhost"}
    )
    if not restricted:
        said = "its securityContext is not what Pod Security `restricted` asks for, so no model's pod is let in"
        return Finding(check, "problem", said, _INSTALL)
    return Finding(check, "ok", "its securityContext is what Pod Security `restricted` asks for")
