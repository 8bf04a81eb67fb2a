# SPDX-License-Identifier: Apache-2.0
"""Whatever befalls a rollout, in whatever order: it comes to no phase that it has no right to, and comes to an end."""

import json
from dataclasses import replace
from typing import Final, NamedTuple

from hypothesis import given, settings
from hypothesis import strategies as st

from rollouts.phases import ENDED, Phase
from rollouts.spec import End, Gates, Rollout, Step
from rollouts.status import Status
from rollouts.status_document import status_document
from tests.rollouts.world import Version, World, rollout

RATE: Final = 8.0
DEADLINE: Final = 60.0
READY_DEADLINE: Final = 20.0
#: For each phase those that may follow on it.
AFTER: Final = {
    Phase.PENDING: {
        Phase.SHADOWING,
        Phase.PROGRESSING,
        Phase.PROMOTING,
        Phase.REVERTING,
        Phase.REVERTED,
        Phase.REFUSED,
    },
    Phase.SHADOWING: {Phase.PROGRESSING, Phase.PAUSED, Phase.PROMOTING, Phase.REVERTING},
    Phase.PROGRESSING: {Phase.PAUSED, Phase.PROMOTING, Phase.REVERTING},
    Phase.PAUSED: {Phase.SHADOWING, Phase.PROGRESSING, Phase.PROMOTING, Phase.REVERTING},
    Phase.PROMOTING: {Phase.PROMOTED, Phase.REVERTING},
    Phase.PROMOTED: {Phase.REVERTING},
    Phase.REVERTING: {Phase.REVERTED, Phase.INCONCLUSIVE},
}


class Happening(NamedTuple):
    """Something that befalls a rollout after it has moved so many times, and the seconds that pass then."""

    moves: int
    kind: str
    seconds: int


TO_THE_ROLLOUT: Final = ("pause", "resume", "go on", "promote", "abort")
TO_THE_WORLD: Final = (
    "replaced", "deleted", "drain", "unready", "stable unready", "stable crash", "silence", "requests", "deaf", "heard",
)  # fmt: skip
stories = st.lists(
    st.builds(
        Happening,
        st.integers(0, 8),
        st.sampled_from([*TO_THE_ROLLOUT, *TO_THE_WORLD]),
        st.sampled_from([0, 1, 2, 5, 30]),
    ),
    max_size=5,
)
rollouts = st.builds(
    lambda steps, shadow, keep: rollout(
        steps=steps,
        shadow_requests=shadow,
        keep_previous=keep,
        gates=Gates(max_error_increase=0.05),
        min_requests=20,
        deadline=DEADLINE,
        ready_deadline=READY_DEADLINE,
    ),
    st.sampled_from([(Step(30), Step(60)), (Step(30, hold=True), Step(60)), (Step(50),), (Step(100),), ()]),
    st.sampled_from([0, 30]),
    st.sampled_from([0.0, 15.0]),
)
GOOD: Final = Version(ready_seconds=3.0)
versions = st.sampled_from([GOOD, GOOD, replace(GOOD, errors=0.4), Version(problem="no")])


