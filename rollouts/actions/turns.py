# SPDX-License-Identifier: Apache-2.0
"""Whose turn it is, of several rollouts of one service: the oldest goes first; pure, from their objects."""

from collections.abc import Iterable, Mapping
from typing import Any

from cluster.api import Object
from rollouts.kubernetes_time import kubernetes_time
from rollouts.phases import ENDED, Phase
from rollouts.spec import Rollout, WhenBusy


def ahead_of(rollout: Rollout, others: Iterable[Object]) -> str | None:
    """Return the name of the first rollout that is to end before one begins; None where there is none.

    Args:
        rollout: The one that is to begin.
        others: All ModelRollouts of its namespace; itself may be among them.
    """
    # One that has begun is ahead of its elders too: times are told in whole seconds, and names are no times.
    return next(
        (
            _name(each)
            for each in _of_service(rollout, others)
            if _has_begun(each) or (_is_older(each, rollout) and not _is_ended(each))
        ),
        None,
    )


def replacing(rollout: Rollout, others: Iterable[Object], *, promoted: bool = False) -> str | None:
    """Return the name of the first rollout that replaces one that is under way; None where there is none.

    Args:
        rollout: The one that is under way.
        others: All ModelRollouts of its namespace; itself may be among them.
        promoted: Whether it only keeps the former version running: then any other rollout comes in its place.
    """
    return next(
        (
            _name(each)
            for each in _of_service(rollout, others)
            # One that was not looked at yet may be refused, and then nothing shall have moved for it.
            if _is_looked_at(each)
            and not _is_ended(each)
            and (promoted or (not _is_older(each, rollout) and _replaces(each)))
        ),
        None,
    )


def _of_service(rollout: Rollout, others: Iterable[Object]) -> list[Object]:
    """Return the other rollouts of the service, oldest first."""
    found = [
        each for each in others if each["spec"]["inferenceService"] == rollout.service and _name(each) != rollout.name
    ]
    return sorted(found, key=_age)


def _age(document: Mapping[str, Any]) -> tuple[str, str]:
    # Of one form, so that their order is that of time.
    return document["metadata"]["creationTimestamp"], document["metadata"]["name"]


def _is_older(document: Mapping[str, Any], rollout: Rollout) -> bool:
    return _age(document) < (kubernetes_time(rollout.created), rollout.name)


def _has_begun(document: Mapping[str, Any]) -> bool:
    """Return whether a rollout has something to say about the cluster, even though it may have ended."""
    state = document.get("status", {}).get("state") or {}
    return state.get("former") is not None and not state.get("released", False)


def _is_looked_at(document: Mapping[str, Any]) -> bool:
    return document.get("status", {}).get("phase") is not None


def _is_ended(document: Mapping[str, Any]) -> bool:
    return document.get("status", {}).get("phase", Phase.PENDING) in ENDED


def _replaces(document: Mapping[str, Any]) -> bool:
    return document["spec"].get("whenBusy") == WhenBusy.REPLACE and "deletionTimestamp" not in document["metadata"]


def _name(document: Mapping[str, Any]) -> str:
    name: str = document["metadata"]["name"]
    return name
