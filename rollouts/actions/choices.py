# SPDX-License-Identifier: Apache-2.0
"""What an InferenceService chooses that a rollout has to know, and whether it can be rolled out at all; pure."""

from collections.abc import Collection, Mapping
from typing import Any, Final

from rollouts.decision.promoting import PREVIOUS
from rollouts.observation import Service

_MODE: Final = "serving.kserve.io/deploymentMode"
_STANDARD: Final = "Standard"
_STOP: Final = "serving.kserve.io/stop"
_VISIBILITY: Final = "networking.kserve.io/visibility"
_LOCAL: Final = "cluster-local"
_LOG_PREDICTIONS: Final = "PREDICTOR_LOG_PREDICTIONS"
_STANDARD_OUTPUT: Final = "-"
#: KServe labels pods ``app: isvc.SERVICE-CANARY-predictor``, and a label's value has 63 characters at most.
_LONGEST_NAME: Final = 63 - len(f"isvc.-{PREVIOUS}-predictor")


def choices_of(service: Mapping[str, Any], own_canaries: Collection[str]) -> Service:
    """Return an InferenceService's choices.

    Args:
        service: As it is on the cluster.
        own_canaries: The names of the canaries that are this rollout's.
    """
    predictor = service["spec"].get("predictor", {})
    model = predictor.get("model", {})
    names = [each["predictor"].get("name", "") for each in service["spec"].get("canary") or []]
    environ = {variable["name"]: variable.get("value") for variable in model.get("env") or []}
    return Service(
        storage_uri=model.get("storageUri", ""),
        min_replicas=predictor.get("minReplicas", 1),
        # KServe takes 0 for none given.
        max_replicas=predictor.get("maxReplicas") or None,
        foreign_canary=next((name for name in names if name not in own_canaries), None),
        logs_predictions=environ.get(_LOG_PREDICTIONS) == _STANDARD_OUTPUT,
        unfit=_unfit(service),
    )


def _unfit(service: Mapping[str, Any]) -> str | None:
    metadata = service["metadata"]
    name, annotations = metadata["name"], metadata.get("annotations", {})
    if "deletionTimestamp" in metadata:
        return f"InferenceService {name} is being deleted"
    if annotations.get(_MODE) != _STANDARD:
        return f"KServe has canaries in Standard mode only: give {name} the annotation {_MODE}: {_STANDARD}"
    if annotations.get(_STOP) == "true":
        return f"InferenceService {name} is stopped by its annotation {_STOP}: take that off first"
    if metadata.get("labels", {}).get(_VISIBILITY) != _LOCAL:
        return (
            f"KServe makes routes of its own for {name}, beside which no share can be set: make it anew with the label "
            f"{_VISIBILITY}: {_LOCAL}"
        )
    if not service["spec"].get("predictor", {}).get("model", {}).get("storageUri"):
        return f"{name} has no predictor.model.storageUri, which is what a rollout changes"
    return _too_long(name)


def _too_long(name: str) -> str | None:
    if len(name) <= _LONGEST_NAME:
        return None
    return (
        f"{name} has {len(name)} characters, and its canary's pods a label with its name in it that has no room for "
        f"more than {_LONGEST_NAME}: make it anew under a shorter one"
    )