class Course:
    """A rollout in its world, whose every look is checked."""

    def __init__(self, asked: Rollout, new: Version) -> None:
        self.world = World(asked, new, Version(ready_seconds=3.0), rate=RATE)
        self.is_promoted_by_a_user = False
        #: Seconds in which it was measured, and waited for nobody.
        self.measured = 0

    def happen(self, what: Happening) -> None:
        for _ in range(what.moves):
            self.move()
        if what.kind in TO_THE_ROLLOUT:
            self.world.rollout = self._asked(what.kind)
        else:
            self._befall(what.kind)
        for _ in range(what.seconds):
            self.look()

    def _asked(self, kind: str) -> Rollout:
        asked = self.world.rollout
        match kind:
            case "go on":
                return replace(asked, resumed_step=self.world.status.step)
            case "promote" if asked.end is None:
                self.is_promoted_by_a_user = True
                return replace(asked, end=End.PROMOTE)
            case "abort":
                return replace(asked, end=End.ABORT)
            case _:
                return replace(asked, paused=kind == "pause")

    def _befall(self, kind: str) -> None:
        world = self.world
        match kind:
            case "replaced":
                world.replaced_by = "spam-1-2-0"
            case "deleted":
                world.delete_service()
            case "drain":
                world.take_canary_away()
            case "unready":
                world.make_unready(5)
            case "stable unready":
                world.make_stable_unready(3)
            case "stable crash":
                world.crash_stable()
            case "silence" | "requests":
                world.rate = 0.0 if kind == "silence" else RATE
            case "deaf" | "heard":
                world.deaf = kind == "deaf"

    def move(self) -> None:
        """Look until something is done, or for a while."""
        before = self._place()
        for _ in range(15):
            self.look()
            if self._place() != before:
                break

    def look(self) -> None:
        before = self.world.status
        after = self.world.tick()
        assert after.phase is before.phase or after.phase in AFTER.get(before.phase, set())
        self._check_deadline(before, after)
        if before.done:
            assert after == before
        if after.phase in {Phase.PENDING, Phase.SHADOWING, *ENDED}:
            assert after.traffic == 0
        if after.phase is Phase.PAUSED:
            assert after.traffic <= before.traffic
        if after.traffic > before.traffic:
            assert self.world.look().canary.ready, "a share without a pod to answer it"
        if after.step > before.step > 0 and self.world.rollout.steps[before.step - 1].hold:
            assert self.is_promoted_by_a_user or self.world.rollout.resumed_step >= before.step
        if after.phase is Phase.PROMOTING and before.phase is not Phase.PROMOTING and not self.is_promoted_by_a_user:
            self._check_promotion()
        if after.done and not self.world.gone and after.former is not None:
            assert self.world.served == (
                self.world.rollout.storage_uri if after.phase is Phase.PROMOTED else after.former.storage_uri
            )
            assert not self.world.look().canary_exists
        assert len(json.dumps(status_document(self.world.rollout, after, 1))) < 20_000

    def _check_deadline(self, before: Status, after: Status) -> None:
        steps = self.world.rollout.steps
        is_held = before.phase is Phase.PROGRESSING and steps[before.step - 1] == Step(before.traffic, hold=True)
        is_resumed = self.world.rollout.resumed_step >= before.step
        if before.phase in {Phase.SHADOWING, Phase.PROGRESSING} and (is_resumed or not is_held):
            self.measured += 1
        if before.phase is not Phase.REVERTING and after.outcome is Phase.INCONCLUSIVE:
            assert self.measured >= DEADLINE
        # What waits for pods is not ended by the deadline, but by theirs.
        assert self.measured <= DEADLINE + READY_DEADLINE + 2

    def _check_promotion(self) -> None:
        asked, world = self.world.rollout, self.world
        assert world.status.pairs.compared >= asked.shadow_requests
        assert world.status.step == len(asked.steps)
        for step in asked.steps[-1:]:
            assert world.in_share["canary"] >= asked.min_requests
            assert world.in_share["stable"] >= asked.min_requests or step.traffic == 100

    def _place(self) -> tuple[object, ...]:
        status: Status = self.world.status
        return status.phase, status.step, status.traffic, status.canary, status.done


@given(rollouts, versions, stories)
@settings(max_examples=200)
def test_no_course_leads_to_a_wrong_phase_and_all_lead_to_an_end(
    asked: Rollout, new: Version, story: list[Happening]
) -> None:
    course = Course(asked, new)
    for what in story:
        course.happen(what)
    world = course.world
    world.rollout = replace(world.rollout, paused=False, resumed_step=len(asked.steps))
    world.deaf = False
    for _ in range(250):
        if world.status.done:
            break
        course.look()
    assert world.status.done, (world.status.phase, world.status.verdict)
