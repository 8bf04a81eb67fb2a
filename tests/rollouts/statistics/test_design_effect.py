# SPDX-License-Identifier: Apache-2.0
"""The design effect, against its definition over the blocks themselves."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from rollouts.statistics.design_effect import FEWEST_BLOCKS, design_effect

Counts = NDArray[np.int64]


def of(bad: Counts, requests: Counts) -> float | None:
    return design_effect(
        int(bad.sum()),
        int(requests.sum()),
        blocks=len(requests),
        part_squares=int((bad**2).sum()),
        products=int((bad * requests).sum()),
        count_squares=int((requests**2).sum()),
    )


@given(
    st.lists(st.integers(1, 60).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))), min_size=5, max_size=40)
)
def test_it_is_the_variance_over_the_blocks_by_that_of_independent_requests(blocks: list[tuple[int, int]]) -> None:
    bad, requests = np.array(blocks).T
    share = bad.sum() / requests.sum()
    if 0 < share < 1:
        variance = ((bad - share * requests) ** 2).sum() * len(bad) / (len(bad) - 1) / requests.sum() ** 2
        plain = max(1, variance / (share * (1 - share) / requests.sum()))
        # Three times its excess at most, for bunches that reach over blocks.
        assert plain - 1e-9 <= (of(bad, requests) or 0) <= 1 + 3 * (plain - 1) + 1e-9
    else:
        assert of(bad, requests) == 1


@pytest.mark.parametrize("length", [1, 2, 3])
def test_a_burst_of_up_to_three_looks_counts_about_as_one_event(length: int) -> None:
    bad, requests = np.zeros(60, np.int64), np.full(60, 50)
    bad[17 : 17 + length] = 50
    effect = of(bad, requests)
    assert effect is not None
    assert length / 3.5 < 50 * length / effect < length / 2.5


def test_independent_requests_keep_their_number() -> None:
    random = np.random.default_rng(3)
    effects = [of(random.binomial(50, 0.1, 100), np.full(100, 50)) for _ in range(200)]
    assert np.mean([effect for effect in effects if effect is not None]) == pytest.approx(1.1, abs=0.08)


def test_all_bad_in_every_block_keeps_their_number() -> None:
    assert of(np.full(FEWEST_BLOCKS, 5), np.full(FEWEST_BLOCKS, 5)) == 1


def test_few_blocks_tell_nothing() -> None:
    assert of(np.full(FEWEST_BLOCKS - 1, 5), np.full(FEWEST_BLOCKS - 1, 50)) is None
