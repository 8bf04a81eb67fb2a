# SPDX-License-Identifier: Apache-2.0
"""The saturation search, against simulated servers whose knee is known."""

import math
import random
from collections.abc import Callable
from itertools import pairwise
from statistics import NormalDist

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtests.errors import LoadTestError
from loadtests.knee import Attempt, Held, Knee, find_knee

Server = Callable[[float], Held]

SEARCHES = 400
PHI = NormalDist().cdf


def steady(knee: float) -> Server:
    """A server that always holds up to its knee, and never beyond."""
    return lambda rate: Held.HELD if rate <= knee else Held.FAILED


def noisy(knee: float, width: float, undecided: float, chance: random.Random) -> Server:
    """A server whose runs differ: at the knee it holds as often as it fails; some runs around it cannot tell."""

    def attempt(rate: float) -> Held:
        distance = math.log(knee / rate) / width
        drawn = chance.random()
        if drawn < PHI(distance - undecided):
            return Held.HELD
        return Held.FAILED if drawn >= PHI(distance + undecided) else Held.UNDECIDED

    return attempt


def searches(width: float, undecided: float, repeats: int, seed: int) -> list[tuple[float, Knee]]:
    chance = random.Random(seed)
    knees = [math.exp(chance.uniform(math.log(20), math.log(4000))) for _ in range(SEARCHES)]
    return [
        (knee, find_knee(noisy(knee, width, undecided, chance), first=50, ceiling=100_000, repeats=repeats))
        for knee in knees
    ]


@pytest.mark.parametrize("resolution", [0.02, 0.1, 0.5])
@pytest.mark.parametrize("knee", [1.7, 49.9, 50, 50.1, 99, 137, 400, 3210, 49_999])
def test_a_server_without_noise_is_found_to_the_resolution(knee: float, resolution: float) -> None:
    found = find_knee(steady(knee), first=50, ceiling=100_000, resolution=resolution)
    assert found.holds is not None
    assert found.high is not None
    assert found.low == found.holds <= knee < found.high <= found.holds * (1 + resolution)
    tried = [attempt.rate for attempt in found.attempts]
    assert tried.count(found.holds) == tried.count(found.high) == 3


def test_attempts_are_listed_in_the_order_they_were_made() -> None:
    asked: list[Attempt] = []

    def attempt(rate: float) -> Held:
        asked.append(Attempt(rate, steady(300)(rate)))
        return asked[-1].outcome

    found = find_knee(attempt, first=50, ceiling=10_000)
    assert list(found.attempts) == asked
    assert [one.rate for one in asked[:4]] == [50, 100, 200, 400]


def test_the_gap_is_bisected_in_geometric_steps() -> None:
    found = find_knee(steady(150), first=100, ceiling=10_000, resolution=0.2, repeats=1)
    rates = [attempt.rate for attempt in found.attempts]
    assert rates == pytest.approx([100, 200, 100 * 2**0.5, 100 * 2**0.75])
    assert found.holds == pytest.approx(100 * 2**0.5)


