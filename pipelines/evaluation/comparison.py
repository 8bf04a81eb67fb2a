# SPDX-License-Identifier: Apache-2.0
"""Challenger and champion on the same rows: the difference of their primary metric, and what each costs."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd

from pipelines.errors import StepError
from pipelines.evaluation.bootstrap import RESAMPLES, Interval, drawn, percentile_interval, replicated
from predictors.model_files.pickle_file import dump_joblib

if TYPE_CHECKING:
    from sklearn.base import BaseEstimator

    from pipelines.use_cases import UseCase

_TIMED_ROUNDS: Final = 3


@dataclass(frozen=True)
class Cost:
    """What a model costs.

    Attributes:
        size: Bytes of the serialised model.
        microseconds: Of its answers to the test rows, for each of them; told and never decided by.
    """

    size: int
    microseconds: float


@dataclass(frozen=True)
class Comparison:
    """Two models on the same rows.

    Attributes:
        metric: The name of the primary metric.
        rows: On how many units they were compared.
        challenger: The challenger's figure.
        champion: The champion's.
        interval: The 95 % interval of challenger minus champion, by a paired bootstrap; None where the figure is
            undefined on too many resamples.
        identical: Whether all outcomes are the same.
        challenger_cost: What the challenger costs.
        champion_cost: What the champion costs.
    """

    metric: str
    rows: int
    challenger: float
    champion: float
    interval: Interval | None
    identical: bool
    challenger_cost: Cost
    champion_cost: Cost

    @property
    def difference(self) -> float:
        """Challenger minus champion; above 0 is better."""
        return self.challenger - self.champion


def compare(
    module: "UseCase",
    challenger: "BaseEstimator",
    champion: "BaseEstimator",
    test: pd.DataFrame,
    *,
    seed: int,
    resamples: int = RESAMPLES,
) -> Comparison:
    """Return how the challenger does against the champion.

    Both figures of a resample are of the same rows, so that what makes rows easy or hard for both cancels out.

    Args:
        module: The use case, which says what the outcomes and figures are.
        challenger: Fitted.
        champion: Fitted.
        test: Labelled rows.
        seed: Of the bootstrap's draws.
        resamples: How many.

    Raises:
        StepError: The champion cannot be asked the test rows, or the two have no outcomes in common.
    """
    ours, our_time = _timed(module, challenger, test)
    try:
        theirs, their_time = _timed(module, champion, test)
    except (KeyError, TypeError, ValueError) as err:
        raise StepError(
            f"the champion cannot answer the test rows ({_first_line(err)}): their columns are not those that it was "
            "trained on; give data with its columns, or bring a new kind of model in by `portside publish`"
        ) from err
    ours, theirs = _on_common_rows(ours, theirs)
    metric = module.PLAN.primary
    return Comparison(
        metric=metric,
        rows=len(ours),
        challenger=float(module.metrics(ours)[metric]),
        champion=float(module.metrics(theirs)[metric]),
        interval=percentile_interval(paired_differences(module, ours, theirs, seed, resamples)),
        identical=ours.equals(theirs),
        challenger_cost=Cost(serialised_size(challenger), our_time),
        champion_cost=Cost(serialised_size(champion), their_time),
    )


def paired_differences(
    module: "UseCase", challenger: pd.DataFrame, champion: pd.DataFrame, seed: int, resamples: int = RESAMPLES
) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Return the differences of the primary metric on resamples of the same rows, (resamples,).

    Args:
        module: The use case.
        challenger: Its outcomes.
        champion: Its outcomes, of the same rows in the same order.
        seed: Of the draws.
        resamples: How many.
    """

    def draws() -> Iterator[Any]:
        return drawn(len(challenger), seed, resamples)

    metric = {module.PLAN.primary: 0.0}
    ours = replicated(module.metrics, challenger, draws(), metric)
    theirs = replicated(module.metrics, champion, draws(), metric)
    differences: np.ndarray[tuple[int], np.dtype[np.float64]] = (ours - theirs)[:, 0]
    return differences


def serialised_size(model: "BaseEstimator") -> int:
    """Return how many bytes a model takes in a file, written as training writes it."""
    with TemporaryDirectory() as folder:
        file = Path(folder, "model.joblib")
        dump_joblib(model, file)
        return file.stat().st_size


def _timed(module: "UseCase", model: "BaseEstimator", test: pd.DataFrame) -> tuple[pd.DataFrame, float]:
    """Return the outcomes, and the microseconds a row of the fastest round."""
    seconds = []
    for _ in range(_TIMED_ROUNDS):
        since = time.perf_counter()
        outcomes = module.outcomes(model, test)
        seconds.append(time.perf_counter() - since)
    return outcomes, 1e6 * min(seconds) / max(len(test), 1)


def _on_common_rows(ours: pd.DataFrame, theirs: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    common = ours.index.intersection(theirs.index, sort=False)
    if common.empty:
        raise StepError("challenger and champion have no test outcomes in common; give another split")
    return ours.loc[common], theirs.loc[common]


def _first_line(err: Exception) -> str:
    return " ".join((str(err) or type(err).__name__).splitlines()[0].split()).removesuffix(".")
