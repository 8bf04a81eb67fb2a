# SPDX-License-Identifier: Apache-2.0
"""Rollouts at their users' word, under a steady load: started, paused, promoted, aborted, rolled back, in turns."""

import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from typing import Any

import pytest

from tests.e2e.faulty_versions import BETTER, FIRST, NAME, OLDER, SLOW
from tests.e2e.kubernetes import kubectl, poll
from tests.e2e.model_rollout import ModelRollout, create, rollouts_of
from tests.e2e.pods import NAMESPACE
from tests.e2e.rollout_service import RolloutService
from tests.e2e.side_by_side import side_by_side
from tests.e2e.use_cases import portside

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1200)]

#: By weights alone, the command line's own start in it.
WARM_SECONDS = 30
#: Steps that are over soon, and limits that a busy machine keeps.
QUICK = ("--steps=20,50", "--min-requests=60", "--percentile=50", "--max-latency-ratio=3")
#: Long enough for whatever is done in its first step.
SLOWLY = {"minRequests": 100_000, "deadline": "10m"}

Seen = dict[str, Any]


@pytest.fixture(scope="module")
def seen(rollout_services: Sequence[RolloutService]) -> Mapping[str, Future[Seen]]:
    """Each scenario run, several at a time."""
    scenarios: Mapping[str, Callable[[RolloutService], Seen]] = {
        "kept": kept,
        "turns": turns,
        "rolled back": rolled_back,
        "paused": paused,
        "aborted": aborted,
        "deleted": deleted,
    }
    return side_by_side(rollout_services, scenarios)


def deleted(service: RolloutService) -> Seen:
    before = service.shape()
    with service.load() as (load, _):
        rollout = create(f"{service.name}-deleted", service.name, BETTER, **SLOWLY)
        rollout.wait_for("Progressing", step=1)
        kubectl("delete", "modelrollout", rollout.name, "--namespace", NAMESPACE)
    return {"failed": load.failed(), "version": service.version(), "as before": service.shape() == before}


def aborted(service: RolloutService) -> Seen:
    before = service.shape()
    with service.load() as (load, _):
        started = portside("rollout", "start", service.name, f"--to={BETTER}", *QUICK).stdout
        (rollout,) = rollouts_of(service.name)
        rollout.wait_for("Progressing", step=1)
        table = kubectl("get", "modelrollouts", "--namespace", NAMESPACE)
        portside("rollout", "abort", service.name)
        rollout.wait_for_end()
    told = portside("rollout", "status", service.name).stdout
    return {
        **_came_to(service, rollout, load.failed()),
        "as before": service.shape() == before,
        "started": started,
        "table": table,
        "told": told,
        "events": rollout.events(),
    }


def paused(service: RolloutService) -> Seen:
    before = service.shape()
    with service.load() as (load, client):
        rollout = create(f"{service.name}-paused", service.name, BETTER, **SLOWLY)
        rollout.wait_for("Progressing", step=1)
        portside("rollout", "pause", rollout.name)
        status = rollout.wait_for("Paused")
        count = client.versions[BETTER]
        poll(60, "the new version to answer in the pause", lambda: client.versions[BETTER] > count + 10)
        still = rollout.phase
        portside("rollout", "resume", rollout.name)
        rollout.wait_for("Progressing", step=1)
        portside("rollout", "promote", rollout.name)
        watched = portside("rollout", "status", rollout.name, "--watch")
    return {
        **_came_to(service, rollout, load.failed()),
        "as before": service.shape() == before,
        "paused": (status["traffic"], still),
        "watched": watched.stdout + watched.stderr,
    }


def rolled_back(service: RolloutService) -> Seen:
    before = service.shape()
    with service.load() as (load, _):
        # Without steps it is promoted as soon as it is ready.
        brought = create(f"{service.name}-brought", service.name, BETTER, steps=[], gates=None)
        brought.wait_for("Promoted")
        brought_in = service.version()
        told = portside("rollback", service.name, "--watch")
        (*_, back) = rollouts_of(service.name)
    return {
        **_came_to(service, back, load.failed()),
        "as before": service.shape() == before,
        "brought in": brought_in,
        "told": told.stdout + told.stderr,
    }