@pytest.mark.parametrize(
    ("width", "undecided", "repeats", "share"),
    [
        pytest.param(0.02, 0.0, 3, 0.96, id="hardly any noise"),
        pytest.param(0.05, 0.0, 3, 0.95, id="noise of half the resolution"),
        pytest.param(0.1, 0.0, 3, 0.90, id="noise as wide as the resolution"),
        pytest.param(0.1, 0.0, 5, 0.98, id="the same, five repeats"),
        pytest.param(0.05, 1.0, 3, 0.98, id="some runs cannot tell"),
        pytest.param(0.1, 1.0, 3, 0.98, id="many runs cannot tell"),
    ],
)
def test_the_interval_has_the_true_knee_as_often_as_is_stated(
    width: float, undecided: float, repeats: int, share: float
) -> None:
    found = searches(width, undecided, repeats, seed=20)
    inside = sum((one.low or 0) <= knee <= (one.high or math.inf) for knee, one in found)
    assert inside >= share * SEARCHES
    # And it says something: it has two ends, and what holds lies between them.
    bounded = [one for _, one in found if one.low and one.holds and one.high]
    assert len(bounded) >= 0.99 * SEARCHES
    assert all(one.low <= one.holds < one.high for one in bounded)  # type: ignore[operator]
    assert sorted(one.high / one.low for one in bounded)[len(bounded) // 2] < 2  # type: ignore[operator]


def test_the_rate_that_holds_is_near_the_true_knee_in_spite_of_noise() -> None:
    distances = [abs(math.log(one.holds / knee)) for knee, one in searches(0.05, 0.0, 3, seed=21) if one.holds]
    assert len(distances) == SEARCHES
    assert sum(distances) / SEARCHES < 0.06
    assert max(distances) < 0.25


def test_a_stray_failure_far_below_the_knee_does_not_end_the_search() -> None:
    """Something else disturbed the machine: the rate is tried again, and the majority counts."""
    strays = iter([Held.FAILED])

    def attempt(rate: float) -> Held:
        return next(strays, Held.HELD) if rate == 100 else steady(300)(rate)

    found = find_knee(attempt, first=50, ceiling=10_000)
    assert found.holds is not None
    assert 300 / 1.1 <= found.holds <= 300
    # The interval does not hide that it happened.
    assert found.low is not None
    assert 50 <= found.low < 100


def test_a_stray_success_does_not_end_the_search_too_high() -> None:
    strays = iter([Held.HELD])

    def attempt(rate: float) -> Held:
        return next(strays, Held.FAILED) if rate == 400 else steady(300)(rate)

    found = find_knee(attempt, first=50, ceiling=10_000)
    assert found.holds == pytest.approx(300, rel=0.1)
    assert found.high is not None
    assert found.high > 400


def test_a_server_that_never_holds_is_tried_down_to_a_floor() -> None:
    found = find_knee(lambda rate: Held.FAILED, first=64, ceiling=1000)
    assert (found.holds, found.low, found.high) == (None, None, 1)
    assert [attempt.rate for attempt in found.attempts] == [64, 32, 16, 8, 4, 2, 1, 1, 1]
    assert found.about == "it does not hold at 1 requests/s, the lowest rate that was judged"


def test_a_server_that_always_holds_is_tried_up_to_the_ceiling() -> None:
    found = find_knee(lambda rate: Held.HELD, first=50, ceiling=500)
    assert (found.holds, found.low, found.high) == (500, 500, None)
    assert [attempt.rate for attempt in found.attempts] == [50, 100, 200, 400, 500, 500, 500]
    assert found.about == "it holds 500 requests/s; the ceiling of 500 came before the rate at which it never does"


def test_a_search_may_have_no_room_at_all() -> None:
    assert find_knee(lambda rate: Held.HELD, first=50, ceiling=50).holds == 50


def test_a_generator_that_falls_behind_bounds_the_search_and_is_no_failure() -> None:
    found = find_knee(lambda rate: Held.HELD if rate < 700 else Held.GENERATOR, first=50, ceiling=100_000)
    assert found.holds is not None
    assert found.holds == found.low
    assert 700 / 1.1 <= found.holds < 700
    assert found.high is None
    assert max(attempt.rate for attempt in found.attempts) == 800
    assert found.about.endswith("before the server did: more workers go further")
    assert f"fell behind at {min(a.rate for a in found.attempts if a.outcome is Held.GENERATOR):.0f}, " in found.about


def test_the_server_is_still_found_where_the_generator_falls_behind_above_it() -> None:
    found = find_knee(lambda rate: Held.GENERATOR if rate >= 200 else steady(120)(rate), first=50, ceiling=100_000)
    assert found.holds is not None
    assert found.high is not None
    assert found.low == found.holds <= 120 < found.high <= 120 * 1.1


def test_a_generator_that_fell_behind_once_is_given_another_try() -> None:
    hiccups = iter([Held.GENERATOR])

    def attempt(rate: float) -> Held:
        return next(hiccups, Held.HELD) if rate == 100 else steady(300)(rate)

    found = find_knee(attempt, first=50, ceiling=10_000)
    assert found.holds == found.low
    assert found.holds == pytest.approx(300, rel=0.1)


def test_a_generator_that_always_falls_behind_says_nothing_about_the_server() -> None:
    found = find_knee(lambda rate: Held.GENERATOR, first=64, ceiling=1000)
    assert (found.holds, found.low, found.high) == (None, None, None)
    assert len(found.attempts) == 14
    assert "the generator fell behind even at 1 requests/s, which says nothing about the server" in found.about


def test_runs_with_too_few_requests_are_left_behind_upwards() -> None:
    found = find_knee(lambda rate: Held.UNDECIDED if rate < 150 else steady(700)(rate), first=50, ceiling=10_000)
    assert [attempt.rate for attempt in found.attempts[:5]] == [50, 100, 200, 400, 800]
    assert [attempt.rate for attempt in found.attempts].count(50) == 1
    assert found.holds is not None
    assert found.low == found.holds <= 700


def test_a_server_that_no_run_can_tell_anything_about() -> None:
    found = find_knee(lambda rate: Held.UNDECIDED, first=50, ceiling=150)
    assert (found.holds, found.low, found.high) == (None, None, None)
    assert [attempt.rate for attempt in found.attempts] == [50, 100, 150, 50, 50, 100, 100, 150, 150]
    assert found.about.startswith("no run had enough requests to tell")


@given(st.integers(0, 2**32), st.lists(st.integers(0, 20), min_size=4, max_size=4).filter(any), st.integers(1, 5))
def test_the_number_of_attempts_is_bounded_and_the_result_consistent_whatever_the_runs_say(
    seed: int, weights: list[int], repeats: int
) -> None:
    chance = random.Random(seed)
    found = find_knee(lambda rate: chance.choices(list(Held), weights)[0], first=50, ceiling=100_000, repeats=repeats)
    assert len(found.attempts) <= 21 + 12 * repeats
    assert all(50 / 64 <= attempt.rate <= 100_000 for attempt in found.attempts)
    outcomes = {one.rate: [a.outcome for a in found.attempts if a.rate == one.rate] for one in found.attempts}
    failed = [rate for rate, told in outcomes.items() if Held.FAILED in told]
    held = [rate for rate, told in outcomes.items() if Held.HELD in told]
    assert found.low is None or (found.low in held and found.low < min(failed, default=math.inf))
    assert found.high is None or (found.high in failed and found.high > max(held, default=0))
    assert found.holds is None or found.holds in held
    assert found.low is None or (found.holds or 0) >= found.low
    assert found.about


@given(st.floats(1, 50_000), st.floats(0.5, 40_000), st.floats(0.01, 1), st.integers(1, 4))
def test_rates_that_are_bisected_lie_apart(knee: float, first: float, resolution: float, repeats: int) -> None:
    found = find_knee(steady(knee), first=first, ceiling=50_000, resolution=resolution, repeats=repeats)
    rates = sorted({attempt.rate for attempt in found.attempts})
    assert all(high / low > math.sqrt(1 + resolution) * (1 - 1e-9) or high == 50_000 for low, high in pairwise(rates))
    assert (found.low or 0) <= knee
    assert knee < (found.high or math.inf)


@pytest.mark.parametrize(
    ("numbers", "told"),
    [
        ({"first": 0}, "a search from 0 up to 1000 requests/s"),
        ({"first": -5}, "a search from -5 up to 1000 requests/s"),
        ({"first": math.nan}, "a search from nan up to 1000 requests/s"),
        ({"first": 2000}, "a search from 2000 up to 1000 requests/s"),
        ({"first": 5, "ceiling": math.inf}, "a search from 5 up to inf requests/s"),
        ({"first": 5, "resolution": 0}, "a resolution of 0: it must lie between 0.001 and 1"),
        ({"first": 5, "repeats": 0}, "0 repeats: there must be at least one"),
    ],
)
def test_a_search_that_cannot_be_made_is_refused(numbers: dict[str, float], told: str) -> None:
    asked: list[float] = []

    def attempt(rate: float) -> Held:
        asked.append(rate)
        return Held.HELD

    with pytest.raises(LoadTestError, match=told):
        find_knee(attempt, **{"ceiling": 1000, **numbers})  # type: ignore[arg-type]
    assert not asked
