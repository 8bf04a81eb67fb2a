# SPDX-License-Identifier: Apache-2.0
"""The rollouts of a namespace, and the one that is meant."""

from collections.abc import Iterable

from cluster.api import Cluster
from cluster.errors import ClusterError
from cluster.services.objects import INFERENCE_SERVICE
from cluster.services.observation import unknown_service
from rollouts.client.report import Report, report_of
from rollouts.spec import MODEL_ROLLOUT


def rollouts_of(cluster: Cluster, namespace: str, service: str | None = None) -> list[Report]:
    """Return the rollouts of a namespace, the newest first.

    Args:
        cluster: Where they are.
        namespace: The namespace.
        service: Only those of this InferenceService.

    Raises:
        ClusterError: The cluster knows no rollouts, or cannot be asked.
    """
    check_installed(cluster)
    found = [report_of(each) for each in cluster.objects(*MODEL_ROLLOUT, namespace)]
    wanted = [each for each in found if service in (None, each.service)]
    return sorted(wanted, key=lambda each: (each.created, each.rollout), reverse=True)


def rollout_of(cluster: Cluster, namespace: str, name: str) -> Report:
    """Return a rollout.

    Args:
        cluster: Where it is.
        namespace: Its namespace.
        name: Its own name; or its service's, of which the one that is under way is taken, else the newest.

    Raises:
        ClusterError: There is no rollout and no service of that name, or no rollout of the service.
    """
    check_installed(cluster)
    found = cluster.get(*MODEL_ROLLOUT, name, namespace)
    if found is not None:
        return report_of(found)
    of_service = rollouts_of(cluster, namespace, name)
    if of_service:
        return foremost(of_service)
    if cluster.get(*INFERENCE_SERVICE, name, namespace) is not None:
        raise ClusterError(f"{name} has no rollout; `portside rollout start {name} --to VERSION` starts one")
    raise ClusterError(
        f"namespace {namespace} has no rollout and no service {name}; `portside rollout status` lists the rollouts"
    )


def foremost(reports: Iterable[Report]) -> Report:
    """Return the rollout of a service that has begun; else the first that waits; else the one that ended last."""
    newest_first = sorted(reports, key=lambda each: (each.created, each.rollout), reverse=True)
    under_way = [each for each in newest_first if each.under_way]
    begun = [each for each in under_way if each.started is not None]
    return (begun or under_way[::-1] or newest_first)[0]


def storage_uri_of(cluster: Cluster, namespace: str, service: str) -> str:
    """Return where the artifact is that a service serves now.

    Raises:
        ClusterError: There is no such service, or it says nothing of an artifact.
    """
    found = cluster.get(*INFERENCE_SERVICE, service, namespace)
    if found is None:
        raise unknown_service(service, namespace)
    uri: str = found["spec"].get("predictor", {}).get("model", {}).get("storageUri", "")
    if not uri:
        raise ClusterError(f"InferenceService {service} has no predictor.model.storageUri, so no version to go on from")
    return uri


def check_installed(cluster: Cluster) -> None:
    """Raise ClusterError where the cluster knows no rollouts."""
    if not cluster.knows(*MODEL_ROLLOUT):
        raise ClusterError(
            "the cluster does not know ModelRollout: its controller is not installed; run `make install`"
        )
