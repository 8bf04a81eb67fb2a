# SPDX-License-Identifier: Apache-2.0
"""Several rollouts of one service: one at a time, the oldest first, unless one replaces another."""

from datetime import UTC, datetime
from typing import Any

import pytest

from rollouts.actions.turns import ahead_of, replacing
from rollouts.spec import Rollout

SELF = Rollout("b", "models", "uid", datetime(2026, 11, 25, 8, 0, 0, tzinfo=UTC), "spam", "s3://models/spam/1.1.0/")


def other(
    name: str, seconds: int = 0, *, phase: str | None = None, state: Any = None, service: str = "spam", **spec: Any
) -> dict[str, Any]:
    status = {} if phase is None else {"status": {"phase": phase, "state": state or {}}}
    return {
        "metadata": {"name": name, "creationTimestamp": f"2026-11-25T08:00:{30 + seconds}Z".replace(":30Z", ":00Z")},
        "spec": {"inferenceService": service, **spec},
        **status,
    }


def older(name: str = "z", **more: Any) -> dict[str, Any]:
    document = other(name, **more)
    document["metadata"]["creationTimestamp"] = "2026-11-25T07:59:59Z"
    return document


RELEASED = {"former": {"storage_uri": "s3://models/spam/1.0.0/"}, "released": True}
KEPT = {"former": {"storage_uri": "s3://models/spam/1.0.0/"}, "released": False}


@pytest.mark.parametrize(
    ("document", "waits"),
    [
        (older(), True),
        (older(phase="Pending"), True),
        (older(phase="Progressing"), True),
        (older(phase="Promoted", state=KEPT), True),
        (older(phase="Promoted", state=RELEASED), False),
        (older(phase="Refused"), False),
        (older(service="iris"), False),
        (other("a"), True),
        (other("c"), False),
        (other("b"), False),
        (other("a", 1), False),
        (other("c", phase="Pending", state=KEPT), True),
        (other("c", phase="Promoted", state=RELEASED), False),
    ],
    ids=[
        "older, not yet seen",
        "older, pending",
        "older, under way",
        "older, keeps the former version",
        "older, done",
        "older, refused",
        "of another service",
        "of the same second, by name before",
        "of the same second, by name after",
        "itself",
        "younger",
        "of the same second, by name after, but begun",
        "of the same second, by name after, and done",
    ],
)
def test_a_rollout_waits_for_older_ones(document: dict[str, Any], waits: bool) -> None:
    assert ahead_of(SELF, [document]) == (document["metadata"]["name"] if waits else None)


def test_the_oldest_is_waited_for_first() -> None:
    assert ahead_of(SELF, [other("a"), older("z")]) == "z"


@pytest.mark.parametrize(
    ("document", "replaces"),
    [
        (other("c", 1, whenBusy="Replace"), False),
        (other("c", 1, whenBusy="Replace", phase="Pending"), True),
        (other("c", 1, whenBusy="Replace", phase="Refused"), False),
        (other("c", 1, whenBusy="Wait", phase="Pending"), False),
        (other("c", 1, phase="Pending"), False),
        (older(whenBusy="Replace", phase="Pending"), False),
        (other("c", 1, whenBusy="Replace", phase="Pending", service="iris"), False),
    ],
    ids=[
        "younger, not yet seen",
        "younger, pending",
        "refused",
        "patient",
        "without a word",
        "older",
        "of another service",
    ],
)
def test_a_younger_rollout_replaces_one_if_it_says_so(document: dict[str, Any], replaces: bool) -> None:
    assert replacing(SELF, [document]) == (document["metadata"]["name"] if replaces else None)


def test_one_that_is_being_deleted_replaces_nothing() -> None:
    document = other("c", 1, whenBusy="Replace", phase="Pending")
    document["metadata"]["deletionTimestamp"] = "2026-11-25T08:00:40Z"
    assert replacing(SELF, [document]) is None


def test_a_promoted_rollout_that_keeps_the_former_version_makes_room_for_any_later_one() -> None:
    assert replacing(SELF, [other("c", 1, phase="Pending")], promoted=True) == "c"
    assert replacing(SELF, [other("c", 1)], promoted=True) is None
    assert replacing(SELF, [other("c", 1, phase="Refused")], promoted=True) is None
    assert replacing(SELF, [older(phase="Reverted")], promoted=True) is None


def test_a_promoted_rollout_makes_room_for_one_of_its_second_that_comes_before_it_by_name() -> None:
    assert replacing(SELF, [other("a", phase="Pending")], promoted=True) == "a"
