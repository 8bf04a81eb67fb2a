# SPDX-License-Identifier: Apache-2.0
"""Checks of what rolls new versions out step by step."""

from typing import Final

from cluster.api import Cluster
from cluster.names import SYSTEM_NAMESPACE
from cluster.platform.documents import images
from cluster.platform.findings import Finding
from cluster.readiness import unready

_CHECK: Final = "rollouts"
_KIND: Final = ("apiextensions.k8s.io/v1", "CustomResourceDefinition", "modelrollouts.portside.dev")
_INSTALL: Final = "run `portside install`; without it `portside deploy` brings new versions in all at once"


def check_rollouts(cluster: Cluster) -> list[Finding]:
    """Check the kind ModelRollout and its controller, which only those who roll out need."""
    controller = cluster.get("apps/v1", "Deployment", "rollouts", SYSTEM_NAMESPACE)
    if controller is None:
        return [Finding(_CHECK, "warning", "their controller is not installed", _INSTALL)]
    if cluster.get(*_KIND) is None:
        return [Finding(_CHECK, "problem", "their controller is there, but not the kind ModelRollout", _INSTALL)]
    waits_for = unready(controller)
    if waits_for:
        remedy = f"look at its pods: kubectl get pods --namespace {SYSTEM_NAMESPACE}"
        return [Finding(_CHECK, "problem", f"their controller: {waits_for}", remedy)]
    return [Finding(_CHECK, "ok", f"their controller runs {', '.join(images(controller['spec']))}")]
