# SPDX-License-Identifier: Apache-2.0
"""A service's HTTPRoute and GRPCRoute together: what they give the canary, and whether they can be used; pure."""

from collections.abc import Mapping, Sequence
from typing import Any

from cluster.api import Object
from cluster.readiness import condition
from cluster.services.objects import HTTP_ROUTE
from rollouts.actions.routes import problem_of
from rollouts.actions.rules import Backends, leads_to, traffic_of


def share_of(routes: Sequence[Object], backends: Backends) -> int | None:
    """Return the canary's share of the requests in per cent, as far as the Gateway has taken it up.

    Args:
        routes: The service's routes that are there. One that does not lead to the service has no say.
        backends: The Services of both versions.

    Returns:
        The share; None where the routes do not agree on one, or the Gateway has not taken them up.
    """
    leading = [route for route in routes if leads_to(_rules(route), backends.stable)]
    if not leading or not all(map(_is_accepted, leading)):
        return None
    shares = {traffic_of(_rules(route), backends) for route in leading}
    return shares.pop() if len(shares) == 1 else None


def problem_of_routes(service: str, routes: Sequence[Object], backends: Backends) -> str | None:
    """Return why the routes cannot be used, in one sentence; None where they can.

    Args:
        service: The service's name.
        routes: Its routes that are there; the GRPCRoute may be missing, or lead elsewhere.
        backends: The Services of both versions.
    """
    if all(route["kind"] != HTTP_ROUTE[1] for route in routes):
        return f"{service} has no HTTPRoute, on which shares are set: apply its manifest with the component routes"
    for route in routes:
        rules = _rules(route)
        if route["kind"] == HTTP_ROUTE[1] or leads_to(rules, backends.stable):
            problem = problem_of(rules, backends)
            if problem is not None:
                return f"{route['kind']} {service} {problem}"
    return None


def _rules(route: Mapping[str, Any]) -> list[Object]:
    rules: list[Object] = route["spec"].get("rules", [])
    return rules


def _is_accepted(route: Object) -> bool:
    """Return whether every Gateway of a route has taken up its last change, and found what it leads to."""
    parents = route.get("status", {}).get("parents") or []
    kinds = ("Accepted", "ResolvedRefs")
    return bool(parents) and all(_is_met(route, parent, kind) for parent in parents for kind in kinds)


def _is_met(route: Object, parent: Mapping[str, Any], kind: str) -> bool:
    found = condition({"status": parent}, kind)
    generation = route["metadata"].get("generation")
    return found is not None and found["status"] == "True" and found.get("observedGeneration") == generation
