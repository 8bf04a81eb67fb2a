# SPDX-License-Identifier: Apache-2.0
from typing import cast

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.errors import StepError
from pipelines.evaluation.comparison import compare, serialised_size
from pipelines.evaluation.rules import Decision, decide
from pipelines.use_cases import UseCase
from tests.pipelines.evaluation import coin

MODULE = cast(UseCase, coin)
_skills = st.floats(0.2, 1.5)
_seeds = st.integers(0, 2**32 - 1)


def _decided(challenger: coin.Guesser, champion: coin.Guesser, seed: int = 0, rows: int = 600) -> Decision:
    test = coin.tosses(rows, seed)
    return decide(compare(MODULE, challenger, champion, test, seed=seed, resamples=200), coin.PLAN.equal_within)


@settings(max_examples=10)
@given(_skills, _seeds)
def test_a_model_is_never_promoted_over_itself(skill: float, seed: int) -> None:
    assert _decided(coin.Guesser(skill), coin.Guesser(skill), seed).ground == "same"


@settings(max_examples=10)
@given(_skills, _seeds)
def test_a_much_better_model_is_promoted_and_a_much_worse_one_never(skill: float, seed: int) -> None:
    better, worse = coin.Guesser(skill + 1.0), coin.Guesser(skill)

    assert _decided(better, worse, seed).ground == "better"
    assert _decided(worse, better, seed).ground == "worse"
    assert not _decided(coin.Guesser(skill, ballast=0), coin.Guesser(skill + 1.0, ballast=100_000), seed).promote


def test_the_same_answers_from_a_smaller_model_are_cheaper() -> None:
    decision = _decided(coin.Guesser(), coin.Guesser(ballast=10_000))

    assert (decision.ground, decision.promote) == ("cheaper", True)
    assert _decided(coin.Guesser(ballast=10_000), coin.Guesser()).ground == "same"


def test_pairing_proves_a_small_difference_that_single_intervals_hide() -> None:
    test = coin.tosses(600, seed=0)

    paired = compare(MODULE, coin.Guesser(1.15), coin.Guesser(1.0), test, seed=0)

    assert paired.interval is not None
    low, high = paired.interval
    assert 0 < low < paired.difference < high
    assert high - low < 0.05


def test_models_are_compared_on_the_rows_that_both_have_outcomes_of() -> None:
    test = coin.tosses(400, seed=1)
    whole = compare(MODULE, coin.Guesser(1.2), coin.Guesser(1.0), test, seed=0, resamples=50)

    class Partial:
        PLAN = coin.PLAN
        metrics = staticmethod(coin.metrics)

        @staticmethod
        def outcomes(model: coin.Guesser, rows: pd.DataFrame) -> pd.DataFrame:
            known = rows.iloc[::-2] if model.skill == 1.0 else rows
            return coin.outcomes(model, known)

    part = compare(cast(UseCase, Partial), coin.Guesser(1.2), coin.Guesser(1.0), test, seed=0, resamples=50)

    assert (whole.rows, part.rows) == (400, 200)
    half = compare(MODULE, coin.Guesser(1.2), coin.Guesser(1.0), test.iloc[1::2], seed=0, resamples=50)
    assert (part.challenger, part.champion, part.interval) == (half.challenger, half.champion, half.interval)


def test_the_same_seed_gives_the_same_interval() -> None:
    test = coin.tosses(100, seed=2)
    found = [compare(MODULE, coin.Guesser(1.1), coin.Guesser(), test, seed=seed, resamples=50) for seed in (5, 5, 6)]

    assert found[0].interval == found[1].interval != found[2].interval


def test_a_champion_that_knows_other_columns_is_told() -> None:
    class Foreign:
        PLAN = coin.PLAN
        metrics = staticmethod(coin.metrics)

        @staticmethod
        def outcomes(model: coin.Guesser, rows: pd.DataFrame) -> pd.DataFrame:
            return coin.outcomes(model, rows if model.skill > 1 else rows.drop(columns="noise"))

    with pytest.raises(StepError, match=r"the champion cannot answer the test rows \(.*noise.*\): their columns"):
        compare(cast(UseCase, Foreign), coin.Guesser(2.0), coin.Guesser(0.5), coin.tosses(50, 0), seed=0)


def test_a_model_s_size_is_that_of_its_file() -> None:
    sizes = [serialised_size(coin.Guesser(ballast=ballast)) for ballast in (0, 0, 5_000)]

    assert sizes[0] == sizes[1]
    assert 5_000 <= sizes[2] - sizes[0] < 5_200
    assert np.isfinite(sizes).all()
