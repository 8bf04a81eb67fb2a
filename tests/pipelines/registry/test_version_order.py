# SPDX-License-Identifier: Apache-2.0
"""The order of versions, and the next one."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.registry import next_version, sorted_versions
from predictors.artifact import NAME_PATTERN

NUMBERS = st.lists(st.integers(0, 300), min_size=3, max_size=3)


def release(numbers: list[int]) -> str:
    return ".".join(map(str, numbers))


ANY = st.from_regex(NAME_PATTERN, fullmatch=True) | NUMBERS.map(release)


@given(st.lists(NUMBERS))
def test_releases_come_in_the_order_of_their_numbers(releases: list[list[int]]) -> None:
    assert sorted_versions(map(release, releases)) == list(map(release, sorted(releases)))


@given(st.lists(ANY), st.randoms(use_true_random=False))
def test_the_order_is_the_same_however_versions_are_listed(versions: list[str], random: Random) -> None:
    assert sorted_versions(random.sample(versions, len(versions))) == sorted_versions(versions)


@given(st.lists(ANY))
def test_the_next_version_is_new_and_the_highest(versions: list[str]) -> None:
    following = next_version(versions)
    assert following not in versions
    assert sorted_versions([*versions, following])[-1] == following


@pytest.mark.parametrize(
    ("versions", "following"),
    [
        ([], "1.0.0"),
        (["nightly", "2024-01-01"], "1.0.0"),
        (["1.0.0"], "1.1.0"),
        (["1.9.0", "1.10.3", "1.2.0"], "1.11.0"),
        (["2.0.0rc1", "1.4.0"], "2.1.0"),
        (["v3"], "3.1.0"),
    ],
)
def test_the_next_version_is_the_next_minor_one(versions: list[str], following: str) -> None:
    assert next_version(versions) == following


def test_a_candidate_comes_before_its_release() -> None:
    assert sorted_versions(["1.0.0", "latest", "1.0.0-rc1", "0.9"]) == ["latest", "0.9", "1.0.0-rc1", "1.0.0"]
