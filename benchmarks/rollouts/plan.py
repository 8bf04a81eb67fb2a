# SPDX-License-Identifier: Apache-2.0
"""How many rollouts a run simulates, and the courses they take."""

import os
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from typing import Final

import numpy as np

from benchmarks.rollouts.scenarios import Scenario
from benchmarks.rollouts.simulation import Course, roll_out

_CHUNK: Final = 20


@dataclass(frozen=True, slots=True)
class Plan:
    """The size of a run.

    Attributes:
        equal: Rollouts of each kind of version that is as good as the other.
        faulty: Rollouts of each fault.
        deadline: Of each rollout, in seconds.
        seed: The same seed, the same courses, on however many cores.
    """

    equal: int
    faulty: int
    deadline: int = 1800
    seed: int = 8


FULL: Final = Plan(equal=500, faulty=50)
QUICK: Final = Plan(equal=40, faulty=5, deadline=300)


def courses(scenarios: Sequence[tuple[Scenario, int]], plan: Plan) -> list[list[Course]]:
    """Return the courses of a number of rollouts of each scenario, in order."""
    seeds = np.random.SeedSequence(plan.seed).spawn(len(scenarios))
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        chunks = [
            [
                pool.submit(_chunk, scenario, min(_CHUNK, rollouts - start), plan.deadline, chunk_seed)
                for start, chunk_seed in zip(
                    range(0, rollouts, _CHUNK), seed.spawn(-(-rollouts // _CHUNK)), strict=True
                )
            ]
            for (scenario, rollouts), seed in zip(scenarios, seeds, strict=True)
        ]
        return [[course for chunk in of_scenario for course in chunk.result()] for of_scenario in chunks]


def _chunk(scenario: Scenario, rollouts: int, deadline: int, seed: np.random.SeedSequence) -> list[Course]:
    random = np.random.default_rng(seed)
    return [roll_out(scenario.canary, scenario.stable, random, deadline) for _ in range(rollouts)]
