# SPDX-License-Identifier: Apache-2.0
"""Histograms against sorted lists of the same durations."""

import base64
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtests.histogram import LONGEST, Bins, Counted, Histogram

durations = st.integers(min_value=1, max_value=LONGEST)
many = st.lists(durations, min_size=1, max_size=200)


def counted(values: list[int]) -> Histogram:
    histogram = Histogram()
    for value in values:
        histogram.add(value)
    return histogram


def within(found: int, value: int) -> bool:
    return value <= found <= value * 1.001


@given(durations)
def test_a_duration_is_told_at_most_a_thousandth_too_long(value: int) -> None:
    assert within(counted([value]).value_at_rank(1), value)


@given(many, st.data())
def test_the_value_at_a_rank_is_that_of_the_sorted_list(values: list[int], data: st.DataObject) -> None:
    rank = data.draw(st.integers(1, len(values)))
    assert within(counted(values).value_at_rank(rank), sorted(values)[rank - 1])


@given(many, st.floats(0, 1, exclude_min=True))
def test_a_percentile_is_the_shortest_duration_that_the_share_reaches(values: list[int], share: float) -> None:
    rank = max(math.ceil(share * len(values)), 1)
    assert within(counted(values).percentile(share), sorted(values)[rank - 1])


@pytest.mark.parametrize("rank", [-1, 0, 4])
def test_a_rank_that_is_not_there_is_refused(rank: int) -> None:
    with pytest.raises(ValueError, match=f"no rank {rank} among 3 durations"):
        counted([1, 2, 3]).value_at_rank(rank)


def test_an_empty_histogram_has_no_percentile() -> None:
    with pytest.raises(ValueError, match="no rank 1 among 0 durations"):
        Histogram().percentile(0.5)


@given(many, durations)
def test_what_is_longer_is_counted_but_for_a_thousandth_around_it(values: list[int], limit: int) -> None:
    surely = sum(value > limit * 1.001 for value in values)
    possibly = sum(value >= limit * 0.999 for value in values)
    assert surely <= counted(values).count_above(limit) <= possibly


@given(many)
def test_bins_are_in_order_and_hold_every_duration(values: list[int]) -> None:
    bins = list(counted(values).bins())
    assert [longest for longest, _ in bins] == sorted({longest for longest, _ in bins})
    assert sum(count for _, count in bins) == len(values) == counted(values).count


@given(st.lists(durations, max_size=200), st.lists(durations, max_size=200))
def test_merging_is_counting_all_together(one: list[int], other: list[int]) -> None:
    merged = counted(one)
    merged.merge(counted(other))
    together = counted(one + other)
    assert merged.encode() == together.encode()
    assert list(merged.bins()) == list(together.bins())
    assert merged.count == together.count


def test_merging_leaves_the_other_as_it_was() -> None:
    one, other = counted([5]), counted([7, 9])
    before = other.encode()
    one.merge(other)
    one.add(11)
    assert other.encode() == before


@pytest.mark.parametrize("read", [Histogram.decode, Bins.decode], ids=["histogram", "bins"])
@given(values=st.lists(durations, max_size=200))
def test_what_was_encoded_is_decoded(read: "type[Counted]", values: list[int]) -> None:
    found = read(counted(values).encode())  # type: ignore[call-arg]
    assert list(found.bins()) == list(counted(values).bins())
    assert found.count == len(values)


@given(values=many, more=many)
def test_a_decoded_histogram_counts_on(values: list[int], more: list[int]) -> None:
    decoded = Histogram.decode(counted(values).encode())
    for value in more:
        decoded.add(value)
    assert decoded.encode() == counted(values + more).encode()


@pytest.mark.parametrize(("outside", "nearest"), [(-5, 1), (0, 1), (LONGEST + 1, LONGEST), (10**15, LONGEST)], ids=str)
def test_what_lies_outside_counts_as_the_nearest(outside: int, nearest: int) -> None:
    assert counted([outside]).encode() == counted([nearest]).encode()


@given(st.text() | st.binary(max_size=200).map(lambda raw: base64.b64encode(raw).decode("ascii")))
def test_what_is_no_histogram_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="an encoded histogram"):
        Histogram.decode(text)


@given(st.data())
def test_a_damaged_histogram_is_refused_or_another_one(data: st.DataObject) -> None:
    raw = bytearray(base64.b64decode(counted([5, 700, 90_000]).encode()))
    raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    try:
        found = Histogram.decode(base64.b64encode(bytes(raw)).decode("ascii"))
    except ValueError:
        return
    assert isinstance(found, Histogram)


def test_a_histogram_of_other_bins_is_refused() -> None:
    from hdrh.histogram import HdrHistogram

    coarse = HdrHistogram(1, LONGEST, 2)
    coarse.record_value(1_000)
    with pytest.raises(ValueError, match="other bins"):
        Histogram.decode(coarse.encode().decode("ascii"))
