# SPDX-License-Identifier: Apache-2.0
"""The controller killed in every phase of a rollout: another one goes on where it was, and no request fails."""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from typing import Any

import pytest

from tests.e2e.faulty_versions import BETTER, FIRST
from tests.e2e.model_rollout import STEPS, ModelRollout, create
from tests.e2e.rollout_controller import delete_controller, kill_controller
from tests.e2e.rollout_service import RolloutService
from tests.e2e.side_by_side import side_by_side

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1200)]

PHASES_OF_A_GOOD_ONE = ("Shadowing", "Progressing", "Paused", "Promoting")


@pytest.fixture(scope="module")
def killed(rollout_services: Sequence[RolloutService]) -> Mapping[str, Future[dict[str, Any]]]:
    """A rollout that is promoted and one that is reverted, the controller killed in each of their phases."""
    return side_by_side(rollout_services, {"promoted": promoted, "reverted": reverted})


def promoted(service: RolloutService) -> dict[str, Any]:
    before = service.shape()
    with service.load() as (load, _):
        rollout = create(f"{service.name}-killed", service.name, BETTER, shadow={"requests": 300}, minRequests=200)
        killed_in = [_ended_in(rollout, "Shadowing", delete_controller)]
        killed_in.append(_ended_in(rollout, "Progressing", kill_controller))
        rollout.patch(paused=True)
        killed_in.append(_ended_in(rollout, "Paused", delete_controller))
        rollout.patch(paused=False)
        killed_in.append(_ended_in(rollout, "Promoting", delete_controller))
        status = rollout.wait_for_end()
    return {
        "killed in": tuple(killed_in),
        "phase": status["phase"],
        "step": status["step"],
        "failed": load.failed(),
        "version": service.version(),
        "as before": service.shape() == before,
        "owned": service.owned_by_rollouts(),
    }


def reverted(service: RolloutService) -> dict[str, Any]:
    before = service.shape()
    with service.load() as (load, _):
        rollout = create(f"{service.name}-killed-back", service.name, BETTER)
        rollout.wait_for("Progressing", step=1)
        rollout.patch(end="Abort")
        killed_in = _ended_in(rollout, "Reverting", kill_controller)
        status = rollout.wait_for_end()
    return {
        "killed in": killed_in,
        "phase": status["phase"],
        "failed": load.failed(),
        "version": service.version(),
        "as before": service.shape() == before,
        "owned": service.owned_by_rollouts(),
    }


def test_a_controller_killed_on_the_way_goes_on_to_promotion(killed: Mapping[str, Future[dict[str, Any]]]) -> None:
    assert killed["promoted"].result() == {
        "killed in": PHASES_OF_A_GOOD_ONE,
        "phase": "Promoted",
        "step": len(STEPS),
        "failed": {},
        "version": BETTER,
        "as before": True,
        "owned": [],
    }


def test_a_controller_killed_while_it_reverts_goes_on_reverting(killed: Mapping[str, Future[dict[str, Any]]]) -> None:
    assert killed["reverted"].result() == {
        "killed in": "Reverting",
        "phase": "Reverted",
        "failed": {},
        "version": FIRST,
        "as before": True,
        "owned": [],
    }


def _ended_in(rollout: ModelRollout, phase: str, end: Callable[[], None]) -> str:
    """End the controller as soon as the rollout is in a phase, and return the one that it was in when it died."""
    rollout.wait_for(phase)
    end()
    return rollout.phase
