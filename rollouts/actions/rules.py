# SPDX-License-Identifier: Apache-2.0
"""What the rules of a route say: of whom a rule is, where it leads, and what a canary gets of it; pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from cluster.api import Object

#: The request header by whose value a client asks for one of the two versions. It is the rollouts' own.
VERSION_HEADER: Final = "x-portside-version"

_WHOLE: Final = 100


@dataclass(frozen=True, slots=True)
class Backends:
    """The Services that stand for the versions.

    Attributes:
        stable: The service's own predictor.
        canaries: Those that rollouts make beside it, present or not.
    """

    stable: str
    canaries: frozenset[str]


def traffic_of(rules: Sequence[Object], backends: Backends) -> int | None:
    """Return the canary's share of the service's requests in per cent; None where rules do not agree."""
    shares = set()
    for rule in rules:
        if is_pin(rule, backends) or not leads(rule, backends.stable):
            continue
        refs = rule["backendRefs"]
        canary = sum(weight_of(ref) for ref in refs if ref["name"] in backends.canaries)
        both = canary + sum(weight_of(ref) for ref in refs if ref["name"] == backends.stable)
        if both:
            shares.add(round(_WHOLE * canary / both))
    return shares.pop() if len(shares) == 1 else None


def leads_to(rules: Sequence[Object], service: str) -> bool:
    """Return whether any rule leads to a Service."""
    return any(leads(rule, service) for rule in rules)


def names_canary(rules: Sequence[Object], backends: Backends) -> bool:
    """Return whether any request, or a copy of it, can get to a canary."""
    refs = [ref for rule in rules for ref in [*rule.get("backendRefs", []), *map(mirrored, rule.get("filters", []))]]
    return any(ref.get("name") in backends.canaries for ref in refs)


def is_pin(rule: Mapping[str, Any], backends: Backends) -> bool:
    """Return whether a rule is a rollout's own, for requests that ask for a version."""
    matches = rule.get("matches", [])
    names = {ref["name"] for ref in rule.get("backendRefs", [])}
    return (
        bool(matches)
        and all(any(one["name"].lower() == VERSION_HEADER for one in each.get("headers", [])) for each in matches)
        and names <= {backends.stable, *backends.canaries}
    )


def leads(rule: Mapping[str, Any], service: str) -> bool:
    """Return whether a rule leads to a Service."""
    return any(ref["name"] == service for ref in rule.get("backendRefs", []))


def mirrored(each: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return where a filter sends copies."""
    found: Mapping[str, Any] = each.get("requestMirror", {}).get("backendRef", {})
    return found


def weight_of(ref: Mapping[str, Any]) -> int:
    """Return a backend's weight among those of its rule."""
    weight: int = ref.get("weight", 1)
    return weight
