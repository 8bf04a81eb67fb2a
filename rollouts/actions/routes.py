# SPDX-License-Identifier: Apache-2.0
"""The rules of a service's HTTPRoute or GRPCRoute with a canary in them, and back to the user's own; pure.

What is a rollout's can be told from the rules alone: backends of a canary's name, mirrors that lead there, and rules
that match the version header. So nothing has to be remembered, and a manifest may be applied anew at any time.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from cluster.api import Object
from rollouts.actions.rules import VERSION_HEADER, Backends, is_pin, leads, mirrored, weight_of

#: The most that Gateway API lets a route have.
_MOST_RULES: Final = 16
_MOST_WEIGHT: Final = 1_000_000
_WHOLE: Final = 100


@dataclass(frozen=True, slots=True)
class Split:
    """What the rules shall do.

    Attributes:
        canary: The present canary's Service.
        traffic: Its share of the service's requests, in per cent; 0 leaves it out.
        mirror: Whether it gets a copy of each request.
        pins: The Service for each version that a client can ask for by the header.
    """

    canary: str
    traffic: int = 0
    mirror: bool = False
    pins: Mapping[str, str] = field(default_factory=dict)


def problem_of(rules: Sequence[Object], backends: Backends) -> str | None:
    """Return why a canary cannot be put into the rules, in words that go after the route's name; None when it can."""
    own = [rule for rule in restored(rules, backends) if leads(rule, backends.stable)]
    weights = [weight_of(ref) for rule in own for ref in rule["backendRefs"]]
    others = len(restored(rules, backends)) - len(own)
    if not own:
        return f"has no rule that leads to {backends.stable}"
    if 3 * len(own) + others > _MOST_RULES:
        return (
            f"has {len(own)} rules that lead to {backends.stable}; with two more for each of them, which lead to a "
            f"version by the header {VERSION_HEADER}, it would have more than {_MOST_RULES}"
        )
    if any(weight % _WHOLE and weight * _WHOLE > _MOST_WEIGHT for weight in weights):
        return f"has a weight above {_MOST_WEIGHT // _WHOLE} that is no multiple of {_WHOLE}, which cannot be split"
    return None


def with_canary(rules: Sequence[Object], backends: Backends, split: Split) -> list[Object]:
    """Return the rules with a canary in them.

    Args:
        rules: As they are, with or without a canary. Rules that do not lead to the service's predictor stay.
        backends: The Services of both versions.
        split: What the canary gets.
    """
    own = restored(rules, backends)
    changed = [_shared(rule, backends.stable, split) if leads(rule, backends.stable) else rule for rule in own]
    # Behind the user's, whose places the Gateway's own names for what it sends to are made of. They go first all the
    # same: of two rules that match a request, the one with more header matches counts.
    pins = [
        _pinned(rule, backends.stable, version, service)
        for rule in own
        if leads(rule, backends.stable)
        for version, service in split.pins.items()
    ]
    return [*changed, *pins]


def restored(rules: Sequence[Object], backends: Backends) -> list[Object]:
    """Return the rules as the user made them."""
    return [_without_canary(rule, backends) for rule in rules if not is_pin(rule, backends)]


def _shared(rule: Object, stable: str, split: Split) -> Object:
    changed = dict(rule)
    if split.mirror:
        target = next(ref for ref in rule["backendRefs"] if ref["name"] == stable)
        copy = {"group": "", "kind": "Service", "name": split.canary, "port": target["port"]}
        changed["filters"] = [
            *rule.get("filters", []),
            {"type": "RequestMirror", "requestMirror": {"backendRef": copy}},
        ]
    if split.traffic:
        changed["backendRefs"] = _weighted(rule["backendRefs"], stable, split)
    return changed


def _weighted(refs: Sequence[Object], stable: str, split: Split) -> list[Object]:
    """Return a rule's backends with the canary beside the stable version, whose weight is shared out.

    Where it cannot be shared without a fraction, all weights are a hundred times what they were, and the canary stands
    before the stable version instead of behind it: this is how ``_merged`` knows.
    """
    whole = all(weight_of(ref) % _WHOLE == 0 for ref in refs if ref["name"] == stable)
    factor = 1 if whole else _WHOLE
    found: list[Object] = []
    for ref in refs:
        weight = weight_of(ref) * factor
        part = weight * split.traffic // _WHOLE
        if ref["name"] != stable:
            found.append({**ref, "weight": weight})
        else:
            pair = [{**ref, "weight": weight - part}, {**ref, "name": split.canary, "weight": part}]
            found += pair if whole else reversed(pair)
    return found


def _merged(refs: Sequence[Object], backends: Backends) -> list[Object]:
    """Return a rule's backends without the canary's, in their own weights."""
    first = next(ref["name"] for ref in refs if ref["name"] == backends.stable or ref["name"] in backends.canaries)
    factor = 1 if first == backends.stable else _WHOLE
    found: list[Object] = []
    # In the order in which a canary comes after its stable version.
    for ref in refs if factor == 1 else reversed(refs):
        if ref["name"] not in backends.canaries:
            found.append({**ref, "weight": weight_of(ref)})
        elif found and found[-1]["name"] == backends.stable:
            found[-1]["weight"] += weight_of(ref)
    return [{**ref, "weight": ref["weight"] // factor} for ref in (found if factor == 1 else reversed(found))]


def _without_canary(rule: Object, backends: Backends) -> Object:
    own = dict(rule)
    filters = rule.get("filters", [])
    kept = [each for each in filters if mirrored(each).get("name") not in backends.canaries]
    if len(kept) < len(filters):
        own["filters"] = kept
        if not kept:
            del own["filters"]
    refs = rule.get("backendRefs", [])
    if any(ref["name"] in backends.canaries for ref in refs):
        own["backendRefs"] = _merged(refs, backends)
    return own


def _pinned(rule: Object, stable: str, version: str, service: str) -> Object:
    """Return a rule that takes what a user's rule does, of the requests that ask for a version."""
    header = {"type": "Exact", "name": VERSION_HEADER, "value": version}
    target = next(ref for ref in rule["backendRefs"] if ref["name"] == stable)
    # A rule's name is its own in the whole route.
    copied = {key: value for key, value in rule.items() if key != "name"}
    return {
        **copied,
        "matches": [{**match, "headers": [*match.get("headers", []), header]} for match in rule.get("matches", [{}])],
        "backendRefs": [{**target, "name": service, "weight": _WHOLE}],
    }
