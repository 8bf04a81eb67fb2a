# SPDX-License-Identifier: Apache-2.0
"""What a rollout does, from its first look to its end, in a world whose clock the tests hold."""

from dataclasses import replace
from datetime import timedelta

import pytest

from rollouts.decision import decide
from rollouts.measurements.snapshot import Snapshot
from rollouts.observation import Pod, Seen
from rollouts.phases import Phase
from rollouts.spec import End, Gates, Step
from rollouts.status import Status
from tests.rollouts.world import Version, World, rollout

STEPS = (Step(25), Step(50))


def _reasons(status: Status) -> list[str]:
    return [decision.reason for decision in status.decisions]


def test_an_equal_version_is_promoted_step_by_step_and_no_request_is_lost() -> None:
    world = World(rollout(), Version())
    status = world.run(1800)
    assert status.phase is Phase.PROMOTED, status.decisions
    assert [weight for _, weight in world.traffic_seen] == [5, 25, 50, 0]
    assert world.served == "s3://models/spam/1.1.0/"
    assert world.lost == 0
    assert _reasons(status)[:2] == ["Started", "Step"]
    assert _reasons(status)[-2:] == ["Promoting", "Promoted"]


@pytest.mark.parametrize(
    ("fault", "gate"),
    [
        (Version(errors=0.05), "errors"),
        (Version(seconds=0.052, spread=0.1), "latency"),
        (Version(spam=0.8), "predictions"),
    ],
    ids=["errors", "latency", "predictions"],
)
def test_a_worse_version_is_reverted_within_half_a_minute_of_its_first_request(fault: Version, gate: str) -> None:
    world = World(rollout(steps=STEPS), fault)
    status = world.run(600)
    assert status.phase is Phase.REVERTED, status.decisions
    assert "GateViolated" in _reasons(status)
    assert gate in " ".join(decision.message for decision in status.decisions)
    assert status.exposed is not None
    assert status.decided is not None
    assert (status.decided - status.exposed).total_seconds() < 30
    assert world.served == world.former_uri
    assert world.lost == 0


def test_a_version_whose_server_crashes_is_reverted_at_once() -> None:
    world = World(rollout(steps=STEPS), Version(crashes_after=40))
    status = world.run(600)
    assert status.phase is Phase.REVERTED
    assert "Crashed" in _reasons(status)
    assert (status.decided - status.exposed).total_seconds() < 5  # type: ignore[operator]


def test_a_version_that_cannot_load_is_never_asked() -> None:
    world = World(rollout(), Version(problem="model.skops does not hold what its manifest says"))
    status = world.run(600)
    assert status.phase is Phase.REVERTED
    assert status.exposed is None
    assert world.traffic_seen == []
    assert "does not hold" in status.verdict


def test_a_version_that_is_not_ready_in_time_is_never_asked() -> None:
    world = World(rollout(ready_deadline=60.0), Version(ready_seconds=500))
    status = world.run(600)
    assert (status.phase, status.exposed) == (Phase.REVERTED, None)
    assert "not ready within 60 s" in status.verdict


def test_a_version_that_becomes_unready_is_reverted() -> None:
    world = World(rollout(steps=STEPS), Version())
    world.run(60, until=lambda status: status.traffic > 0)
    world.tick()
    world.make_unready(10)
    status = world.run(300)
    assert status.phase is Phase.REVERTED
    assert "Unready" in _reasons(status)


def test_a_canary_whose_pod_is_taken_away_is_held_and_goes_on() -> None:
    world = World(rollout(), Version())
    world.run(60, until=lambda status: status.traffic > 0)
    world.tick()
    world.take_canary_away()
    status = world.run(1800)
    assert "Held" in _reasons(status)
    assert status.phase is Phase.PROMOTED


@pytest.mark.parametrize("rate", [0.0, 0.1])
def test_too_few_requests_are_inconclusive_and_never_a_promotion(rate: float) -> None:
    world = World(rollout(deadline=120.0), Version(), rate=rate)
    status = world.run(600)
    assert status.phase is Phase.INCONCLUSIVE
    assert world.served == world.former_uri
    assert "not decided within 120 s" in status.verdict


def test_shadowing_finds_other_answers_before_any_exposure() -> None:
    gates = Gates(max_disagreement=0.05)
    world = World(rollout(shadow_requests=500, gates=gates), Version(spam=0.7))
    status = world.run(600)
    assert (status.phase, status.exposed, world.traffic_seen) == (Phase.REVERTED, None, [])
    assert "disagree" in " ".join(decision.message for decision in status.decisions)


def test_shadowing_equal_answers_leads_to_the_first_step() -> None:
    gates = Gates(max_disagreement=0.05)
    world = World(rollout(shadow_requests=500, gates=gates, steps=STEPS), Version())
    status = world.run(1800)
    assert status.phase is Phase.PROMOTED
    assert status.pairs.compared >= 500


