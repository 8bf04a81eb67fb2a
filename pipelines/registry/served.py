# SPDX-License-Identifier: Apache-2.0
"""What a cluster serves of a registry: a version that pods would fetch again must not be deleted."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pipelines.registry.errors import RegistryError


def leads_to_cluster(context: str | None, environ: Mapping[str, str]) -> bool:
    """Return whether something on this machine says where a cluster is, as ``kubectl`` would find it."""
    named = context or environ.get("KUBECONFIG") or environ.get("KUBERNETES_SERVICE_HOST")
    return bool(named) or Path("~/.kube/config").expanduser().is_file()


def services_of(address: str, context: str | None) -> list[str]:
    """Return the InferenceServices, as ``namespace/name``, that want an artifact or whose pods have fetched it.

    Args:
        address: The artifact's address, as ``s3://models/spam/1.0.0``.
        context: A context of the kubeconfig; None takes the current one.

    Raises:
        RegistryError: The cluster cannot be asked.
    """
    try:
        from cluster.api import Cluster
        from cluster.errors import ClusterError
        from cluster.services.objects import INFERENCE_SERVICE, SERVICE_LABEL
        from cluster.services.observation import source_of
    except ModuleNotFoundError as err:
        raise _unasked(address, f"{err.name} is not installed") from err
    try:
        cluster = Cluster(context)
        services = cluster.objects(*INFERENCE_SERVICE)
        namespaces = sorted({service["metadata"]["namespace"] for service in services})
        pods = [pod for namespace in namespaces for pod in cluster.objects("v1", "Pod", namespace)]
    except ClusterError as err:
        raise _unasked(address, str(err)) from err
    except ModuleNotFoundError as err:
        raise _unasked(address, f"{err.name} is not installed") from err
    wanting = [_title(one, one["metadata"]["name"]) for one in services if _any_leads_to(address, _uris(one["spec"]))]
    holding = [
        _title(pod, pod["metadata"].get("labels", {}).get(SERVICE_LABEL, pod["metadata"]["name"]))
        for pod in pods
        if _any_leads_to(address, [source_of(pod)])
    ]
    return sorted({*wanting, *holding})


def _unasked(address: str, told: str) -> RegistryError:
    return RegistryError(
        f"{address}: whether a cluster serves it cannot be found out: {told}; "
        "to delete it all the same, say --no-cluster"
    )


def _title(document: Mapping[str, Any], name: str) -> str:
    return f"{document['metadata']['namespace']}/{name}"


def _any_leads_to(address: str, uris: Sequence[str]) -> bool:
    """Return whether one of these is the artifact's folder or one around it, from which KServe would load it too."""
    return any(uri and f"{address}/".startswith(f"{uri.rstrip('/')}/") for uri in uris)


def _uris(spec: Any) -> list[str]:
    """Return every ``storageUri`` in a spec: the field stands at several places in KServe's API."""
    return list(_found(spec))


def _found(part: Any) -> Iterator[str]:
    if isinstance(part, Mapping):
        for key, value in part.items():
            if key == "storageUri" and isinstance(value, str):
                yield value
            else:
                yield from _found(value)
    elif isinstance(part, list):
        for value in part:
            yield from _found(value)
