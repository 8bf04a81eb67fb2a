# SPDX-License-Identifier: Apache-2.0
"""A status is written and read back without losing anything, so that a controller can stop anywhere."""

import json
from dataclasses import replace

from rollouts.gates.result import GateResult
from rollouts.phases import Phase
from rollouts.spec import Step
from rollouts.status import Status
from rollouts.status_document import read_status, status_document
from tests.rollouts.world import Version, World, rollout


def _again(world: World) -> Status:
    document = json.loads(json.dumps(status_document(world.rollout, world.status, 1)))
    # The API server drops what is null.
    return read_status({name: value for name, value in document.items() if value is not None})


def _as_written(status: Status) -> Status:
    # Figures are written with as many digits as anybody reads; each look judges anew.
    return replace(status, gates=tuple(GateResult.of(gate.as_document()) for gate in status.gates))


def test_every_status_of_a_promotion_is_read_back_as_it_was() -> None:
    world = World(rollout(steps=(Step(25), Step(50)), shadow_requests=100, keep_previous=30.0), Version())
    while not world.status.done:
        world.tick()
        assert _again(world) == _as_written(world.status)


def test_every_status_of_a_reversion_is_read_back_as_it_was() -> None:
    world = World(rollout(steps=(Step(25),)), Version(errors=0.2))
    while not world.status.done:
        world.tick()
        assert _again(world) == _as_written(world.status)
    assert world.status.phase is Phase.REVERTED


def test_an_object_without_a_status_has_not_begun() -> None:
    assert read_status(None) == read_status({}) == Status()


def test_a_status_stays_small_enough_to_be_written_each_second() -> None:
    world = World(rollout(), Version())
    largest = 0
    while not world.status.done:
        world.tick()
        largest = max(largest, len(json.dumps(status_document(world.rollout, world.status, 1))))
    assert largest < 20_000


def test_what_people_read_is_told_beside_what_the_controller_goes_on_from() -> None:
    world = World(rollout(steps=(Step(25),)), Version(errors=0.2))
    world.run(600)
    told = status_document(world.rollout, world.status, 3)
    assert (told["phase"], told["version"], told["formerVersion"]) == ("Reverted", "1.1.0", "1.0.0")
    assert told["observedGeneration"] == 3
    assert 0 < told["exposureToVerdictSeconds"] < 30
    assert told["verdictToZeroTrafficSeconds"] <= 2
    assert told["startedAt"].endswith("Z")
    assert {"time", "phase", "reason", "message"} == set(told["decisions"][0])
