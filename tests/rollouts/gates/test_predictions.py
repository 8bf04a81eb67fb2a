# SPDX-License-Identifier: Apache-2.0
"""The gate on predictions."""

from itertools import pairwise

import numpy as np
import pytest

from rollouts.gates.predictions import judge_predictions
from rollouts.gates.result import GateResult, Outcome
from rollouts.measurements.snapshot import Snapshot
from tests.rollouts.gates.counted import evidence, look


def labels(requests: int, spam: int, name: str = "label") -> Snapshot:
    return look(requests, outputs={name: {"ham": requests - spam, "spam": spam}})


def judged(canary: list[Snapshot], stable: list[Snapshot]) -> GateResult:
    (result,) = judge_predictions(evidence(canary, stable), 0.1, 0.001)
    return result


def test_a_shift_of_labels_is_proven() -> None:
    result = judged([labels(5, 3)] * 30, [labels(95, 15)] * 30)
    assert result.gate == "predictions"
    assert result.outcome is Outcome.VIOLATED
    assert result.text == (
        "predictions of label: 0.441 apart over 150 values, stable 2,850, most of all spam with 60 %, stable 15.8 %; "
        "at most 0.1"
    )


def test_labels_that_come_as_often_are_kept_within_the_limit() -> None:
    assert judged([labels(20, 3)] * 10, [labels(80, 12)] * 10).outcome is Outcome.WITHIN
    assert judged([labels(20, 3)] * 100, [labels(80, 12)] * 100).outcome is Outcome.HOLDS


def test_few_looks_prove_nothing() -> None:
    assert judged([labels(50, 50)] * 4, [labels(95, 5)] * 4).outcome is Outcome.BEYOND
    assert judged([labels(50, 50)] * 5, [labels(95, 5)] * 5).outcome is Outcome.VIOLATED


def test_rows_of_one_request_count_as_one() -> None:
    rows = look(2, rows=200, outputs={"label": {"ham": 80, "spam": 120}})
    assert judged([rows] * 6, [labels(95, 15)] * 30).outcome is Outcome.BEYOND
    assert judged([rows] * 90, [labels(95, 15)] * 30).outcome is Outcome.VIOLATED


def test_each_output_is_judged_by_its_name() -> None:
    both = look(5, outputs={"label": {"spam": 5}, "probability": {"[0.9, +inf)": 5}})
    stable = look(95, outputs={"label": {"spam": 95}, "probability": {"[-inf, 0.1)": 95}})
    results = judge_predictions(evidence([both] * 30, [stable] * 30), 0.1, 0.001)
    outcomes = {result.gate: result.outcome for result in results}
    assert outcomes == {"predictions:label": Outcome.HOLDS, "predictions:probability": Outcome.VIOLATED}


def test_a_label_that_was_never_given_before_is_a_shift() -> None:
    new = look(5, outputs={"label": {"ham": 2, "fraud": 3}})
    assert judged([new] * 30, [labels(95, 0)] * 30).outcome is Outcome.VIOLATED


def test_an_output_that_one_version_lacks_is_waited_on() -> None:
    results = judge_predictions(evidence([look(5)] * 30, [labels(95, 5)] * 30), 0.1, 0.001)
    assert [result.outcome for result in results] == [Outcome.BEYOND]
    assert results[0].text == "predictions of label: the canary has counted none"


def test_a_model_whose_outputs_are_not_counted_is_told() -> None:
    (result,) = judge_predictions(evidence([look(5)] * 30, [look(95)] * 30), 0.1, 0.001)
    assert result.outcome is Outcome.BEYOND
    assert "no outputs are counted" in result.text


def numbers(values: np.ndarray, edges: np.ndarray) -> Snapshot:
    bounds = ["-inf", *map(repr, edges.tolist()), "+inf"]
    found = np.histogram(values, [-np.inf, *edges, np.inf])[0].tolist()
    bins = {f"[{low}, {high})": n for (low, high), n in zip(pairwise(bounds), found, strict=True) if n}
    return look(len(values), outputs={"score": bins})


@pytest.mark.parametrize(
    ("moved", "outcome"), [(0.0, Outcome.WITHIN), (1.5, Outcome.VIOLATED)], ids=["equal", "moved by 1.5 deviations"]
)
def test_numbers_counted_between_other_edges_are_compared(moved: float, outcome: Outcome) -> None:
    """As the deciles of a retrained version's own outputs: bin by bin, equal versions would be wholly apart."""
    random = np.random.default_rng(6)
    tenths = np.arange(1, 10) / 10
    edges = [np.quantile(random.normal(mean, size=2000), tenths) for mean in (moved, 0)]
    canary = [numbers(random.normal(moved, size=10), edges[0]) for _ in range(40)]
    stable = [numbers(random.normal(0, size=90), edges[1]) for _ in range(40)]
    result = judged(canary, stable)
    assert result.outcome is outcome
    assert "most of all" not in result.text


def test_a_category_that_looks_like_an_interval_is_one_all_the_same() -> None:
    odd = look(5, outputs={"label": {"[low, high)": 5}})
    assert judged([odd] * 30, [labels(95, 5)] * 30).outcome is Outcome.VIOLATED
