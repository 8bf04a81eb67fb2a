# SPDX-License-Identifier: Apache-2.0
import json

from hypothesis import given
from hypothesis import strategies as st

from rollouts.measurements.snapshot import Snapshot
from rollouts.measurements.sums import Bunching, Sums

BOUNDS = ("0.001", "0.00125", "0.0016", "0.002", "1", "+Inf")

bins = st.dictionaries(st.sampled_from(BOUNDS), st.integers(1, 50))
blocks = st.lists(st.tuples(bins, st.integers(0, 5)), max_size=8)


def block(seconds: dict[str, int], failed: int) -> Snapshot:
    requests = sum(seconds.values())
    return Snapshot(requests=requests, failed=min(failed, requests), seconds=seconds)


@given(blocks)
def test_bunches_are_those_of_the_blocks_at_every_bound_whenever_it_was_first_seen(
    found: list[tuple[dict[str, int], int]],
) -> None:
    made = [block(*each) for each in found]
    sums = Sums()
    for each in made:
        sums = sums.with_block(each)
    assert sums.blocks == sum(each.requests > 0 for each in made)
    assert sums.squares == sum(each.requests**2 for each in made)
    assert sums.failed == Bunching(
        sum(each.failed**2 for each in made), sum(each.failed * each.requests for each in made)
    )
    for bound in ("0.0001", *BOUNDS):
        slower = [each.slower_than(float(bound)) for each in made]
        assert sums.slower_than(float(bound)) == Bunching(
            sum(bad**2 for bad in slower), sum(bad * each.requests for bad, each in zip(slower, made, strict=True))
        )
    assert sums.slower.keys() == {bound for seconds, _ in found for bound in seconds} - {"+Inf"}
    assert Sums.of(json.loads(json.dumps(sums.as_document()))) == sums


def test_slower_are_those_above_a_bound() -> None:
    found = Snapshot(requests=6, seconds={"0.001": 1, "0.002": 2, "+Inf": 3})
    assert [found.slower_than(bound) for bound in (0.0, 0.001, 0.0015, 0.002, 10.0)] == [6, 5, 5, 3, 3]


@given(st.lists(bins, max_size=5))
def test_snapshots_add_up_and_differ_by_what_was_added(found: list[dict[str, int]]) -> None:
    total = Snapshot()
    for seconds in found:
        new = Snapshot(requests=sum(seconds.values()), seconds=seconds, outputs={"label": seconds} if seconds else {})
        assert (total + new).since(total) == new
        total += new
    assert total.since(Snapshot()) == total
    assert Snapshot.of(json.loads(json.dumps(total.as_document()))) == total
