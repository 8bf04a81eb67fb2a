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


def test_kept_pods_that_are_taken_away_while_they_serve_are_not_asked_any_more() -> None:
    world = World(rollout(steps=STEPS, keep_previous=600.0), Version())
    world.run(600, until=lambda status: status.phase is Phase.PROMOTED)
    world.rollout = replace(world.rollout, end=End.ABORT)
    world.tick()
    world.take_canary_away()
    status = world.tick()
    assert (status.phase, status.traffic) == (Phase.REVERTING, 0)
    assert world.run(120).phase is Phase.REVERTED
    assert world.served == world.former_uri


def test_a_version_that_is_kept_but_not_ready_is_not_said_to_take_requests() -> None:
    world = World(rollout(steps=STEPS, keep_previous=600.0), Version())
    world.run(600, until=lambda status: status.phase is Phase.PROMOTED)
    world.rollout = replace(world.rollout, end=End.ABORT)
    world.take_canary_away()
    status = world.tick()
    assert status.traffic == 0
    assert status.verdict.startswith("1.0.0 comes back: its kept pods are not ready")
    assert world.run(120).phase is Phase.REVERTED


def test_a_service_that_is_deleted_while_the_former_version_is_made_ready_to_be_kept_is_not_waited_for() -> None:
    world = World(rollout(steps=STEPS, keep_previous=600.0), Version())
    world.run(600, until=lambda status: status.canary is not None and status.canary.name == "previous")
    assert world.status.phase is Phase.PROMOTING
    world.delete_service()
    status = world.run(60)
    assert (status.phase, status.verdict) == (Phase.REVERTED, "InferenceService spam was deleted")


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


@pytest.mark.parametrize("force", [False, True])
def test_what_cannot_be_is_refused_before_anybody_makes_room_for_it_unless_it_is_forced(force: bool) -> None:
    world = World(rollout(storage_uri="s3://models/spam/0.9.0/", force=force), Version())
    status = decide(world.rollout, world.status, replace(world.look(), ahead="spam-1-2-0"), world.moment)
    assert (status.phase is Phase.REFUSED) is not force
    assert ("0.9.0 is not newer than 1.0.0" in status.verdict) is not force


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


def test_the_time_of_a_step_that_holds_does_not_count_where_its_pod_was_taken_away_meanwhile() -> None:
    world = World(rollout(steps=(Step(20, hold=True), Step(50)), deadline=120.0), Version())
    world.run(300)
    world.take_canary_away()
    assert world.run(60).traffic == 20
    assert "Held" in _reasons(world.status)
    world.rate = 1.0
    world.rollout = replace(world.rollout, resumed_step=1)
    world.run(90, until=lambda status: status.step == 2)
    assert world.run(60).phase is Phase.PROGRESSING


def test_a_pause_within_a_step_that_holds_moves_the_deadline_once() -> None:
    world = World(rollout(steps=(Step(20, hold=True), Step(50)), deadline=120.0), Version())
    world.run(60)
    world.rollout = replace(world.rollout, paused=True)
    world.run(400)
    world.rollout = replace(world.rollout, paused=False, resumed_step=1)
    world.run(10, until=lambda status: status.step == 2)
    world.rate = 0.0
    began = world.now
    status = world.run(600)
    assert status.phase is Phase.INCONCLUSIVE
    assert world.now - began < 150


def test_pods_that_were_taken_away_at_the_end_of_a_pause_have_their_time_to_be_ready() -> None:
    world = World(rollout(steps=STEPS, ready_deadline=60.0), Version())
    world.run(60, until=lambda status: status.traffic > 0)
    world.rollout = replace(world.rollout, paused=True)
    world.run(5)
    world.take_canary_away()
    world.run(100)
    world.take_canary_away()
    world.rollout = replace(world.rollout, paused=False)
    assert world.run(600).phase is Phase.PROMOTED


def test_a_client_that_asks_the_canary_past_the_gateway_keeps_no_rollout_from_its_end() -> None:
    world = World(rollout(steps=STEPS), Version())
    world.run(60, until=lambda status: status.traffic > 0)
    world.rollout = replace(world.rollout, end=End.ABORT)
    for _ in range(600):
        world.ask_canary()
        if world.tick().done:
            break
    assert world.status.phase is Phase.REVERTED


@pytest.mark.parametrize(
    ("deadline", "told"), [(0.5, "not decided within 0.5 s"), (1_209_600.0, "not decided within 1,209,600 s")]
)
def test_a_deadline_is_told_in_plain_numbers(deadline: float, told: str) -> None:
    world = World(rollout(deadline=deadline), Version(), rate=0.0)
    world.run(60, until=lambda status: status.traffic > 0)
    world.tick(2 * deadline + 1)
    assert told in world.status.verdict


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