def test_a_pause_keeps_the_share_and_its_time_does_not_count() -> None:
    world = World(rollout(steps=STEPS, deadline=300.0), Version())
    world.run(60, until=lambda status: status.traffic > 0)
    world.rollout = replace(world.rollout, paused=True)
    status = world.run(400)
    assert (status.phase, status.traffic) == (Phase.PAUSED, 25)
    world.rollout = replace(world.rollout, paused=False)
    assert world.run(600).phase is Phase.PROMOTED


def test_a_pause_before_the_first_request_lets_none_through_until_it_is_over() -> None:
    world = World(rollout(steps=STEPS), Version(ready_seconds=20))
    world.run(5)
    world.rollout = replace(world.rollout, paused=True)
    status = world.run(400)
    assert (status.phase, status.traffic, world.traffic_seen) == (Phase.PENDING, 0, [])
    assert status.verdict == "1.1.0 is ready, and paused before its first request"
    world.rollout = replace(world.rollout, paused=False)
    assert world.run(600).phase is Phase.PROMOTED


def test_a_user_promotes_what_is_paused_before_its_first_request() -> None:
    world = World(rollout(steps=STEPS, paused=False), Version(ready_seconds=20))
    world.run(5)
    world.rollout = replace(world.rollout, paused=True)
    world.run(60)
    world.rollout = replace(world.rollout, end=End.PROMOTE)
    assert world.run(300).phase is Phase.PROMOTED


def test_a_paused_version_that_does_harm_is_reverted_all_the_same() -> None:
    world = World(rollout(steps=STEPS), Version(errors=0.1))
    world.run(60, until=lambda status: status.traffic > 0)
    world.rollout = replace(world.rollout, paused=True)
    assert world.run(300).phase is Phase.REVERTED


def test_an_abort_takes_the_traffic_away_first_and_the_pods_once_they_are_silent() -> None:
    world = World(rollout(), Version())
    world.run(60, until=lambda status: status.traffic > 0)
    world.rollout = replace(world.rollout, end=End.ABORT)
    status = world.run(60)
    assert status.phase is Phase.REVERTED
    assert world.lost == 0
    assert status.zero_traffic is not None
    assert status.decided is not None
    assert (status.zero_traffic - status.decided).total_seconds() <= 2


def test_a_user_may_promote_at_any_time() -> None:
    world = World(rollout(), Version(), rate=1.0)
    world.run(60, until=lambda status: status.traffic > 0)
    world.rollout = replace(world.rollout, end=End.PROMOTE)
    assert world.run(120).phase is Phase.PROMOTED
    assert world.lost == 0


def test_a_step_that_holds_waits_for_a_user() -> None:
    world = World(rollout(steps=(Step(50, hold=True),), deadline=60.0), Version())
    status = world.run(600)
    assert (status.phase, status.traffic) == (Phase.PROGRESSING, 50)
    assert "until it is resumed" in status.verdict
    world.rollout = replace(world.rollout, resumed_step=1)
    assert world.run(120).phase is Phase.PROMOTED


def test_a_version_that_is_kept_takes_all_requests_back_by_weights_alone() -> None:
    world = World(rollout(steps=STEPS, keep_previous=600.0), Version())
    status = world.run(600, until=lambda status: status.phase is Phase.PROMOTED)
    assert status.canary is not None
    assert status.canary.name == "previous"
    world.rollout = replace(world.rollout, end=End.ABORT)
    status = world.tick()
    assert (status.phase, status.traffic) == (Phase.REVERTING, 100)
    status = world.run(120)
    assert status.phase is Phase.REVERTED
    assert world.served == world.former_uri
    assert world.lost == 0


