# SPDX-License-Identifier: Apache-2.0
"""What is counted in a window, against what servers truly answered in it, whatever becomes of pods."""

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rollouts.measurements.evidence import Evidence
from rollouts.measurements.snapshot import Snapshot
from rollouts.observation import Pod

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)

#: What one request adds to the counts: whether it failed, its bin of time, its bin of output.
Request = tuple[bool, str, str]
Happening = tuple[Literal["answers", "look", "deaf look", "window", "new", "gone", "restart"], int, list[Request]]

requests = st.lists(
    st.tuples(st.booleans(), st.sampled_from(["0.001", "0.01", "+Inf"]), st.sampled_from(["ham", "spam"])), max_size=4
)


def happenings(*kinds: str) -> st.SearchStrategy[list[Happening]]:
    return st.lists(st.tuples(st.sampled_from(kinds), st.integers(0, 3), requests), max_size=40)


def snapshot(answered: Iterable[Request]) -> Snapshot:
    """Return what a server has counted that answered these requests."""
    told = list(answered)
    outputs = Counter(output for failed, _, output in told if not failed)
    return Snapshot(
        requests=len(told),
        failed=sum(failed for failed, *_ in told),
        rows=sum(not failed for failed, *_ in told),
        seconds=dict(Counter(seconds for _, seconds, _ in told)),
        outputs={"label": dict(outputs)} if outputs else {},
    )


@dataclass
class Server:
    """One run of a server.

    Attributes:
        key: Its key.
        told: The key that the cluster tells: a restart is told at the second look after it.
        began: When it started.
        answered: Its requests, with the time of each.
        heard: When its counts were read.
    """

    key: str
    told: str
    began: int
    answered: list[tuple[int, Request]] = field(default_factory=list)
    heard: list[int] = field(default_factory=list)

    def counts(self, after: int = -1, until: int = 10**9) -> Snapshot:
        return snapshot(request for at, request in self.answered if after < at <= until)


class Simulation:
    """Servers that come, answer and go, and the evidence of looks at them. Time is the number of what has happened."""

    def __init__(self, *, late: bool) -> None:
        self.now = 0
        self.late = late
        self.window = 0
        self.there: dict[str, Server] = {}
        self.runs: list[Server] = []
        self.evidence = Evidence().restarted(self._moment(0))
        self.pod("first", restarts=0)
        self.look(deaf=())

    def _moment(self, at: int) -> datetime:
        return BEGIN + timedelta(seconds=at)

    def pod(self, uid: str, *, restarts: int) -> None:
        key = f"{uid}/{restarts}"
        told = self.there[uid].told if self.late and uid in self.there else key
        self.there[uid] = Server(key, told, self.now)
        self.runs.append(self.there[uid])

    def look(self, deaf: Iterable[str]) -> None:
        pods = [
            Pod(name=uid, key=server.told, ready=True, started=self._moment(server.began))
            for uid, server in self.there.items()
        ]
        heard = {uid: server for uid, server in self.there.items() if uid not in set(deaf)}
        snapshots = {server.told: server.counts() for server in heard.values()}
        stable, canary = [pod for pod in pods if pod.name == "first"], [pod for pod in pods if pod.name != "first"]
        looked = self.evidence.with_look(stable, canary, snapshots)
        assert looked.baselines.keys() <= {pod.key for pod in pods}
        self.evidence = Evidence.of(json.loads(json.dumps(looked.as_document())))
        assert self.evidence == looked
        for server in heard.values():
            server.heard.append(self.now)
        for server in self.there.values():
            server.told = server.key

    def happen(self, what: Happening) -> None:
        self.now += 1
        kind, number, answered = what
        uids = list(self.there)
        uid = uids[number % len(uids)]
        match kind:
            case "answers":
                self.there[uid].answered += [(self.now, request) for request in answered]
            case "look" | "deaf look":
                self.look([uid] if kind == "deaf look" else [])
            case "window":
                self.look([uid] if number else [])
                self.evidence, self.window = self.evidence.restarted(self._moment(self.now)), self.now
            case "new":
                self.pod(f"pod-{self.now}", restarts=0)
            case "gone":
                if len(uids) > 1:
                    del self.there[uid]
            case "restart":
                self.pod(uid, restarts=int(self.there[uid].key.rpartition("/")[2]) + 1)


def no_more(some: Snapshot, all_of_them: Snapshot) -> bool:
    """Return whether no count is above another's."""
    return (
        some.requests <= all_of_them.requests
        and some.failed <= all_of_them.failed
        and some.rows <= all_of_them.rows
        and Counter(some.seconds) <= Counter(all_of_them.seconds)
        and Counter(some.outputs.get("label", {})) <= Counter(all_of_them.outputs.get("label", {}))
    )


def total(parts: Iterable[Snapshot]) -> Snapshot:
    return sum(parts, Snapshot())


def seen(server: Server, window: int) -> Snapshot:
    """Return what could be seen of a server within a window."""
    looks = [at for at in server.heard if at >= window]
    if not looks:
        return Snapshot()
    begin = server.began if server.began >= window else looks[0]
    return server.counts(after=begin, until=looks[-1])


