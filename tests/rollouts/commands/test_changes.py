# SPDX-License-Identifier: Apache-2.0
"""Pause, resume, promote and abort say what happens next, and are refused where nothing can come of them."""

from typing import Any, TypeAlias

import pytest

from tests.cluster.kubernetes_server import Kubernetes
from tests.rollouts.commands.cluster_with_rollouts import put_rollout, rollout, status_of
from tests.rollouts.commands.conftest import Portside

HOLD: dict[str, Any] = {"steps": [{"traffic": 5}, {"traffic": 50, "hold": True}]}


def at(phase: str, *, step: int = 1, traffic: int = 5, **more: Any) -> dict[str, Any]:
    return status_of(phase, step=step, traffic=traffic, formerVersion="1.0.0", **more)


#: The word, the status it meets, what the spec has and then has, and what is said.
Done: TypeAlias = tuple[str, dict[str, Any], dict[str, Any], dict[str, Any], str]

DONE: dict[str, Done] = {
    "pause": (
        "pause",
        at("Progressing"),
        {},
        {"paused": True},
        "spam-1-1-0 waits: 1.1.0 keeps 5 % of the requests, and is reverted all the same if it does harm; "
        "`portside rollout resume spam-1-1-0` has it go on",
    ),
    "pause before it begins": (
        "pause",
        status_of("Pending"),
        {},
        {"paused": True},
        "spam-1-1-0 waits before 1.1.0 answers its first request; `portside rollout resume spam-1-1-0`",
    ),
    "resume from a pause": ("resume", at("Paused"), {"paused": True}, {"paused": False}, "spam-1-1-0 goes on\n"),
    "resume from a pause in a step that holds": (
        "resume",
        at("Paused", step=2, traffic=50),
        {"paused": True, **HOLD},
        {"paused": False, **HOLD},
        "step 2 holds its 50 % until it is resumed again",
    ),
    "promote": (
        "promote",
        at("Progressing"),
        {},
        {"end": "Promote"},
        "spam-1-1-0 is promoted whatever its gates say: spam is brought to 1.1.0 pod by pod",
    ),
    "promote what is paused before it begins": (
        "promote",
        status_of("Pending"),
        {"paused": True},
        {"paused": False, "end": "Promote"},
        "spam-1-1-0 is promoted whatever its gates say",
    ),
    "promote from a pause": (
        "promote",
        at("Paused", startedAt="2026-01-01T00:00:00Z"),
        {"paused": True},
        {"paused": True, "end": "Promote"},
        "promoted",
    ),
    "abort": (
        "abort",
        at("Shadowing"),
        {},
        {"end": "Abort"},
        "no request goes to 1.1.0 any more, then its pods go, and spam stays at 1.0.0",
    ),
    "abort before it begins": ("abort", status_of("Pending"), {}, {"end": "Abort"}, "nothing was changed"),
    "abort while it is promoted": ("abort", at("Promoting"), {}, {"end": "Abort"}, "spam-1-1-0 is aborted"),
}

REFUSED: dict[str, tuple[str, dict[str, Any], str]] = {
    "pause while it is promoted": ("pause", at("Promoting"), "cannot be paused any more: it is Promoting"),
    "resume what is not paused": ("resume", at("Progressing"), "is not paused: it is Progressing, and goes on by"),
    "promote what is reverted": ("promote", at("Reverting"), "cannot be promoted: it is Reverting"),
    "abort what is reverted": ("abort", at("Reverting"), "is being reverted already"),
    "pause what has ended": ("pause", at("Reverted"), "no rollout of spam is under way: spam-1-1-0 is Reverted\n"),
    "promote what was refused": ("promote", status_of("Refused"), "spam-1-1-0 is Refused\n"),
    "abort what was promoted": ("abort", at("Promoted"), "is Promoted; `portside rollback spam` goes back\n"),
}


@pytest.mark.parametrize("case", DONE.values(), ids=DONE)
def test_a_word_is_a_field_and_a_sentence(case: Done, cluster: Kubernetes, portside: Portside) -> None:
    word, status, spec, after, told = case
    put_rollout(cluster, "spam-1-1-0", "1.1.0", status=status, **spec)
    assert told in portside("rollout", word, "spam").stdout
    found = rollout(cluster, "spam-1-1-0")
    assert {name: value for name, value in found["spec"].items() if name in ("paused", "end", "steps")} == after
    assert found["status"] == status
    assert cluster.writes == [("patch", "ModelRollout spam-1-1-0")]


def test_a_step_that_holds_is_gone_on_from_by_its_number(cluster: Kubernetes, portside: Portside) -> None:
    put_rollout(cluster, "spam-1-1-0", "1.1.0", status=at("Progressing", step=2, traffic=50), **HOLD)
    told = portside("rollout", "resume", "spam-1-1-0").stdout
    assert told == "spam-1-1-0 goes on from step 2, which holds 50 %, as soon as its gates let it\n"
    found = rollout(cluster, "spam-1-1-0")
    assert found["metadata"]["annotations"] == {"portside.dev/resumed-step": "2"}
    assert "paused" not in found["spec"]


def test_to_pause_twice_changes_nothing(cluster: Kubernetes, portside: Portside) -> None:
    put_rollout(cluster, "spam-1-1-0", "1.1.0", status=at("Paused"), paused=True)
    assert "is paused already" in portside("rollout", "pause", "spam").stdout
    assert cluster.writes == []


@pytest.mark.parametrize(("word", "status", "told"), REFUSED.values(), ids=REFUSED)
def test_what_nothing_can_come_of_is_refused(
    word: str, status: dict[str, Any], told: str, cluster: Kubernetes, portside: Portside
) -> None:
    put_rollout(cluster, "spam-1-1-0", "1.1.0", status=status)
    assert told in portside("rollout", word, "spam", code=2).stderr
    assert cluster.writes == []


@pytest.mark.parametrize("word", ["pause", "resume", "promote", "abort"])
def test_a_service_that_never_had_one_is_refused(word: str, portside: Portside) -> None:
    assert "spam has no rollout" in portside("rollout", word, "spam", code=2).stderr


@pytest.mark.parametrize("name", ["", "..", "spam-1-1-0/status"], ids=["none", "dots", "a subresource"])
def test_a_name_that_nothing_can_have_is_refused(name: str, cluster: Kubernetes, portside: Portside) -> None:
    put_rollout(cluster, "spam-1-1-0", "1.1.0", status=at("Progressing"))
    assert f"has no rollout and no service {name};" in portside("rollout", "abort", name, code=2).stderr
    assert cluster.writes == []
