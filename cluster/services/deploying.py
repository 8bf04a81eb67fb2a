# SPDX-License-Identifier: Apache-2.0
"""Bringing a service about: applied as a whole or not at all, then watched until its new version serves or fails."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from cluster.api import Cluster, ConflictError, Object
from cluster.errors import ClusterError
from cluster.services.last_words import in_one_line
from cluster.services.objects import Service, objects
from cluster.services.observation import Observed, observe
from cluster.services.reasons import explain, sentence

_POLL_SECONDS: Final = 1.0
#: How long a final reason must stand: controllers write what belongs together one after the other.
_SETTLE_SECONDS: Final = 2.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a deployment ended.

    Attributes:
        reason: Why the service is not as it is wanted; None when it is.
        timed_out: Whether the time was over before the end was known.
    """

    reason: str | None
    timed_out: bool = False


def apply(cluster: Cluster, service: Service, *, force: bool = False, dry_run: bool = False) -> bool:
    """Apply a service's objects and return whether that changes anything.

    All are checked by the API server before the first is written.

    Args:
        cluster: Where.
        service: What.
        force: Take over fields that others own.
        dry_run: Only have them checked.

    Raises:
        ClusterError: The cluster refuses an object, or another manager owns a field of it.
    """
    documents = objects(service)
    for document in documents:
        _applied(cluster, document, force=force, dry_run=True)
    if dry_run:
        return False
    changes = [_changes(cluster, document, force=force) for document in documents]
    return any(changes)


def wait(cluster: Cluster, service: Service, seconds: float, tell: Callable[[str], None]) -> Outcome:
    """Wait until a service's new version serves on every replica, or cannot.

    Args:
        cluster: Where it is.
        service: As it was applied.
        seconds: How long to wait at most.
        tell: Takes a line whenever there is news.

    Raises:
        ClusterError: The service was deleted meanwhile, or the cluster cannot be reached.
    """
    deadline = time.monotonic() + seconds
    told: set[str] = set()
    last, since = "", 0.0
    while True:
        observed = _now(cluster, service)
        reason, now = explain(observed), time.monotonic()
        if reason is None:
            return Outcome(None)
        if reason.text != last:
            last, since = reason.text, now
        elif reason.final and now - since >= _SETTLE_SECONDS:
            return Outcome(sentence(reason, observed))
        elif not reason.final and reason.text not in told:
            # What has passed by the next look is no news.
            tell(reason.text)
            told.add(reason.text)
        if now >= deadline:
            return Outcome(sentence(reason, observed), timed_out=True)
        time.sleep(_POLL_SECONDS)


def _now(cluster: Cluster, service: Service) -> Observed:
    found = observe(cluster, service.namespace, service.name)
    if not found:
        raise ClusterError(f"InferenceService {service.name} was deleted while it was waited for")
    return found[0]


def _changes(cluster: Cluster, document: Object, *, force: bool) -> bool:
    metadata = document["metadata"]
    before = cluster.get(document["apiVersion"], document["kind"], metadata["name"], metadata["namespace"])
    after = _applied(cluster, document, force=force, dry_run=False)
    return before is None or before["metadata"].get("generation") != after["metadata"].get("generation")


def _applied(cluster: Cluster, document: Object, *, force: bool, dry_run: bool) -> Object:
    try:
        return cluster.apply(document, force=force, dry_run=dry_run)
    except ConflictError as err:
        raise ClusterError(
            f"{in_one_line(str(err))}; change it where it comes from, or take it over with --force"
        ) from err