@given(happenings("answers", "answers", "look", "deaf look", "window", "new", "gone"))
def test_all_that_could_be_seen_of_a_window_is_counted_once(story: list[Happening]) -> None:
    simulation = Simulation(late=False)
    for what in story:
        simulation.happen(what)
    window = simulation.window
    stable = [server for server in simulation.runs if server.key == "first/0"]
    assert simulation.evidence.stable.counts == total(seen(server, window) for server in stable)
    canary = [server for server in simulation.runs if server.key != "first/0"]
    assert simulation.evidence.canary.counts == total(seen(server, window) for server in canary)


@pytest.mark.parametrize("late", [False, True], ids=["told at once", "told late"])
@given(story=happenings(*["answers", "look", "restart"] * 3, "deaf look", "window", "new", "gone"))
@settings(max_examples=300)
def test_nothing_is_counted_that_was_not_answered_within_the_window(late: bool, story: list[Happening]) -> None:
    simulation = Simulation(late=late)
    for what in story:
        simulation.happen(what)
    counted = simulation.evidence.stable.counts + simulation.evidence.canary.counts
    assert no_more(counted, total(server.counts(after=simulation.window) for server in simulation.runs))


def pod(key: str, started: float | None = -100.0) -> Pod:
    at = None if started is None else BEGIN + timedelta(seconds=started)
    return Pod(name=key.partition("/")[0], key=key, ready=True, started=at)


def counted(requests: int, failed: int = 0) -> Snapshot:
    return Snapshot(requests=requests, failed=failed, rows=requests - failed, seconds={"0.01": requests})


def windowed(**before: Snapshot) -> Evidence:
    """Return an empty window whose servers were heard at its beginning."""
    pods = [pod(f"{name}/0") for name in before]
    heard = {f"{name}/0": each for name, each in before.items()}
    return Evidence().with_look(pods, [], heard).restarted(BEGIN)


def test_before_the_window_begins_nothing_is_counted() -> None:
    looked = Evidence().with_look([pod("a/0")], [pod("b/0")], {"a/0": counted(5), "b/0": counted(7)})
    assert looked.stable.counts == looked.canary.counts == Snapshot()
    assert looked.baselines == {"a/0": counted(5), "b/0": counted(7)}


def test_a_server_that_restarted_is_counted_from_0() -> None:
    window = windowed(a=counted(100, failed=3))
    looked = window.with_look([pod("a/1", started=3)], [], {"a/1": counted(4, failed=1)})
    assert looked.stable.counts == counted(4, failed=1)
    assert looked.baselines == {"a/1": counted(4, failed=1)}


def test_a_server_that_restarted_under_its_former_key_is_counted_once() -> None:
    window = windowed(a=counted(100))
    early = window.with_look([pod("a/0")], [], {"a/0": counted(4)})
    looked = early.with_look([pod("a/1", started=3)], [], {"a/1": counted(9)})
    assert looked.stable.counts == counted(9)


def test_a_restarted_server_that_does_not_answer_yet_loses_nothing() -> None:
    window = windowed(a=counted(100))
    deaf = window.with_look([pod("a/1", started=3)], [], {})
    looked = deaf.with_look([pod("a/1", started=3)], [], {"a/1": counted(9)})
    assert looked.stable.counts == counted(9)


def test_new_servers_count_from_0_within_the_window_and_old_ones_from_their_first_look() -> None:
    pods = [pod("new/0", started=1), pod("old/0", started=-1), pod("unknown/0", started=None)]
    heard = {each.key: counted(10) for each in pods}
    looked = Evidence().restarted(BEGIN).with_look(pods, [], heard)
    assert looked.stable.counts == counted(10)
    later = looked.with_look(pods, [], {each.key: counted(12) for each in pods})
    assert later.stable.counts == counted(16)


def test_what_a_deaf_server_counted_comes_with_its_next_answer_but_not_into_the_next_window() -> None:
    window = windowed(a=counted(10), b=counted(10))
    pods = [pod("a/0"), pod("b/0")]
    deaf = window.with_look(pods, [], {"a/0": counted(11)})
    assert deaf.stable.counts == counted(1)
    heard = {"a/0": counted(12), "b/0": counted(15)}
    assert deaf.with_look(pods, [], heard).stable.counts == counted(7)
    assert deaf.restarted(BEGIN + timedelta(seconds=9)).with_look(pods, [], heard).stable.counts == counted(1)


def test_all_pods_of_a_version_make_one_block_of_each_look_that_finds_requests() -> None:
    window = windowed(a=counted(0), b=counted(0))
    pods = [pod("a/0"), pod("b/0")]
    first = window.with_look(pods, [], {"a/0": counted(3, failed=1), "b/0": counted(2, failed=1)})
    second = first.with_look(pods, [], {"a/0": counted(3, failed=1), "b/0": counted(2, failed=1)})
    third = second.with_look(pods, [], {"a/0": counted(4, failed=1), "b/0": counted(2, failed=1)})
    assert first.stable.blocks == second.stable.blocks == 1
    assert (third.stable.blocks, third.stable.squares) == (2, 5**2 + 1**2)
    assert (third.stable.failed.squares, third.stable.failed.products) == (2**2, 2 * 5)
    assert third.canary.blocks == 0


def test_what_is_empty_takes_no_room_in_the_status() -> None:
    assert Evidence().as_document() == {}
    assert windowed(a=Snapshot()).as_document() == {"since": BEGIN.isoformat(), "baselines": {"a/0": {}}}
