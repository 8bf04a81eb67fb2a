# SPDX-License-Identifier: Apache-2.0
"""How often a verdict is wrong, over hundreds of simulated runs of servers whose true figures are known."""

from collections import Counter
from collections.abc import Callable

import numpy as np
import pytest
from scipy.special import bdtrik, ndtri

from loadtests.judging.objective import Outcome
from loadtests.judging.slo import Slo
from loadtests.judging.verdict import judge
from tests.loadtests.simulated_servers import Requests, evidence, failing_in_bursts, freezing, independent, queueing

Simulate = Callable[[np.random.Generator, int], Requests]

RUNS = 250
SECONDS = 60
LEVEL = 0.05
#: More wrong verdicts than this come in fewer than one of 1,000 repetitions when each is wrong with probability LEVEL.
MOST_WRONG = int(np.ceil(bdtrik(0.999, RUNS, LEVEL)))

#: The true share of bad requests, as a multiple of the share that the SLO allows.
POSITIONS = {"within": 0.4, "at the limit": 1.0, "beyond": 2.5}

# The freezes and the bursts are of lengths that a run of SECONDS can see: about six of them at the limit, see
# loadtests/judging/design_effect.py.
SERVERS: dict[str, Callable[[float], tuple[dict[str, object], Simulate]]] = {
    "independent requests, p99": lambda times: (
        {"latency": {"p99": _us(0.01 * np.exp(0.5 * ndtri(1 - 0.01 * times)))}},
        independent,
    ),
    "a queue, p90": lambda times: ({"latency": {"p90": _us(-np.log(0.1 * times) / 20)}}, queueing),
    "a queue, goodput": lambda times: (
        {"goodput": {"within": _us(-np.log(0.05 * times) / 20), "at_least": 0.95}},
        queueing,
    ),
    "freezes at random, p99": lambda times: (
        {"latency": {"p99": "500ms"}},
        lambda random, seconds: freezing(random, seconds, 0.01 * times, 0.1, periodic=False),
    ),
    "long freezes at random, p95": lambda times: (
        {"latency": {"p95": "500ms"}},
        lambda random, seconds: freezing(random, seconds, 0.05 * times, 0.5, periodic=False),
    ),
    "periodic freezes of random phase, p99": lambda times: (
        {"latency": {"p99": "500ms"}},
        lambda random, seconds: freezing(random, seconds, 0.01 * times, 0.1, periodic=True),
    ),
    "bursts of errors, error rate": lambda times: (
        {"error_rate": 0.05},
        lambda random, seconds: failing_in_bursts(random, seconds, 0.05 * times),
    ),
    "bursts of errors, four objectives": lambda times: (
        {
            "latency": {"p50": "20ms", "p95": "100ms"},
            "error_rate": 0.05,
            "goodput": {"within": "100ms", "at_least": 0.95},
        },
        lambda random, seconds: failing_in_bursts(random, seconds, 0.05 * times),
    ),
}


@pytest.mark.parametrize("position", POSITIONS)
@pytest.mark.parametrize("server", SERVERS)
def test_verdicts_are_wrong_no_more_often_than_stated(server: str, position: str) -> None:
    stated, simulate = SERVERS[server](POSITIONS[position])
    outcomes = _outcomes(Slo.model_validate(stated), simulate, SECONDS)
    # At the very limit nothing may be claimed: there the chance of a wrong verdict is greatest.
    wrong = {"within": ["FAIL"], "at the limit": ["PASS", "FAIL"], "beyond": ["PASS"]}[position]
    assert sum(outcomes[Outcome(name)] for name in wrong) <= MOST_WRONG


def test_most_runs_of_independent_requests_are_decided() -> None:
    for position, right in (("within", Outcome.PASS), ("beyond", Outcome.FAIL)):
        stated, simulate = SERVERS["independent requests, p99"](POSITIONS[position])
        assert _outcomes(Slo.model_validate(stated), simulate, SECONDS)[right] >= 0.95 * RUNS


def test_long_runs_of_correlated_requests_are_decided() -> None:
    for server in ("a queue, p90", "freezes at random, p99", "bursts of errors, error rate"):
        stated, simulate = SERVERS[server](0.1)
        assert _outcomes(Slo.model_validate(stated), simulate, 240, runs=40)[Outcome.PASS] >= 20, server


def test_a_burst_that_happens_to_end_a_run_rarely_makes_it_fail() -> None:
    """In bursts of 3 s on average every request fails: 1 % of all, as many as may."""
    outcomes = _outcomes(
        Slo(error_rate=0.01), lambda random, seconds: failing_in_bursts(random, seconds, 0.01, 3, 1), SECONDS
    )
    assert 0 < outcomes[Outcome.FAIL] <= MOST_WRONG


def test_plain_intervals_would_be_wrong_more_often_than_stated(monkeypatch: pytest.MonkeyPatch) -> None:
    """The simulation can tell: without an allowance for correlation the stated level is far exceeded."""
    monkeypatch.setattr("loadtests.judging.objective.design_effect", lambda *_: _Independent())
    stated, simulate = SERVERS["bursts of errors, error rate"](1.0)
    outcomes = _outcomes(Slo.model_validate(stated), simulate, SECONDS)
    assert outcomes[Outcome.PASS] + outcomes[Outcome.FAIL] > 5 * MOST_WRONG


class _Independent:
    plain = lower = upper = 1.0


def _outcomes(slo: Slo, simulate: Simulate, seconds: int, runs: int = RUNS) -> Counter[Outcome]:
    random = np.random.default_rng(20)
    return Counter(judge(slo, evidence(simulate(random, seconds))).outcome for _ in range(runs))


def _us(seconds: float) -> str:
    return f"{int(seconds * 1e6)}us"
