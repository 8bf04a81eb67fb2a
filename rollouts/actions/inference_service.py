# SPDX-License-Identifier: Apache-2.0
"""What a rollout writes into an InferenceService: the canary's entry, the bounds of its pods, what it serves; pure."""

from collections.abc import Collection, Mapping
from typing import Any, Final

from cluster.api import Object
from cluster.services.objects import INFERENCE_SERVICE
from rollouts.actions.release import owns
from rollouts.desired import Desired
from rollouts.status import Canary

#: What a canary takes over from the service's model; KServe merges its entry over all the rest.
_MODEL: Final = ("modelFormat", "protocolVersion", "runtime")


def canary_of(service: Mapping[str, Any]) -> Object | None:
    """Return the entry of an InferenceService's first canary; None where it has none."""
    entries = service["spec"].get("canary") or [None]
    first: Object | None = entries[0]
    return first


def canary_name_of(service: Mapping[str, Any]) -> str | None:
    """Return the name of that canary's predictor."""
    entry = canary_of(service)
    return None if entry is None else entry["predictor"].get("name")


def as_canary(service: Mapping[str, Any], entry: Mapping[str, Any]) -> Object:
    """Return an InferenceService whose predictor is its canary's: the entry merged over its own, as KServe does."""
    predictor, own = service["spec"]["predictor"], entry["predictor"]
    merged = {**predictor, **own, "model": {**predictor.get("model", {}), **own.get("model", {})}}
    return {**service, "spec": {"predictor": {"minReplicas": 1, **merged}}}


def applied(service: Object, desired: Desired) -> Object | None:
    """Return what is to be applied for the canary: its entry, and room for its pods beside the service's own.

    KServe takes a canary's pods from the service's, so the least number of those is raised by as many. Both are of one
    write, so that there is no moment at which the service has fewer pods than before, or more.

    Args:
        service: The InferenceService.
        desired: What shall be.

    Returns:
        The fields; None where they are there already, or no canary shall be.
    """
    if desired.canary is None:
        return None
    entry = _entry(service, desired.canary, desired.traffic)
    bounds = _bounds(service, desired)
    predictor = service["spec"]["predictor"]
    if _covers(canary_of(service), entry) and all(predictor.get(key) == value for key, value in bounds.items()):
        return None
    return {**_head(service), "spec": {"canary": [entry], **({"predictor": bounds} if bounds else {})}}


def merged(service: Object, desired: Desired, ours: Collection[str]) -> Object | None:
    """Return what is to be merged in: what the service itself serves, and at the end all that was applied taken back.

    Fields that were merged stay whatever is applied later.

    Args:
        service: The InferenceService.
        desired: What shall be.
        ours: The names of canaries that are a rollout's to take out.

    Returns:
        The fields, None for those that go; None where nothing is to be changed.
    """
    spec: Object = {}
    predictor: Object = {}
    present = service["spec"]["predictor"]
    if desired.storage_uri is not None and present.get("model", {}).get("storageUri") != desired.storage_uri:
        predictor["model"] = {"storageUri": desired.storage_uri}
    if desired.canary is None:
        if canary_name_of(service) in ours:
            spec["canary"] = None
        bounds = _bounds(service, desired)
        predictor |= {key: value for key, value in bounds.items() if present.get(key) != value}
    if predictor:
        spec["predictor"] = predictor
    return {**_head(service), "spec": spec} if spec else None


def _bounds(service: Object, desired: Desired) -> Object:
    """Return the least and the most pods that the service shall have, those that are a rollout's to say.

    A number that somebody else has set meanwhile is theirs.
    """
    former = desired.former
    if former is None:
        return {}
    more = 0 if desired.canary is None else desired.canary.replicas
    least = former.min_replicas + more
    most = None if former.max_replicas is None else max(former.max_replicas, least)
    present = service["spec"]["predictor"]
    found: Object = {}
    if owns(service, "spec", "predictor", "minReplicas") or present.get("minReplicas", 1) == former.min_replicas:
        found["minReplicas"] = least
    if most is not None and (
        owns(service, "spec", "predictor", "maxReplicas") or present.get("maxReplicas") == former.max_replicas
    ):
        found["maxReplicas"] = most
    return found


def _entry(service: Mapping[str, Any], canary: Canary, traffic: int) -> Object:
    model = service["spec"]["predictor"].get("model", {})
    own = {key: model[key] for key in _MODEL if key in model}
    predictor = {
        "name": canary.name,
        "minReplicas": canary.replicas,
        "model": {**own, "storageUri": canary.storage_uri},
    }
    return {"predictor": predictor, "trafficPercent": traffic}


def _covers(found: Any, wanted: Any) -> bool:
    """Return whether a document has all that is wanted; the API server and KServe add to it."""
    if isinstance(wanted, Mapping):
        return isinstance(found, Mapping) and all(_covers(found.get(key), value) for key, value in wanted.items())
    return bool(found == wanted)


def _head(service: Mapping[str, Any]) -> Object:
    metadata = service["metadata"]
    return {
        "apiVersion": INFERENCE_SERVICE[0],
        "kind": INFERENCE_SERVICE[1],
        "metadata": {"name": metadata["name"], "namespace": metadata["namespace"]},
    }
