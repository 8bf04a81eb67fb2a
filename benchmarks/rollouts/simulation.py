# SPDX-License-Identifier: Apache-2.0
"""One rollout after another as the controller goes through them, without a cluster: looks, steps, deadline."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import numpy as np

from benchmarks.rollouts.version import Pods, Version
from benchmarks.rollouts.window import Window
from rollouts.gates.judge import judge
from rollouts.gates.result import GateResult, Outcome
from rollouts.measurements.evidence import Evidence
from rollouts.shadow.pairs import Pairs
from rollouts.spec import DEFAULT_MIN_REQUESTS, DEFAULT_STEPS, Gates, LatencyGate

#: Those of the example in the documentation.
GATES: Final = Gates(max_error_increase=0.005, latency=LatencyGate(99, 1.2, 50), max_shift=0.1)
ERROR: Final = 0.01
RATE: Final = 100
_STABLE_PODS: Final = 3
#: So many seconds of a step are looked at one by one, and then each tenth: what is not decided by then lies so near a
#: limit that it takes minutes.
_ONE_BY_ONE: Final = 60
_LATER: Final = 10


class End(StrEnum):
    """How a rollout ends."""

    PROMOTED = "promoted"
    REVERTED = "reverted"
    INCONCLUSIVE = "inconclusive"


@dataclass(frozen=True, slots=True)
class Course:
    """How a rollout went.

    Attributes:
        end: How it ended.
        seconds: After how long.
        requests: How many the canary had answered by then.
        gates: Those that were violated.
    """

    end: End
    seconds: int
    requests: int
    gates: tuple[str, ...] = ()


def roll_out(canary: Version, stable: Version, random: np.random.Generator, deadline: int) -> Course:
    """Return the course of one rollout, with a look at each second and all of a step's requests in its window.

    Args:
        canary: The new version, one pod of it.
        stable: The one that it is compared with, three pods.
        random: Where chance comes from.
        deadline: In seconds.
    """
    pods = Pods(canary, 1, random), Pods(stable, _STABLE_PODS, random)
    step, began, requests = 0, 0, 0
    windows = Window(), Window()
    for second in range(1, deadline + 1):
        share = DEFAULT_STEPS[step] / 100
        for arm, window, part in zip(pods, windows, (share, 1 - share), strict=True):
            window.add(arm.second(RATE * part))
        if second - began > _ONE_BY_ONE and second % _LATER:
            continue
        evidence = Evidence(canary=windows[0].sums(), stable=windows[1].sums())
        results = judge(GATES, evidence, Pairs(), ERROR / len(DEFAULT_STEPS))
        violated = tuple(result.gate for result in results if result.outcome is Outcome.VIOLATED)
        if violated:
            return Course(End.REVERTED, second, requests + windows[0].requests, violated)
        if _done(windows, results):
            step, requests = step + 1, requests + windows[0].requests
            if step == len(DEFAULT_STEPS):
                return Course(End.PROMOTED, second, requests)
            windows, began = (Window(), Window()), second
    return Course(End.INCONCLUSIVE, deadline, requests + windows[0].requests)


def _done(windows: tuple[Window, Window], results: tuple[GateResult, ...]) -> bool:
    enough = all(window.requests >= DEFAULT_MIN_REQUESTS for window in windows)
    return enough and not any(result.outcome is Outcome.BEYOND for result in results)