def kept(service: RolloutService) -> Seen:
    before = service.shape()
    with service.load() as (load, client):
        rollout = create(f"{service.name}-kept", service.name, BETTER, steps=[], gates=None, keepPrevious="10m")
        rollout.wait_for("Promoted")
        answers = client.versions[FIRST]
        brought_in = service.version()
        upto = load.count + 50
        poll(60, "the load to go on", lambda: load.count > upto)
        new_alone = client.versions[FIRST] == answers
        begin = time.time()
        portside("rollback", service.name)
        poll(60, "the former version to answer alone", lambda: client.last_sent[BETTER] < time.time() - 1)
        seconds = client.last_sent[BETTER] - begin
        rollout.wait_for_end(but="Promoted")
    return {
        **_came_to(service, rollout, load.failed()),
        "as before": service.shape() == before,
        "brought in": (brought_in, new_alone),
        "seconds": seconds,
    }


def turns(service: RolloutService) -> Seen:
    """One under way, a second that waits for it, and a third that is to replace whatever there is."""
    before = service.shape()
    with service.load() as (load, _):
        first = create(f"{service.name}-1", service.name, BETTER, **SLOWLY)
        first.wait_for("Progressing", step=1)
        second = create(f"{service.name}-2", service.name, SLOW, gates={"errors": {"maxIncrease": 0.05}}, **SLOWLY)
        waits = poll(30, "the second one to wait", lambda: second.status().get("verdict")), first.phase
        first.patch(end="Abort")
        second.wait_for("Progressing", step=1)
        in_turn = first.phase
        third = create(f"{service.name}-3", service.name, BETTER, steps=[], gates=None, whenBusy="Replace")
        third.wait_for("Promoted")
    return {
        **_came_to(service, third, load.failed()),
        "as before": service.shape() == before,
        "waits": waits,
        "in turn": in_turn,
        "replaced": (second.phase, second.reasons()),
    }


def test_an_aborted_rollout_leaves_everything_as_it_was(seen: Mapping[str, Future[Seen]]) -> None:
    outcome = seen["aborted"].result()
    assert _basics(outcome) == {"phase": "Reverted", "version": FIRST, "failed": {}, "as before": True}
    assert "Aborted" in outcome["reasons"]


def test_every_decision_is_an_event(seen: Mapping[str, Future[Seen]]) -> None:
    outcome = seen["aborted"].result()
    assert sorted(outcome["events"]) == sorted(outcome["reasons"])


def test_a_rollout_that_is_deleted_takes_its_canary_with_it(seen: Mapping[str, Future[Seen]]) -> None:
    assert seen["deleted"].result() == {"failed": {}, "version": FIRST, "as before": True}


def test_commands_and_kubectl_tell_how_a_rollout_fares(seen: Mapping[str, Future[Seen]]) -> None:
    outcome = seen["aborted"].result()
    assert outcome["name"] in outcome["started"]
    assert outcome["name"] in outcome["told"]
    assert "Reverted" in outcome["told"]
    head, *rows = outcome["table"].splitlines()
    assert [word for word in ("PHASE", "STEP", "TRAFFIC", "VERDICT", "AGE") if word not in head] == []
    (row,) = [row for row in rows if row.startswith(f"{outcome['name']} ")]
    assert "Progressing" in row


def test_a_paused_rollout_keeps_its_share_goes_on_and_is_promoted_at_a_users_word(
    seen: Mapping[str, Future[Seen]],
) -> None:
    outcome = seen["paused"].result()
    assert _basics(outcome) == {"phase": "Promoted", "version": BETTER, "failed": {}, "as before": True}
    assert outcome["paused"] == (20, "Paused")
    assert [reason for reason in ("Paused", "Resumed", "Promoted") if reason not in outcome["reasons"]] == []
    assert "Promoted" in outcome["watched"]


