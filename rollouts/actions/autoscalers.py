# SPDX-License-Identifier: Apache-2.0
"""The HorizontalPodAutoscalers that KServe makes for canaries too."""

from collections.abc import Collection
from typing import Final

from cluster.api import Cluster
from cluster.services.objects import SERVICE_LABEL
from rollouts.spec import Rollout

_AUTOSCALER: Final = ("autoscaling/v2", "HorizontalPodAutoscaler")


def autoscalers_of(cluster: Cluster, rollout: Rollout) -> list[str]:
    """Return the names of the autoscalers of a rollout's service, those of its canaries among them."""
    found = cluster.objects(*_AUTOSCALER, rollout.namespace, labels=f"{SERVICE_LABEL}={rollout.service}")
    return [each["metadata"]["name"] for each in found]


def forget_autoscalers(cluster: Cluster, rollout: Rollout, backends: Collection[str]) -> bool:
    """Delete the autoscalers of canaries that are gone, which KServe 0.20 leaves behind, and owned by nobody.

    Args:
        cluster: Where they are.
        rollout: Whose service they belong to.
        backends: Their names, which are those of the canaries' Deployments.

    Returns:
        Whether there were any.
    """
    names = [name for name in autoscalers_of(cluster, rollout) if name in backends]
    for name in names:
        cluster.delete(*_AUTOSCALER, name, rollout.namespace)
    return bool(names)
