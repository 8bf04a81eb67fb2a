# SPDX-License-Identifier: Apache-2.0
"""Back to an earlier version, in the fastest way there is: by weights alone, or by a rollout that waits for nothing."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from cluster.api import Cluster
from cluster.errors import ClusterError
from cluster.services.artifact_uri import version_of
from rollouts.client.changes import abort, go_back
from rollouts.client.listing import foremost, rollouts_of, storage_uri_of
from rollouts.client.manifest import free_name, manifest, sibling
from rollouts.client.report import Report
from rollouts.phases import ENDED, Phase
from rollouts.spec import WhenBusy

#: What is kept warm must outlast the request that goes back to it.
_MARGIN: Final = timedelta(seconds=10)


@dataclass(frozen=True, slots=True)
class Rollback:
    """A way back that was taken.

    Attributes:
        rollout: The ModelRollout that goes it.
        version: The version that serves at its end.
        until: The phases that end it.
        success: The one of them in which the version serves.
        told: What happens next, in one sentence.
    """

    rollout: str
    version: str
    until: frozenset[Phase]
    success: Phase
    told: str


def roll_back(cluster: Cluster, namespace: str, service: str, version: str | None) -> Rollback:
    """Have a service go back.

    Args:
        cluster: Where it is.
        namespace: Its namespace.
        service: The InferenceService.
        version: Where to; None aborts a rollout that is under way, and so does the version that it has begun from;
            else None goes to the version before the present one.

    Raises:
        ClusterError: There is no such service, nothing to go back to, or the cluster refuses.
    """
    present = storage_uri_of(cluster, namespace, service)
    reports = rollouts_of(cluster, namespace, service)
    under_way = [each for each in reports if each.under_way]
    if version is None and under_way:
        first = foremost(under_way)
        return _on_its_way(first) if first.rollback else _aborted(cluster, under_way, present)
    brought = _brought(reports, present)
    target = sibling(present, version) if version is not None else _former(brought, present, service)
    for each in under_way:
        if each.rollback and each.storage_uri.rstrip("/") == target.rstrip("/"):
            return _on_its_way(each)
        # What is begun leads there by being aborted, whatever the service says while it is promoted.
        if each.started is not None and each.former_uri.rstrip("/") == target.rstrip("/"):
            return _aborted(cluster, under_way, present)
    if target.rstrip("/") == present.rstrip("/"):
        raise ClusterError(f"{service} serves {version_of(present)} already")
    if brought is not None and not under_way and _is_warm(brought, target):
        go_back(cluster, brought)
        told = f"{service} goes back to {version_of(target)}, which {brought.rollout} keeps running: by weights alone"
        return Rollback(brought.rollout, version_of(target), ENDED - {Phase.PROMOTED}, Phase.REVERTED, told)
    return _rolled_out(cluster, namespace, service, target, reports)


def _on_its_way(report: Report) -> Rollback:
    told = f"{report.service} is on its way back to {report.version} already, by {report.rollout}"
    return Rollback(report.rollout, report.version, ENDED, Phase.PROMOTED, told)


def _aborted(cluster: Cluster, under_way: Sequence[Report], present: str) -> Rollback:
    first = foremost(under_way)
    for each in under_way:
        if each.phase is not Phase.REVERTING:
            abort(cluster, each)
    version = first.former_version or version_of(present)
    names = ", ".join(each.rollout for each in under_way)
    told = f"{first.service} stays at {version}: what was under way is aborted, {names}"
    return Rollback(first.rollout, version, ENDED, Phase.REVERTED, told)


def _brought(reports: Sequence[Report], present: str) -> Report | None:
    """Return the newest rollout that has brought the present version in from an earlier one; None: nothing tells."""
    promoted = [each for each in reports if each.phase is Phase.PROMOTED and not each.rollback]
    return next((each for each in promoted if each.storage_uri.rstrip("/") == present.rstrip("/")), None)


def _former(brought: Report | None, present: str, service: str) -> str:
    if brought is None or not brought.former_version:
        raise ClusterError(
            f"no rollout tells what {service} served before {version_of(present)}: name a version with --to"
        )
    return brought.former_uri or sibling(present, brought.former_version)


def _is_warm(brought: Report, target: str) -> bool:
    """Return whether a promoted rollout still keeps the target's pods running."""
    former = brought.former_uri or sibling(brought.storage_uri, brought.former_version)
    is_target = former.rstrip("/") == target.rstrip("/")
    return is_target and brought.kept_until is not None and datetime.now(UTC) + _MARGIN < brought.kept_until


def _rolled_out(cluster: Cluster, namespace: str, service: str, target: str, reports: Sequence[Report]) -> Rollback:
    spec = {
        "inferenceService": service,
        "storageUri": target,
        "steps": [{"traffic": 100}],
        "minRequests": 0,
        "whenBusy": WhenBusy.REPLACE,
        "force": True,
    }
    name = free_name(service, target, reports)
    cluster.create(manifest(name, namespace, spec, rollback=True))
    replaced = ", ".join(each.rollout for each in reports if each.under_way)
    instead = f" in place of {replaced}" if replaced else ""
    told = f"{service} goes back to {version_of(target)} as soon as its pods are ready, by rollout {name}{instead}"
    return Rollback(name, version_of(target), ENDED, Phase.PROMOTED, told)
