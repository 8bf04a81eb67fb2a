# SPDX-License-Identifier: Apache-2.0
"""Measurements: however requests are shared among processes and messages, the sum is the same."""

import json
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtests.errors import LoadTestError
from loadtests.measurements import Answered, Measurements, Message

answers = st.builds(
    Answered,
    second=st.integers(0, 3),
    name=st.sampled_from(["rest json, 1 row", "grpc, 32 rows"]),
    code=st.sampled_from(["200", "503", "timeout"]),
    ok=st.booleans(),
    version=st.sampled_from(["", "7", "8"]),
    lag_us=st.integers(0, 100_000),
    service_us=st.integers(1, 20_000_000),
    latency_us=st.integers(1, 20_000_000),
)
drops = st.integers(0, 3)
events = st.lists(answers | drops, max_size=60)


def count(measurements: Measurements, event: Answered | int) -> None:
    if isinstance(event, Answered):
        measurements.add(event)
    else:
        measurements.drop(event)


def counted(some: list[Answered | int]) -> Measurements:
    measurements = Measurements()
    for one in some:
        count(measurements, one)
    return measurements


def answered(
    second: int = 0, *, name: str = "rest", code: str = "200", ok: bool = True, version: str = "7"
) -> Answered:
    return Answered(second, name, code, ok, version, lag_us=50, service_us=1_000, latency_us=1_050)


def through_json(message: Message) -> Message:
    """Return a message as it comes out of a file."""
    told: Message = json.loads(json.dumps(message))
    return told


@given(some=events, workers=st.integers(1, 4), data=st.data())
def test_requests_shared_among_workers_and_messages_add_up_to_the_same(
    some: list[Answered | int], workers: int, data: st.DataObject
) -> None:
    processes = [Measurements() for _ in range(workers)]
    messages: list[Message] = []
    for one in some:
        process = processes[data.draw(st.integers(0, workers - 1))]
        count(process, one)
        what = data.draw(st.sampled_from(["nothing", "take", "take a cell"]))
        if what == "take":
            messages.append(process.take())
        elif what == "take a cell" and (cell := process.take_cell(before=data.draw(st.integers(0, 4)))) is not None:
            messages.append(cell)
    messages += [process.take() for process in processes]
    together = Measurements()
    for message in data.draw(st.permutations(messages)):
        together.merge(message)
    assert together.to_json() == counted(some).to_json()


@given(events)
def test_what_was_taken_counts_no_more(some: list[Answered | int]) -> None:
    measurements = counted(some)
    measurements.take()
    assert measurements.to_json() == Measurements().to_json()
    assert measurements.total.requests == 0


@given(events, events)
def test_reading_in_between_changes_nothing(some: list[Answered | int], more: list[Answered | int]) -> None:
    measurements = counted(some)
    assert measurements.total.requests == sum(isinstance(one, Answered) for one in some)
    for one in more:
        count(measurements, one)
    assert measurements.to_json() == counted(some + more).to_json()
    assert measurements.total.requests == sum(isinstance(one, Answered) for one in some + more)


@given(events)
def test_what_was_written_is_read(some: list[Answered | int]) -> None:
    written = counted(some).to_json()
    assert Measurements.from_json(through_json(written)).to_json() == written


@given(events)
def test_tallies_count_every_request_once(some: list[Answered | int]) -> None:
    measurements = counted(some)
    sent = [one for one in some if isinstance(one, Answered)]
    for of, name in [
        (lambda key: key.name, "name"),
        (lambda key: key.code, "code"),
        (lambda key: key.second, "second"),
    ]:
        tallies = measurements.tallies(of)
        assert {told: one.requests for told, one in tallies.items()} == Counter(getattr(one, name) for one in sent)
        assert sum(one.failed for one in tallies.values()) == sum(not one.ok for one in sent)
        assert sum(one.latency.count for one in tallies.values()) == sum(one.ok for one in sent)
        assert sum(one.service.count for one in tallies.values()) == len(sent)


@given(events)
def test_the_percentiles_of_a_tally_are_those_of_its_requests(some: list[Answered | int]) -> None:
    sent = [one for one in some if isinstance(one, Answered)]
    for told, tally in counted(some).tallies(lambda key: key.version).items():
        right = sorted(one.latency_us for one in sent if one.version == told and one.ok)
        spent = sorted(one.service_us for one in sent if one.version == told)
        for values, found in ((right, tally.latency), (spent, tally.service)):
            for rank, value in enumerate(values, 1):
                assert value <= found.value_at_rank(rank) <= value * 1.001


def test_seconds_come_in_order_with_what_failed_in_them() -> None:
    measurements = counted([answered(5), answered(2, ok=False, code="503"), answered(2), answered(5)])
    assert [(one.second, one.requests, one.failed, one.latency.count) for one in measurements.seconds()] == [
        (2, 2, 1, 1),
        (5, 2, 0, 2),
    ]


def test_the_latest_request_of_each_second_is_kept() -> None:
    measurements = Measurements()
    for second, lag in ((0, 0), (1, 700), (1, 30), (1, 800)):
        measurements.add(Answered(second, "rest", "200", True, "7", lag, 1_000, 1_000 + lag))
    assert measurements.latest == {0: 0, 1: 800}
    assert measurements.lag.count == 4


def test_cells_of_seconds_that_may_go_on_are_not_taken() -> None:
    measurements = counted([answered(3), answered(4)])
    cell = measurements.take_cell(before=4)
    assert cell is not None
    assert [key[0] for key in cell["cells"]] == [3]
    assert measurements.take_cell(before=4) is None
    assert measurements.total.requests == 1


def test_nothing_measured_is_no_error() -> None:
    measurements = Measurements()
    total = measurements.total
    assert (total.requests, total.failed, total.latency.count, measurements.seconds()) == (0, 0, 0, [])


@pytest.mark.parametrize(
    "damage",
    [
        {"cells": None},
        {"cells": [[1, "rest"]]},
        {"cells": [[0, "rest", "200", True, "7", "no histogram", "no histogram"]]},
        {"cells": [["0", "rest", "200", True, "7", None, None]]},
        {"lag": "no histogram"},
        {"lag": 5},
        {"latest": {"first": 5}},
        {"latest": []},
        {"dropped": {"0": None}},
    ],
    ids=str,
)
def test_what_is_no_measurements_is_refused(damage: dict[str, object]) -> None:
    message = {**counted([answered(), 0]).to_json(), **damage}
    with pytest.raises(LoadTestError, match="not measurements of a load test"):
        Measurements.from_json(message)  # type: ignore[arg-type]


@pytest.mark.parametrize("missing", ["cells", "lag", "latest", "dropped"])
def test_measurements_with_a_part_missing_are_refused(missing: str) -> None:
    message = dict(counted([answered()]).to_json())
    del message[missing]
    with pytest.raises(LoadTestError, match=missing):
        Measurements.from_json(message)  # type: ignore[arg-type]
