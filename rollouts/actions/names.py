# SPDX-License-Identifier: Apache-2.0
"""The names of the Services, Deployments and autoscalers that KServe makes for a rollout's two versions."""

from collections.abc import Mapping
from typing import Any

from cluster.services.objects import backend_name
from rollouts.actions.rules import Backends
from rollouts.decision.canary import canary_name
from rollouts.decision.promoting import PREVIOUS
from rollouts.spec import Rollout


def canaries_of(rollout: Rollout) -> frozenset[str]:
    """Return the names of a rollout's canaries: of its own version, and of the former one that is kept."""
    return frozenset({canary_name(rollout.service, rollout.version), PREVIOUS})


def backends_of(rollout: Rollout, service: Mapping[str, Any] | None) -> Backends:
    """Return the backends of a rollout's versions: the service's own, and those of its canary and the kept version.

    Args:
        rollout: The rollout.
        service: Its InferenceService; None where there is none any more.
    """
    own = None if service is None else service["spec"].get("predictor", {}).get("name")
    canaries = frozenset(backend_name(rollout.service, name) for name in canaries_of(rollout))
    return Backends(backend_name(rollout.service, own), canaries)
