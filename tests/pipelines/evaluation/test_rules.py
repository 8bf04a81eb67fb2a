# SPDX-License-Identifier: Apache-2.0
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.evaluation.comparison import Comparison, Cost
from pipelines.evaluation.rules import Decision, decide, decide_first

BASE = Comparison(
    metric="average_precision",
    rows=972,
    challenger=0.97,
    champion=0.95,
    interval=(0.005, 0.035),
    identical=False,
    challenger_cost=Cost(size=1_000, microseconds=5),
    champion_cost=Cost(size=1_000, microseconds=5),
)
SMALLER = Cost(size=900, microseconds=50)


@pytest.mark.parametrize(
    ("comparison", "ground", "promote"),
    [
        pytest.param(BASE, "better", True, id="the interval lies above 0"),
        pytest.param(replace(BASE, interval=(0.0, 0.04)), "not proven", False, id="the interval touches 0"),
        pytest.param(replace(BASE, interval=(-0.04, -0.001)), "worse", False, id="the interval lies below 0"),
        pytest.param(replace(BASE, interval=(-0.009, 0.009)), "equal", False, id="equal and as large"),
        pytest.param(
            replace(BASE, interval=(-0.01, 0.01), challenger_cost=SMALLER), "cheaper", True, id="equal and smaller"
        ),
        pytest.param(
            replace(BASE, interval=(-0.01, 0.01), challenger_cost=Cost(901, 1)),
            "equal",
            False,
            id="equal, faster, and hardly smaller",
        ),
        pytest.param(
            replace(BASE, interval=(-0.02, 0.01), challenger_cost=SMALLER), "not proven", False, id="smaller, not equal"
        ),
        pytest.param(replace(BASE, interval=(0.0, 0.0), identical=True), "same", False, id="the champion itself"),
        pytest.param(replace(BASE, interval=None), "not proven", False, id="no interval"),
    ],
)
def test_a_challenger_is_promoted_when_better_or_equal_and_cheaper(
    comparison: Comparison, ground: str, promote: bool
) -> None:
    decision = decide(comparison, equal_within=0.01)

    assert (decision.ground, decision.promote) == (ground, promote)
    assert decision.sentence.startswith("promoted: " if promote else "kept: ")
    assert "average_precision 0.9700 against 0.9500 on 972 rows" in decision.sentence


_sizes = st.integers(1, 10**9)
_ends = st.tuples(st.floats(-1, 1), st.floats(-1, 1)).map(lambda ends: (min(ends), max(ends)))


@given(_ends, _sizes, _sizes, st.floats(0.001, 0.1))
def test_nothing_is_promoted_that_may_be_worse_by_more_than_the_margin(
    interval: tuple[float, float], ours: int, theirs: int, margin: float
) -> None:
    comparison = replace(BASE, interval=interval, challenger_cost=Cost(ours, 1), champion_cost=Cost(theirs, 1))

    decision = decide(comparison, margin)

    assert decision.promote <= (interval[0] > 0 or (interval[0] >= -margin and ours < theirs))
    assert decision.promote >= (interval[0] > 0)


def test_a_better_challenger_s_sentence_has_the_numbers() -> None:
    assert decide(BASE, 0.01).sentence == (
        "promoted: the challenger is better: average_precision 0.9700 against 0.9500 on 972 rows, "
        "difference +0.0200 (95 % interval +0.0050 to +0.0350)"
    )


def test_a_first_model_needs_its_floors() -> None:
    floors = {"recall": 0.8, "precision": 0.9}

    assert decide_first({"recall": 0.8, "precision": 0.95}, floors) == Decision(
        True, "first", "promoted: the first model reaches its floors (recall 0.8 >= 0.8, precision 0.95 >= 0.9)"
    )
    assert decide_first({"recall": 0.79, "precision": 0.95}, floors) == Decision(
        False, "below floor", "not promoted: the first model misses its floor: recall is 0.79 and must be 0.8"
    )
    assert decide_first({"recall": 0.9}, floors) == Decision(
        False, "below floor", "not promoted: the first model misses its floor: precision has no value"
    )
    assert decide_first({"recall": float("nan"), "precision": 1.0}, floors).promote is False