def test_an_earlier_version_is_rolled_back_to_in_one_command(seen: Mapping[str, Future[Seen]]) -> None:
    outcome = seen["rolled back"].result()
    assert outcome["brought in"] == BETTER
    assert _basics(outcome) == {"phase": "Promoted", "version": FIRST, "failed": {}, "as before": True}
    assert FIRST in outcome["told"]


def test_a_version_that_is_kept_is_gone_back_to_by_weights_alone(seen: Mapping[str, Future[Seen]]) -> None:
    outcome = seen["kept"].result()
    print(f"\nback to the version that was kept: {outcome['seconds']:.1f} s from the command to its last request")
    assert outcome["brought in"] == (BETTER, True)
    assert outcome["seconds"] < WARM_SECONDS
    assert _basics(outcome) == {"phase": "Reverted", "version": FIRST, "failed": {}, "as before": True}


def test_a_second_rollout_waits_and_a_third_replaces_it(seen: Mapping[str, Future[Seen]]) -> None:
    outcome = seen["turns"].result()
    verdict, phase = outcome["waits"]
    assert "-1" in verdict
    assert phase == "Progressing"
    assert outcome["in turn"] == "Reverted"
    phase, reasons = outcome["replaced"]
    assert phase == "Reverted"
    assert "Replaced" in reasons
    assert _basics(outcome) == {"phase": "Promoted", "version": BETTER, "failed": {}, "as before": True}


@pytest.mark.parametrize(
    ("service", "version", "words"),
    [
        pytest.param("nobody", BETTER, "no InferenceService nobody", id="an unknown service"),
        pytest.param(None, OLDER, "not newer than", id="an older version"),
        pytest.param(None, FIRST, f"serves {FIRST} already", id="the present version"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_moves(
    rollout_services: Sequence[RolloutService], service: str | None, version: str, words: str
) -> None:
    own = rollout_services[0]
    own.start_again()
    before = own.shape()
    rollout = create(f"{own.name}-refused", service or own.name, version)
    try:
        status = rollout.wait_for_end(seconds=60)
        assert status["phase"] == "Refused"
        assert words in status["verdict"]
        assert own.shape() == before
        assert own.owned_by_rollouts() == []
    finally:
        kubectl("delete", "modelrollout", rollout.name, "--namespace", NAMESPACE)


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        pytest.param({"steps": [{"traffic": 50}, {"traffic": 20}]}, "rise", id="steps that do not rise"),
        pytest.param({"steps": [{"traffic": 120}]}, "100", id="more than all"),
        pytest.param({"gates": None}, "need at least one gate", id="steps without a gate"),
        pytest.param({"deadline": "soon"}, "deadline", id="no duration"),
        pytest.param({"gates": {"errors": {"maxIncrease": -1}}}, "maxIncrease", id="a negative limit"),
    ],
)
def test_what_is_written_wrong_is_refused_by_the_api_server(
    rollout_services: Sequence[RolloutService], spec: Mapping[str, Any], words: str
) -> None:
    with pytest.raises(AssertionError, match=words):
        create("written-wrong", rollout_services[0].name, BETTER, **spec)


def test_a_spec_cannot_be_changed_under_way(rollout_services: Sequence[RolloutService]) -> None:
    rollout = create("changed-under-way", "nobody", BETTER)
    try:
        with pytest.raises(AssertionError, match="only paused and end may be changed"):
            rollout.patch(storageUri=f"s3://models/{NAME}/{SLOW}/")
    finally:
        kubectl("delete", "modelrollout", rollout.name, "--namespace", NAMESPACE)


def _came_to(service: RolloutService, rollout: ModelRollout, failed: Mapping[str, int]) -> Seen:
    return {
        "name": rollout.name,
        "phase": rollout.phase,
        "version": service.version(),
        "failed": failed,
        "reasons": rollout.reasons(),
    }


def _basics(outcome: Seen) -> Seen:
    return {key: outcome[key] for key in ("phase", "version", "failed", "as before")}
