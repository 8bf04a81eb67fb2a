# SPDX-License-Identifier: Apache-2.0
"""Whether an object does what it is there for, and if not, what its status says."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from cluster.api import Object

#: Kinds whose readiness one condition tells.
_CONDITIONS: Final = {
    "CustomResourceDefinition": "Established",
    "APIService": "Available",
    "GatewayClass": "Accepted",
    "Gateway": "Programmed",
    "Certificate": "Ready",
    "InferenceService": "Ready",
    "ScaledObject": "Ready",
}


def unready(document: Mapping[str, Any]) -> str | None:
    """Return what an object still waits for, in words; None when it is ready, or of a kind that is by being there."""
    kind = document["kind"]
    special = _SPECIAL.get(kind)
    if special is not None:
        return special(document)
    if kind in _CONDITIONS:
        return _unmet(document, _CONDITIONS[kind])
    return None


def condition(document: Mapping[str, Any], name: str) -> Object | None:
    """Return a condition of an object's status."""
    found = document.get("status", {}).get("conditions") or []
    return next((one for one in found if one["type"] == name), None)


def is_ready(pod: Mapping[str, Any]) -> bool:
    """Return whether a pod is ready."""
    found = condition(pod, "Ready")
    return found is not None and bool(found["status"] == "True")


def is_taken_up(document: Mapping[str, Any]) -> bool:
    """Return whether an object's controller has seen its last change."""
    observed = document.get("status", {}).get("observedGeneration")
    return bool(observed == document["metadata"].get("generation"))


def told(found: Mapping[str, Any]) -> str:
    """Return a condition as a user reads it, such as ``Programmed is False (AddressNotAssigned: no address)``."""
    why = ": ".join(str(found[key]) for key in ("reason", "message") if found.get(key))
    return f"{found['type']} is {found['status']}" + (f" ({why})" if why else "")


def _unmet(document: Mapping[str, Any], name: str) -> str | None:
    found = condition(document, name)
    if found is None:
        return f"no condition {name} yet"
    wanted = document["metadata"].get("generation")
    if found.get("observedGeneration", wanted) != wanted:
        return f"{name} is not yet that of its last change"
    return None if found["status"] == "True" else told(found)


def _rollout(document: Mapping[str, Any]) -> str | None:
    status, spec = document.get("status", {}), document["spec"]
    if not is_taken_up(document):
        return "its last change is not yet taken up"
    wanted = spec.get("replicas", 1)
    updated, available = status.get("updatedReplicas", 0), status.get("availableReplicas", 0)
    if updated >= wanted and available >= wanted and status.get("replicas", 0) <= updated:
        return None
    failed = condition(document, "Available")
    words = f"{updated} of {wanted} pods updated, {available} available"
    return words if failed is None or failed["status"] == "True" else f"{words}; {told(failed)}"


def _daemons(document: Mapping[str, Any]) -> str | None:
    status = document.get("status", {})
    wanted, ready = status.get("desiredNumberScheduled", 0), status.get("numberReady", 0)
    return None if is_taken_up(document) and ready >= wanted else f"{ready} of {wanted} pods ready"


def _active(document: Mapping[str, Any]) -> str | None:
    phase = document.get("status", {}).get("phase")
    return None if phase == "Active" else f"it is {phase}"


def _bound(document: Mapping[str, Any]) -> str | None:
    # A volume may wait for the first pod that mounts it, so only a lost one is told.
    phase = document.get("status", {}).get("phase")
    return "its volume is lost" if phase == "Lost" else None


_SPECIAL: Final[Mapping[str, Callable[[Mapping[str, Any]], str | None]]] = {
    "Deployment": _rollout,
    "StatefulSet": _rollout,
    "DaemonSet": _daemons,
    "Namespace": _active,
    "PersistentVolumeClaim": _bound,
}
