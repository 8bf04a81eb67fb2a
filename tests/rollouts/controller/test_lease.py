# SPDX-License-Identifier: Apache-2.0
"""The Lease on an API server that refuses what was changed in between."""

import threading
import time
from collections.abc import Iterator

import pytest

from cluster.api import Cluster
from rollouts.controller.lease import Lease
from tests.cluster.kubernetes_server import Kubernetes, Object
from tests.rollouts.controller.api_server import LEASE

SECONDS = 1.5


@pytest.fixture(autouse=True)
def manifest(state: Kubernetes) -> None:
    """The Lease as its manifest has it."""
    state.put({"apiVersion": LEASE[0], "kind": LEASE[1], "metadata": {"name": "rollouts", "namespace": "system"}})


@pytest.fixture
def ending() -> Iterator[threading.Event]:
    event = threading.Event()
    yield event
    event.set()


def lease(cluster: Cluster, identity: str) -> Lease:
    return Lease(cluster, "rollouts", "system", identity, duration=SECONDS)


def spec(state: Kubernetes) -> Object:
    found: Object = state.get(*LEASE, "rollouts", "system").get("spec", {})
    return found


def test_a_lease_that_nobody_holds_is_taken_at_once(
    state: Kubernetes, cluster: Cluster, ending: threading.Event
) -> None:
    own = lease(cluster, "a")
    assert own.acquire(ending)
    assert own.held
    assert spec(state) == {
        "holderIdentity": "a",
        "leaseDurationSeconds": 2,
        "leaseTransitions": 1,
        "acquireTime": spec(state)["renewTime"],
        "renewTime": spec(state)["renewTime"],
    }


def test_of_many_only_one_gets_it(cluster: Cluster, ending: threading.Event) -> None:
    leases = [lease(cluster, str(number)) for number in range(8)]
    together = threading.Barrier(len(leases))

    def attempt(each: Lease) -> None:
        together.wait()
        each.acquire(ending)

    threads = [threading.Thread(target=attempt, args=[each]) for each in leases]
    for thread in threads:
        thread.start()
    time.sleep(SECONDS / 3)
    assert sum(each.held for each in leases) == 1
    ending.set()
    for thread in threads:
        thread.join()


def test_a_holder_that_renews_keeps_it(cluster: Cluster, ending: threading.Event) -> None:
    first, lost = lease(cluster, "a"), list[str]()
    assert first.acquire(ending)
    first.keep(ending, lost.append)
    gives_up = threading.Event()
    threading.Timer(2 * SECONDS, gives_up.set).start()
    assert not lease(cluster, "b").acquire(gives_up)
    assert first.held
    assert lost == []


def test_a_holder_that_died_is_followed_after_the_leases_time_and_never_before_it_had_to_stop(
    state: Kubernetes, cluster: Cluster, ending: threading.Event
) -> None:
    first, second = lease(cluster, "a"), lease(cluster, "b")
    assert first.acquire(ending)
    begin = time.monotonic()
    assert second.acquire(ending)
    # The Lease tells whole seconds.
    assert 2.0 <= time.monotonic() - begin < 3.5
    assert not first.held
    assert second.held
    assert (spec(state)["holderIdentity"], spec(state)["leaseTransitions"]) == ("b", 2)


def test_a_holder_that_cannot_renew_is_told_to_stop_before_another_can_begin(
    state: Kubernetes, cluster: Cluster, ending: threading.Event
) -> None:
    own, told = lease(cluster, "a"), threading.Event()
    assert own.acquire(ending)
    begin = time.monotonic()
    state.refusals["Lease"] = ["no"] * 100
    own.keep(ending, lambda _: told.set())
    assert told.wait(SECONDS)
    assert time.monotonic() - begin < SECONDS
    assert not own.held


def test_a_holder_that_finds_another_in_its_place_is_told_to_stop(
    state: Kubernetes, cluster: Cluster, ending: threading.Event
) -> None:
    own, why = lease(cluster, "a"), list[str]()
    assert own.acquire(ending)
    own.keep(ending, why.append)
    found = state.get(*LEASE, "rollouts", "system")
    state.put({**found, "spec": {**found["spec"], "holderIdentity": "b", "renewTime": "2026-01-01T00:00:00.0Z"}})
    deadline = time.monotonic() + SECONDS
    while not why and time.monotonic() < deadline:
        time.sleep(0.02)
    assert why[0] == "b has taken the Lease"


def test_what_is_given_back_is_another_ones_at_once(cluster: Cluster, ending: threading.Event) -> None:
    first = lease(cluster, "a")
    assert first.acquire(ending)
    first.release()
    assert not first.held
    begin = time.monotonic()
    assert lease(cluster, "b").acquire(ending)
    assert time.monotonic() - begin < 1


def test_who_is_to_end_waits_no_longer(cluster: Cluster, ending: threading.Event) -> None:
    assert lease(cluster, "a").acquire(ending)
    ending.set()
    assert not lease(cluster, "b").acquire(ending)


def test_a_lease_that_is_not_there_is_told_once(
    state: Kubernetes, cluster: Cluster, caplog: pytest.LogCaptureFixture
) -> None:
    state.objects.clear()
    gives_up = threading.Event()
    threading.Timer(SECONDS / 3, gives_up.set).start()
    with caplog.at_level("INFO"):
        assert not lease(cluster, "a").acquire(gives_up)
    assert [record.getMessage() for record in caplog.records] == [
        "the Lease cannot be had: there is no Lease system/rollouts; apply manifests/controllers/rollouts"
    ]