def test_pods_of_both_versions_that_fall_unready_together_are_blamed_on_neither_whichever_is_ready_first() -> None:
    world = World(rollout(steps=STEPS), Version())
    world.run(60, until=lambda status: status.traffic > 0)
    world.tick()
    world.make_unready(12)
    world.make_stable_unready(5)
    status = world.run(600)
    assert "Held" in _reasons(status)
    assert status.phase is Phase.PROMOTED


def test_a_pod_that_falls_while_one_more_of_the_stable_version_is_on_its_way_is_blamed_all_the_same() -> None:
    world = World(rollout(steps=STEPS), Version())
    world.run(60, until=lambda status: status.traffic > 0)
    world.tick()
    seen = world.look()
    new = Pod(name="new", key="new/0")
    fallen = replace(seen.canary.pods[0], ready=False)
    more = replace(seen, stable=replace(seen.stable, pods=(*seen.stable.pods, new)))
    down = decide(world.rollout, world.status, _with_canary(more, fallen), world.moment)
    ready = replace(more, stable=replace(seen.stable, pods=(*seen.stable.pods, replace(new, ready=True))))
    status = decide(world.rollout, down, _with_canary(ready, fallen), world.moment)
    assert (status.phase, _reasons(status)[-1]) == (Phase.REVERTING, "Unready")


def test_a_pod_that_fell_once_does_not_make_a_later_drain_its_fault() -> None:
    world = World(rollout(steps=STEPS), Version())
    world.run(60, until=lambda status: status.traffic > 0)
    seen = world.look()
    (one,) = seen.canary.pods
    other = replace(one, name="other", key="other/0")
    both = replace(seen, canary=replace(seen.canary, pods=(one, other)))
    status = world.status
    for pods in ((one, other), (one, replace(other, ready=False)), (one, other)):
        status = decide(world.rollout, status, replace(both, canary=replace(seen.canary, pods=pods)), world.moment)
    assert (status.phase, status.unready) == (Phase.PROGRESSING, 1)
    fresh = tuple(replace(one, name=name, key=f"{name}/0", ready=False) for name in ("third", "fourth"))
    status = decide(world.rollout, status, replace(both, canary=replace(seen.canary, pods=fresh)), world.moment)
    assert (status.phase, _reasons(status)[-1]) == (Phase.PROGRESSING, "Held")


def test_a_crash_that_was_shared_is_not_held_against_the_canary_later_and_excuses_no_other() -> None:
    world = World(rollout(steps=STEPS), Version())
    world.run(60, until=lambda status: status.traffic > 0)
    seen = world.look()
    ended = replace(seen.canary.pods[0], restarts=1, crash="it needs more memory")
    neighbour = replace(seen.stable.pods[0], restarts=1, crash="it needs more memory")
    shared = replace(_with_canary(seen, ended), stable=replace(seen.stable, pods=(neighbour,)))
    status = decide(world.rollout, world.status, shared, world.moment)
    elsewhere = replace(shared, stable=seen.stable)
    assert decide(world.rollout, status, elsewhere, world.moment).phase is Phase.PROGRESSING
    again = replace(shared, canary=replace(seen.canary, pods=(replace(ended, restarts=2),)))
    assert decide(world.rollout, status, again, world.moment).phase is Phase.REVERTING


def test_what_a_pod_did_before_it_was_ready_excuses_no_other_pod_after_it_is_gone() -> None:
    world = World(rollout(steps=STEPS), Version())
    world.run(60, until=lambda status: status.traffic > 0)
    seen = world.look()
    begun = replace(world.status, canary_restarts=1)
    fresh = replace(seen.canary.pods[0], name="fresh", key="fresh/0")
    status = decide(world.rollout, begun, _with_canary(seen, fresh), world.moment)
    crashed = replace(fresh, key="fresh/1", restarts=1, crash="it ended with exit code 1")
    assert decide(world.rollout, status, _with_canary(seen, crashed), world.moment).phase is Phase.REVERTING


def test_a_hundred_outputs_that_shift_make_no_endless_message() -> None:
    world = World(rollout(steps=STEPS), Version())
    world.run(60, until=lambda status: status.traffic > 0)
    seen = world.look()
    canary, stable = seen.canary.pods[0].key, seen.stable.pods[0].key
    status = world.status
    for number in range(1, 20):
        counts = {
            key: replace(
                seen.snapshots[key],
                requests=seen.snapshots[key].requests + 100 * number,
                rows=seen.snapshots[key].rows + 100 * number,
                outputs={**seen.snapshots[key].outputs, **{f"class {n}": {name: 100 * number} for n in range(100)}},
            )
            for key, name in ((canary, "[0.9, +inf)"), (stable, "[-inf, 0.1)"))
        }
        status = decide(world.rollout, status, replace(seen, snapshots=counts), world.moment)
        if status.phase is Phase.REVERTING:
            break
    assert _reasons(status)[-1] == "GateViolated"
    assert status.verdict.endswith("and 94 more, see status.gates")
    assert len(status.verdict) < 2000


def _with_canary(seen: Seen, pod: Pod) -> Seen:
    return replace(seen, canary=replace(seen.canary, pods=(pod,)))
