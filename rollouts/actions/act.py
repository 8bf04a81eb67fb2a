# SPDX-License-Identifier: Apache-2.0
"""Bringing about what a rollout wants; whatever is as wanted is left alone, so that it may be done again at any time.

The order is such that no request finds nothing at its end: routes come first, and name a canary only while its Service
is there; a canary goes only when the routes did not name it before.
"""

from dataclasses import dataclass
from typing import Final

from cluster.api import Cluster, ConflictError, Object
from cluster.services.objects import GRPC_ROUTE, HTTP_ROUTE, INFERENCE_SERVICE, backend_name
from rollouts.actions.autoscalers import forget_autoscalers
from rollouts.actions.inference_service import applied, canary_name_of, merged
from rollouts.actions.names import backends_of, canaries_of
from rollouts.actions.release import MANAGER, release
from rollouts.actions.routes import Split, restored, with_canary
from rollouts.actions.rules import Backends, names_canary
from rollouts.desired import Desired
from rollouts.spec import Rollout

ROUTES: Final = (HTTP_ROUTE, GRPC_ROUTE)
_SERVICE: Final = ("v1", "Service")
#: The Gateway writes a route's status after each change, which makes it another version.
_ATTEMPTS: Final = 4


@dataclass(frozen=True, slots=True)
class _Written:
    """What became of a route.

    Attributes:
        changed: Whether its rules were changed.
        named: Whether they led to a canary before.
    """

    changed: bool = False
    named: bool = False


def act(cluster: Cluster, rollout: Rollout, desired: Desired) -> bool:
    """Bring about what a rollout wants.

    Args:
        cluster: Where.
        rollout: Whose service it is.
        desired: What shall be.

    Returns:
        Whether anything was changed.

    Raises:
        ConflictError: Somebody else changes the same at the same time; it is to be tried again.
        ClusterError: The cluster refuses a change, or cannot be reached.
    """
    if not desired.touched:
        return False
    service = cluster.get(*INFERENCE_SERVICE, rollout.service, rollout.namespace)
    is_there = service is not None and "deletionTimestamp" not in service["metadata"]
    backends = backends_of(rollout, service)
    split = _split(cluster, rollout, desired, backends) if is_there else None
    written = [_route(cluster, kind, rollout, backends, split) for kind in ROUTES]
    changed = any(each.changed for each in written)
    if service is None or not is_there:
        gone = forget_autoscalers(cluster, rollout, backends.canaries)
        return _give_up(cluster, rollout) or changed or gone
    leaving = _leaving(rollout, service, desired)
    if leaving is not None and any(each.named for each in written):
        # The Gateway may not yet have heard: the canary goes the next time.
        return True
    changed |= _inference_service(cluster, rollout, service, desired)
    if leaving is not None:
        changed |= forget_autoscalers(cluster, rollout, {backend_name(rollout.service, leaving)})
    elif desired.canary is None:
        changed |= forget_autoscalers(cluster, rollout, backends.canaries)
        changed |= _give_up(cluster, rollout)
    return changed


def _split(cluster: Cluster, rollout: Rollout, desired: Desired, backends: Backends) -> Split | None:
    """Return what the routes shall do; None where they shall be as the user made them."""
    if desired.canary is None:
        return None
    canary = backend_name(rollout.service, desired.canary.name)
    pins = {desired.stable_version: backends.stable, desired.canary_version: canary}
    split = Split(
        canary=canary,
        traffic=desired.traffic,
        mirror=desired.mirror,
        pins={version: service for version, service in pins.items() if version is not None},
    )
    wanted = split.traffic or split.mirror or split.pins
    return split if wanted and cluster.get(*_SERVICE, canary, rollout.namespace) is not None else None


def _route(
    cluster: Cluster, kind: tuple[str, str], rollout: Rollout, backends: Backends, split: Split | None
) -> _Written:
    """Bring one of the service's routes to what it shall be."""
    for left in reversed(range(_ATTEMPTS)):
        route = cluster.get(*kind, rollout.service, rollout.namespace)
        if route is None:
            return _Written()
        rules = route["spec"].get("rules", [])
        named = names_canary(rules, backends)
        wanted = restored(rules, backends) if split is None else with_canary(rules, backends, split)
        if wanted == rules:
            return _Written(named=named)
        metadata = {
            "name": rollout.service,
            "namespace": rollout.namespace,
            "resourceVersion": route["metadata"]["resourceVersion"],
        }
        document = {"apiVersion": kind[0], "kind": kind[1], "metadata": metadata, "spec": {"rules": wanted}}
        try:
            cluster.patch(document, manager=MANAGER)
        except ConflictError:
            if not left:
                raise
        else:
            return _Written(changed=True, named=named)
    return _Written()


def _leaving(rollout: Rollout, service: Object, desired: Desired) -> str | None:
    """Return the name of a canary of the rollout's that is there and shall go."""
    name, wanted = canary_name_of(service), None if desired.canary is None else desired.canary.name
    return name if name != wanted and name in canaries_of(rollout) else None


def _inference_service(cluster: Cluster, rollout: Rollout, service: Object, desired: Desired) -> bool:
    entry, fields = applied(service, desired), merged(service, desired, canaries_of(rollout))
    if entry is not None:
        cluster.apply(entry, manager=MANAGER)
    if fields is not None:
        cluster.patch(fields, manager=MANAGER)
    return entry is not None or fields is not None


def _give_up(cluster: Cluster, rollout: Rollout) -> bool:
    """Give up all fields: what a user applies next is the user's alone."""
    documents = [cluster.get(*kind, rollout.service, rollout.namespace) for kind in (*ROUTES, INFERENCE_SERVICE)]
    released = [release(cluster, document) for document in documents if document is not None]
    return any(released)