def test_a_version_that_is_kept_goes_when_its_time_is_over() -> None:
    world = World(rollout(steps=STEPS, keep_previous=60.0), Version())
    status = world.run(900)
    assert (status.phase, status.done) == (Phase.PROMOTED, True)
    assert world.look().canary_exists is False


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"storage_uri": "s3://models/spam/1.0.0/"}, "serves 1.0.0 already"),
        ({"storage_uri": "s3://models/spam/0.9.0/"}, "0.9.0 is not newer than 1.0.0"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_moves(changes: dict[str, str], told: str) -> None:
    world = World(rollout(**changes), Version())
    status = world.tick()
    assert (status.phase, status.canary, world.traffic_seen) == (Phase.REFUSED, None, [])
    assert told in status.verdict
    assert status.done


def test_a_gate_on_outputs_that_nobody_counts_is_refused() -> None:
    world = World(rollout(), Version())
    seen = world.look()
    counts = {key: Snapshot(requests=100, rows=100) for key in seen.snapshots}
    status = decide(world.rollout, world.status, replace(seen, snapshots=counts), world.moment)
    assert status.phase is Phase.REFUSED
    assert "counts no outputs" in status.verdict


def test_an_older_version_comes_in_by_force() -> None:
    world = World(
        rollout(storage_uri="s3://models/spam/0.9.0/", force=True, steps=(Step(100),), min_requests=0, gates=Gates()),
        Version(),
    )
    assert world.run(120).phase is Phase.PROMOTED
    assert world.lost == 0


def test_the_time_of_a_step_that_holds_does_not_count() -> None:
    world = World(rollout(steps=(Step(20, hold=True), Step(50)), deadline=120.0), Version())
    assert world.run(500).traffic == 20
    world.rollout = replace(world.rollout, resumed_step=1)
    assert world.run(200).phase is Phase.PROMOTED


def test_an_abort_while_the_last_pods_go_still_brings_the_former_version_back() -> None:
    world = World(rollout(steps=STEPS), Version())
    world.run(600, until=lambda status: status.phase is Phase.PROMOTING and status.canary is None)
    world.rollout = replace(world.rollout, end=End.ABORT)
    assert world.run(120).phase is Phase.REVERTED
    assert world.served == world.former_uri
    assert world.lost == 0


def test_a_pod_that_was_unready_between_two_looks_is_seen_by_since_when_it_is_ready() -> None:
    world = World(rollout(steps=STEPS), Version())
    world.run(60, until=lambda status: status.traffic > 0)
    world.tick()
    before = world.look()
    blinked = replace(before.canary.pods[0], ready_since=world.moment)
    once = decide(world.rollout, world.status, _with_canary(before, blinked), world.moment)
    assert once.unready == world.status.unready + 1


def test_an_answer_that_took_longer_than_the_traffic_is_gone_was_sent_before() -> None:
    world = World(rollout(steps=STEPS), Version())
    world.run(60, until=lambda status: status.traffic > 0)
    world.rollout = replace(world.rollout, end=End.ABORT)
    world.run(30, until=lambda status: status.zero_traffic is not None)
    flowing = replace(world.status, idle_since=None)
    later = world.moment + timedelta(seconds=3)
    seen = world.look()
    key = seen.canary.pods[0].key
    for bound, moved in (("8", False), ("0.002", True)):
        counts = seen.snapshots[key]
        grown = replace(
            counts,
            requests=counts.requests + 1,
            seconds={**counts.seconds, bound: counts.seconds.get(bound, 0) + 1},
        )
        status = decide(world.rollout, flowing, replace(seen, traffic=0, snapshots={key: grown}), later)
        assert (status.zero_traffic == later) is moved


def test_what_follows_on_a_silence_was_sent_nobody_knows_when() -> None:
    world = World(rollout(steps=STEPS), Version())
    world.run(60, until=lambda status: status.traffic > 0)
    world.rollout = replace(world.rollout, end=End.ABORT)
    world.run(30, until=lambda status: status.zero_traffic is not None)
    cut = world.status.zero_traffic
    seen = replace(world.look(), traffic=0)
    key = seen.canary.pods[0].key
    counts = seen.snapshots[key]
    grown = replace(counts, requests=counts.requests + 5, seconds={**counts.seconds, "0.002": counts.requests + 5})
    for quiet in ({}, seen.snapshots):
        silent = decide(
            world.rollout, world.status, replace(seen, snapshots=quiet), world.moment + timedelta(seconds=1)
        )
        later = replace(seen, snapshots={key: grown})
        assert decide(world.rollout, silent, later, world.moment + timedelta(seconds=2)).zero_traffic == cut


def test_a_server_that_has_just_ended_has_crashed_before_anything_starts_it_anew() -> None:
    world = World(rollout(steps=STEPS), Version())
    world.run(60, until=lambda status: status.traffic > 0)
    seen = world.look()
    ended = replace(seen.canary.pods[0], ready=False, started=None, crash="it ended with exit code 139")
    status = decide(world.rollout, world.status, _with_canary(seen, ended), world.moment)
    assert status.phase is Phase.REVERTING
    assert status.verdict == "1.1.0 crashed: it ended with exit code 139"


def test_a_crash_that_the_stable_version_shares_is_blamed_on_nobody() -> None:
    world = World(rollout(steps=STEPS), Version())
    world.run(60, until=lambda status: status.traffic > 0)
    seen = world.look()
    ended = replace(seen.canary.pods[0], restarts=1, crash="it needs more memory")
    neighbour = replace(seen.stable.pods[0], restarts=1, crash="it needs more memory")
    seen = replace(_with_canary(seen, ended), stable=replace(seen.stable, pods=(neighbour,)))
    assert decide(world.rollout, world.status, seen, world.moment).phase is Phase.PROGRESSING


def _with_canary(seen: Seen, pod: Pod) -> Seen:
    return replace(seen, canary=replace(seen.canary, pods=(pod,)))
