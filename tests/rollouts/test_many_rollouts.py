# SPDX-License-Identifier: Apache-2.0
"""Two hundred rollouts at once, by one clock: each comes to its own right end."""

from rollouts.phases import ENDED, Phase
from rollouts.spec import Step
from tests.rollouts.world import Version, World, rollout

_FAULTS = {
    "good": Version(),
    "errors": Version(errors=0.06),
    "slow": Version(seconds=0.055, spread=0.1),
    "shifted": Version(spam=0.7),
    "crashing": Version(crashes_after=30),
    "broken": Version(problem="its digests do not hold"),
}


def test_two_hundred_rollouts_at_once_are_seen_to_without_missing_one() -> None:
    kinds = [list(_FAULTS)[number % len(_FAULTS)] for number in range(200)]
    worlds = [
        World(
            rollout(name=f"spam-{number}", uid=str(number), steps=(Step(20), Step(50)), min_requests=150),
            _FAULTS[kind],
            rate=25.0,
            seed=number,
        )
        for number, kind in enumerate(kinds)
    ]
    for _ in range(400):
        under_way = [world for world in worlds if not world.status.done]
        if not under_way:
            break
        for world in under_way:
            world.tick()
    assert all(world.status.phase in ENDED for world in worlds)
    wrong = [
        (kind, world.status.phase, world.status.verdict)
        for kind, world in zip(kinds, worlds, strict=True)
        if (world.status.phase is Phase.PROMOTED) != (kind == "good")
    ]
    assert wrong == []
    assert sum(world.lost for kind, world in zip(kinds, worlds, strict=True) if kind != "crashing") == 0
