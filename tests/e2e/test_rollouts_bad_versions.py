# SPDX-License-Identifier: Apache-2.0
"""Versions that are worse in every way there is, each rolled out under a steady load: found out, and reverted."""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial

import pytest

from tests.e2e.exposure import Watched, watch
from tests.e2e.faulty_versions import CRASHING, FAILING, SHIFTED, SLOW, UNLOADABLE, UNREADY
from tests.e2e.kubernetes import poll
from tests.e2e.model_rollout import create
from tests.e2e.rollout_service import RolloutService
from tests.e2e.side_by_side import side_by_side

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1200)]

#: What is aimed at: from the first exposure to the verdict, and from there until no request gets there any more.
VERDICT_SECONDS, CRASH_SECONDS, ZERO_SECONDS = 30, 15, 2
#: How much longer all that may take where the machine's neighbours are busy: what is stuck takes longer still.
BUSY = 3
#: How late a server that hung may answer what it was sent before the verdict.
HANGS_SECONDS = 12
#: What a request took that was sent just before the last one was.
ANSWER_SECONDS = 0.5

#: More requests than there are, so that only the gates and the pods themselves can end it.
SPEC = {"steps": [{"traffic": 50}], "minRequests": 100_000}

FAULTS = {
    "50 ms slower": SLOW,
    "fails 5 % of requests": FAILING,
    "shifts its predictions": SHIFTED,
    "crashes": CRASHING,
    "unready now and then": UNREADY,
    "cannot load": UNLOADABLE,
}


@dataclass(frozen=True)
class Outcome:
    """What came of a bad version.

    Attributes:
        watched: The rollout.
        last_sent: When the last request was sent that the bad version answered, in seconds after the verdict; None
            where it answered none.
        failed: Requests that went wrong, by how.
        later: Those among them that came once the rollout had ended.
        after: What the service was afterwards.
        before: What it had been.
    """

    watched: Watched
    last_sent: float | None
    failed: Mapping[str, int]
    later: int
    before: Mapping[str, object]
    after: Mapping[str, object]


@pytest.fixture(scope="module")
def outcomes(rollout_services: Sequence[RolloutService]) -> Mapping[str, Future[Outcome]]:
    """Every bad version rolled out, several at a time."""
    scenarios: Mapping[str, Callable[[RolloutService], Outcome]] = {
        fault: partial(roll_out, version) for fault, version in FAULTS.items()
    }
    return side_by_side(rollout_services, scenarios)


def roll_out(version: str, service: RolloutService) -> Outcome:
    """Roll a bad version out under load until it is reverted, and let the load go on for a moment."""
    before = {**service.shape(), "version": service.version()}
    with service.load() as (load, client):
        watched = watch(create(f"{service.name}-{version}", service.name, version, **SPEC), service.name)
        failed, upto = load.failed(), load.count + 100
        poll(60, "the load to go on", lambda: load.count > upto)
    last_sent = client.last_sent.get(version)
    return Outcome(
        watched=watched,
        last_sent=None if last_sent is None else last_sent - watched.decided,
        failed=load.failed(),
        later=sum(load.failed().values()) - sum(failed.values()),
        before=before,
        after={**service.shape(), "version": service.version()},
    )


@pytest.mark.parametrize("fault", [fault for fault in FAULTS if fault != "cannot load"])
def test_a_bad_version_is_reverted_before_it_does_much_harm(
    outcomes: Mapping[str, Future[Outcome]], fault: str
) -> None:
    outcome = outcomes[fault].result()
    status = outcome.watched.status
    found_out, cut = status["exposureToVerdictSeconds"], status["verdictToZeroTrafficSeconds"]
    aimed_at = CRASH_SECONDS if fault == "crashes" else VERDICT_SECONDS
    print(
        f"\n{fault}: {found_out:.1f} s from the first exposure to the verdict (aimed at: {aimed_at}), {cut:.1f} s to "
        f"zero traffic (aimed at: {ZERO_SECONDS}), its last request sent {outcome.last_sent:.1f} s after the verdict; "
        f"{sum(outcome.failed.values())} requests went wrong\n  {status['verdict']}"
    )
    assert status["phase"] == "Reverted"
    assert found_out < BUSY * aimed_at
    assert outcome.last_sent is not None
    assert outcome.last_sent < BUSY * ZERO_SECONDS
    if fault in ("crashes", "unready now and then"):
        # The Gateway has taken out by itself a server that is down or hangs, and one that hangs answers once it wakes
        # what it was sent before: these are judged by when their last request was sent.
        assert cut < HANGS_SECONDS
    else:
        assert cut < BUSY * ZERO_SECONDS
        assert outcome.watched.answered_after(cut + ANSWER_SECONDS) == 0
    assert outcome.later == 0
    assert outcome.after == outcome.before


@pytest.mark.parametrize("fault", ["50 ms slower", "fails 5 % of requests", "shifts its predictions"])
def test_zero_traffic_is_seen_in_the_bad_versions_own_counters_too(
    outcomes: Mapping[str, Future[Outcome]], fault: str
) -> None:
    watched = outcomes[fault].result().watched
    assert watched.looks_after(watched.status["verdictToZeroTrafficSeconds"] + ANSWER_SECONDS) >= 2
    assert sum(counts[-1][1] for counts in watched.counts.values()) > 0


@pytest.mark.parametrize(
    ("fault", "reason", "words"),
    [
        ("50 ms slower", "GateViolated", "ms"),
        ("fails 5 % of requests", "GateViolated", "error"),
        ("shifts its predictions", "GateViolated", "label"),
        ("crashes", "Crashed", "exit code"),
        ("unready now and then", "Unready", "unready"),
        ("cannot load", "Failed", "golden.json"),
    ],
)
def test_the_verdict_says_what_is_wrong(
    outcomes: Mapping[str, Future[Outcome]], fault: str, reason: str, words: str
) -> None:
    decisions = outcomes[fault].result().watched.status["decisions"]
    (verdict,) = [each for each in decisions if each["phase"] == "Reverting"]
    assert verdict["reason"] == reason
    assert any(word in verdict["message"] for word in words.split("|")), verdict


def test_a_version_that_cannot_load_is_never_exposed(outcomes: Mapping[str, Future[Outcome]]) -> None:
    outcome = outcomes["cannot load"].result()
    assert outcome.watched.status["phase"] == "Reverted"
    assert outcome.watched.status.get("exposedAt") is None
    assert outcome.last_sent is None
    assert outcome.failed == {}
    assert outcome.after == outcome.before


@pytest.mark.parametrize("fault", ["50 ms slower", "cannot load"])
def test_what_does_not_fail_requests_fails_none(outcomes: Mapping[str, Future[Outcome]], fault: str) -> None:
    assert outcomes[fault].result().failed == {}
