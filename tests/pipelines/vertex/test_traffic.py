# SPDX-License-Identifier: Apache-2.0
"""Splits of the traffic, and the names that Google Cloud takes."""

import re
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.vertex.names import endpoint_id, job_id, label_value, model_id, version_alias
from pipelines.vertex.traffic import split_with
from tests.pipelines.vertex.rules import ALIAS


@pytest.mark.parametrize(
    ("percent", "former", "split"),
    [
        (10, {}, {"0": 100}),
        (10, {"a": 100}, {"0": 10, "a": 90}),
        (100, {"a": 60, "b": 40}, {"0": 100}),
        (50, {"a": 67, "b": 33}, {"0": 50, "a": 34, "b": 16}),
        (1, {"a": 50, "b": 50}, {"0": 1, "a": 50, "b": 49}),
        (99, {"a": 50, "b": 30, "c": 20}, {"0": 99, "a": 1}),
        (5, {"a": 100, "b": 0}, {"0": 5, "a": 95}),
    ],
)
def test_the_others_share_the_rest_as_before(percent: int, former: dict[str, int], split: dict[str, int]) -> None:
    assert split_with(percent, former) == split


@given(st.integers(1, 100), st.lists(st.integers(0, 99), max_size=5))
def test_a_split_always_makes_a_hundred(percent: int, cuts: list[int]) -> None:
    edges = [0, *sorted(cuts), 100]
    former = {f"d{place}": high - low for place, (low, high) in enumerate(pairwise(edges))}
    split = split_with(percent, former)
    assert sum(split.values()) == 100
    assert split["0"] == percent
    assert all(abs(split.get(name, 0) - share * (100 - percent) / 100) < 1 for name, share in former.items())


@given(st.from_regex(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?", fullmatch=True))
def test_every_name_and_version_of_ours_becomes_a_name_of_googles(name: str) -> None:
    assert re.fullmatch(r"[a-z][-a-z0-9]{0,127}", job_id(name))
    assert re.fullmatch(r"[a-z_][a-z0-9_-]{0,62}", model_id(name))
    assert re.fullmatch(r"[a-z]([a-z0-9-]{0,61}[a-z0-9])?", endpoint_id(name))
    assert ALIAS.fullmatch(version_alias(name))
    assert re.fullmatch(r"[a-z0-9_-]{0,63}", label_value(name))
