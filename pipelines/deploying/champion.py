# SPDX-License-Identifier: Apache-2.0
"""Which version of a model serves now: what the cluster has been told to serve, else the registry's champion."""

from pipelines.errors import StepError
from pipelines.registry import Registry


def serving_version(registry: Registry, name: str, deploy_to: str, namespace: str) -> str:
    """Return the version that serves now; empty where there is none.

    On KServe it is the version in the InferenceService's ``storageUri``, where that is one of this registry: somebody
    may have deployed another one than the champion. Elsewhere, and where the service has another model, it is the
    champion.

    Args:
        registry: Where versions live.
        name: The model's name, and the InferenceService's.
        deploy_to: ``local``, ``kserve`` or ``vertex``.
        namespace: Of the InferenceService.

    Raises:
        StepError: The cluster cannot be asked.
        RegistryError: The registry cannot be reached.
    """
    if deploy_to == "kserve":
        version = _version_in(registry, name, _storage_uri(name, namespace))
        if version:
            return version
    return registry.aliases(name).champion or ""


def _storage_uri(name: str, namespace: str) -> str:
    from cluster import Cluster, ClusterError
    from cluster.services.objects import INFERENCE_SERVICE

    try:
        service = Cluster().get(*INFERENCE_SERVICE, name, namespace) or {}
    except ClusterError as err:
        raise StepError(f"which version of {name} serves in namespace {namespace} is not known: {err}") from err
    uri: str = service.get("spec", {}).get("predictor", {}).get("model", {}).get("storageUri", "")
    return uri


def _version_in(registry: Registry, name: str, uri: str) -> str:
    home = registry.address(name, "")
    version = uri.removeprefix(home).strip("/") if uri.startswith(home) else ""
    return version if version in registry.versions(name) else ""
