# SPDX-License-Identifier: Apache-2.0
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import pairwise

import pytest

from rollouts.controller.schedule import Key, Schedule

A, B = Key("models", "a"), Key("models", "b")

Begin = Callable[..., Schedule]


@pytest.fixture
def begin() -> Iterator[Begin]:
    begun: list[Schedule] = []

    def schedule(tick: Callable[[Key], float | None], threads: int = 2) -> Schedule:
        begun.append(Schedule(tick, threads))
        begun[-1].start()
        return begun[-1]

    yield schedule
    for each in begun:
        assert each.stop(5)


def wait_for(there: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 5
    while not there():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_a_rollout_is_looked_at_again_and_again_until_nothing_is_left(begin: Begin) -> None:
    looks: list[float] = []

    def tick(_: Key) -> float | None:
        looks.append(time.monotonic())
        return 0.1 if len(looks) < 4 else None

    schedule = begin(tick)
    schedule.add(A)
    wait_for(lambda: schedule.size == 0)
    time.sleep(0.15)
    gaps = [later - earlier for earlier, later in pairwise(looks)]
    assert len(gaps) == 3
    assert all(0.09 < gap < 0.2 for gap in gaps)


def test_a_slow_one_holds_up_no_other_and_is_never_looked_at_twice_at_once(begin: Begin) -> None:
    at_work, most, looks = Counter[Key](), Counter[Key](), Counter[Key]()
    lock = threading.Lock()

    def tick(key: Key) -> float:
        with lock:
            at_work[key] += 1
            looks[key] += 1
            most[key] = max(most[key], at_work[key])
        time.sleep(0.5 if key == A else 0)
        with lock:
            at_work[key] -= 1
        return 0.02

    schedule = begin(tick, threads=2)
    for key in (A, B):
        schedule.add(key)
        schedule.add(key)
    time.sleep(0.6)
    assert looks[A] <= 2
    assert looks[B] >= 10
    assert set(most.values()) == {1}


def test_a_fault_in_one_leaves_the_others_their_turn(begin: Begin, caplog: pytest.LogCaptureFixture) -> None:
    looks = Counter[Key]()

    def tick(key: Key) -> float:
        looks[key] += 1
        if key == A:
            raise ZeroDivisionError
        return 0.01

    schedule = begin(tick, threads=1)
    schedule.add(A)
    schedule.add(B)
    wait_for(lambda: looks[B] > 3)
    assert looks[A] == 1
    assert schedule.size == 2
    assert "models/a: the tick met a fault" in caplog.text


def test_what_is_dropped_is_not_looked_at_again(begin: Begin) -> None:
    looks = Counter[Key]()

    def tick(key: Key) -> float:
        looks[key] += 1
        return 0.02

    schedule = begin(tick)
    schedule.add(A)
    wait_for(lambda: looks[A] > 1)
    schedule.drop(A)
    time.sleep(0.03)
    before = looks[A]
    time.sleep(0.1)
    assert looks[A] == before


def test_one_that_comes_anew_while_its_forerunner_is_found_gone_is_not_missed(begin: Begin) -> None:
    looks = 0
    looking, go_on = threading.Event(), threading.Event()

    def tick(_: Key) -> float | None:
        nonlocal looks
        looks += 1
        looking.set()
        go_on.wait(5)
        return None

    schedule = begin(tick)
    schedule.add(A)
    assert looking.wait(5)
    schedule.drop(A)
    schedule.add(A)
    go_on.set()
    wait_for(lambda: looks == 2)
    wait_for(lambda: schedule.size == 0)


def test_it_tells_how_long_a_look_hangs_and_how_long_others_wait_for_a_thread(begin: Begin) -> None:
    go_on = threading.Event()

    def tick(_: Key) -> None:
        go_on.wait(5)

    schedule = begin(tick, threads=1)
    schedule.add(A)
    schedule.add(B)
    time.sleep(0.2)
    assert 0.15 < schedule.longest < 1
    assert 0.15 < schedule.late < 1
    go_on.set()
    wait_for(lambda: schedule.size == 0)
    assert (schedule.longest, schedule.late) == (0, 0)


def test_at_the_end_looks_under_way_are_waited_for_and_none_begins(begin: Begin) -> None:
    done: list[Key] = []

    def tick(key: Key) -> float:
        time.sleep(0.2)
        done.append(key)
        return 0

    schedule = begin(tick, threads=1)
    schedule.add(A)
    schedule.add(B)
    time.sleep(0.1)
    assert schedule.stop(2)
    assert done == [A]


def test_a_look_that_hangs_at_the_end_is_told() -> None:
    go_on = threading.Event()

    def tick(_: Key) -> None:
        go_on.wait(5)

    schedule = Schedule(tick, 1)
    schedule.start()
    schedule.add(A)
    time.sleep(0.1)
    assert not schedule.stop(0.1)
    go_on.set()


def test_two_hundred_rollouts_are_all_looked_at_every_time(begin: Begin) -> None:
    looks = Counter[Key]()
    lock = threading.Lock()

    def tick(key: Key) -> float:
        with lock:
            looks[key] += 1
        return 0.2

    schedule = begin(tick, threads=4)
    for number in range(200):
        schedule.add(Key("models", f"r{number}"))
    time.sleep(1.1)
    assert len(looks) == 200
    assert min(looks.values()) >= 4
