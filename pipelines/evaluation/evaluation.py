# SPDX-License-Identifier: Apache-2.0
"""The evaluation of one model on test rows: figures with intervals, slices, calibration and curves, kept as JSON."""

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from math import isfinite
from typing import TYPE_CHECKING, Final, NamedTuple, Self

import pandas as pd
from pydantic import TypeAdapter, ValidationError

from pipelines.errors import StepError
from pipelines.evaluation.bootstrap import RESAMPLES, Interval, intervals
from pipelines.evaluation.calibration import Calibration, calibration
from pipelines.evaluation.curves import CurvePoint, curve
from pipelines.use_cases.use_case import figures
from predictors.errors import fault_sentence

if TYPE_CHECKING:
    from sklearn.base import BaseEstimator

    from pipelines.use_cases import UseCase

#: A slice has intervals from so many rows on, and of a classifier from so many of each label.
LEAST_ROWS: Final = 50
LEAST_OF_A_LABEL: Final = 10
#: Slices are many, and their intervals wide.
SLICE_RESAMPLES: Final = 400


@dataclass(frozen=True)
class Confusion:
    """A classifier's rows at its own threshold, by what they are and what it says."""

    true_positives: int
    false_positives: int
    false_negatives: int
    true_negatives: int


@dataclass(frozen=True)
class Evaluation:
    """What a model did to test rows that took no part in any choice.

    Attributes:
        rows: How many units (messages, products, users) the figures are of.
        primary: The name of the metric that decides between two models.
        resamples: How many times the rows were drawn again for the intervals.
        metrics: The figures, by name; floats and counts, of a classifier those of ``Confusion`` too.
        intervals: 95 % bootstrap intervals of those figures that have one.
        slices: For each slice of the rows its ``rows`` and its figures; undefined ones are left out.
        slice_intervals: For each slice with enough rows the intervals of its figures.
        calibration: Of a classifier's probabilities, else None.
        curve: Points of a classifier's ROC and precision-recall curves, else none.
        confusion: A classifier's counts at its own threshold, else None.
    """

    rows: int
    primary: str
    resamples: int
    metrics: Mapping[str, float | int]
    intervals: Mapping[str, Interval]
    slices: Mapping[str, Mapping[str, float | int]]
    slice_intervals: Mapping[str, Mapping[str, Interval]]
    calibration: Calibration | None = None
    curve: tuple[CurvePoint, ...] = ()
    confusion: Confusion | None = None

    def to_json(self) -> bytes:
        """Return the evaluation as JSON, indented; every number in it is finite."""
        return _ADAPTER.dump_json(self, indent=2) + b"\n"

    @classmethod
    def from_json(cls, content: bytes) -> Self:
        """Return the evaluation that ``to_json`` wrote.

        Raises:
            StepError: The content is no evaluation.
        """
        try:
            evaluation = _ADAPTER.validate_json(content)
        except ValidationError as err:
            raise StepError(
                f"this is not an evaluation: {fault_sentence(err.errors(include_url=False)[0])}; "
                "run evaluate_model again"
            ) from err
        return cls(**vars(evaluation))


_ADAPTER: Final = TypeAdapter(Evaluation)


def evaluate(
    module: "UseCase", model: "BaseEstimator", test: pd.DataFrame, seed: int, resamples: int = RESAMPLES
) -> Evaluation:
    """Return the evaluation of a model.

    Args:
        module: The use case, which says what the outcomes and figures are.
        model: Fitted.
        test: Labelled rows.
        seed: Of the bootstrap's draws.
        resamples: How many draws for the figures of all rows.

    Raises:
        StepError: There is no outcome, the primary metric has no value on these rows, or a classifier's scores are no
            probabilities.
    """
    outcomes = module.outcomes(model, test)
    if outcomes.empty:
        raise StepError("the test part has nothing to evaluate the model on; give more rows, or another split")
    measure = partial(figures, module)
    metrics = _finite(measure(outcomes))
    if module.PLAN.primary not in metrics:
        raise StepError(
            f"the metric {module.PLAN.primary} has no value on the {len(outcomes)} test outcomes: "
            "the test part lacks a label; give more rows, or another split"
        )
    parts = {name: outcomes[chosen] for name, chosen in module.slices(outcomes).items() if chosen.any()}
    classified = _of_classifier(outcomes) if {"truth", "score", "flagged"} <= set(outcomes.columns) else None
    return Evaluation(
        rows=len(outcomes),
        primary=module.PLAN.primary,
        resamples=resamples,
        metrics={**metrics, **(vars(classified.confusion) if classified else {})},
        intervals=intervals(measure, outcomes, seed, resamples),
        slices={name: {"rows": len(part), **_finite(_quietly(module, part))} for name, part in parts.items()},
        slice_intervals={
            name: intervals(measure, part, seed, min(resamples, SLICE_RESAMPLES))
            for name, part in parts.items()
            if _has_enough(part)
        },
        calibration=classified.calibration if classified else None,
        curve=classified.curve if classified else (),
        confusion=classified.confusion if classified else None,
    )


class _Classified(NamedTuple):
    calibration: Calibration
    curve: tuple[CurvePoint, ...]
    confusion: Confusion


def _of_classifier(outcomes: pd.DataFrame) -> _Classified:
    truth, scores = outcomes["truth"].to_numpy(bool), outcomes["score"].to_numpy(float)
    flagged = outcomes["flagged"].to_numpy(bool)
    strange = scores[~((scores >= 0) & (scores <= 1))]
    if len(strange):
        raise StepError(
            f"outcomes() gives {len(strange):,} of {len(scores):,} rows a score outside 0 to 1, such as "
            f"{strange[0]:.4g}; a score is the probability of the positive label, as predict_proba gives it"
        )
    return _Classified(
        calibration=calibration(scores, truth),
        curve=curve(scores, truth) if truth.any() and not truth.all() else (),
        confusion=Confusion(
            true_positives=int((flagged & truth).sum()),
            false_positives=int((flagged & ~truth).sum()),
            false_negatives=int((~flagged & truth).sum()),
            true_negatives=int((~flagged & ~truth).sum()),
        ),
    )


def _has_enough(outcomes: pd.DataFrame) -> bool:
    if len(outcomes) < LEAST_ROWS:
        return False
    if "truth" not in outcomes.columns:
        return True
    positive = int(outcomes["truth"].sum())
    return min(positive, len(outcomes) - positive) >= LEAST_OF_A_LABEL


def _quietly(module: "UseCase", outcomes: pd.DataFrame) -> Mapping[str, float | int]:
    with warnings.catch_warnings():
        # Where a slice lacks a label, many metrics warn; what is undefined is left out instead.
        warnings.simplefilter("ignore")
        return figures(module, outcomes)


def _finite(metrics: Mapping[str, float | int]) -> dict[str, float | int]:
    return {name: value for name, value in metrics.items() if isfinite(value)}
