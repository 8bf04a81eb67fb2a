# SPDX-License-Identifier: Apache-2.0
"""What all use cases have in common: the functions that each module has, and what they hand to one another."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol, TypeAlias

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pandas as pd
    import pandera.pandas as pa
    from sklearn.base import BaseEstimator

#: Is told, in one short sentence, what begins now and may take longer than a second.
Progress: TypeAlias = Callable[[str], None]

#: What ``search`` chooses and ``fit`` takes.
Parameters: TypeAlias = Mapping[str, float | int]


def silent(sentence: str) -> None:
    """Tell nobody."""


class Parts(NamedTuple):
    """The rows of a data set in three parts that share no row.

    Attributes:
        train: What the model is fitted on.
        validation: What its operating point is chosen on; without rows where there is none to choose.
        test: What it is evaluated on, once all choices are made.
    """

    train: "pd.DataFrame"
    validation: "pd.DataFrame"
    test: "pd.DataFrame"


@dataclass(frozen=True)
class Plan:
    """What a pipeline must know of a use case before it runs.

    Attributes:
        name: The model's name.
        title: What people call it.
        source: Where its own data come from, for the lineage.
        target: The column with the label; None where there is none.
        positive: The label that is looked for; None where there is none.
        primary: The name of the metric that decides between two models; higher is better.
        floors: What a first model must reach, by metric; higher is better.
        equal_within: Two models are equal when the difference of the primary metric is surely no larger.
        processing: The name of the processing class that serves the model; None for the identity.
        tensors: How the sample's columns become V2 inputs.
        cron: When it is usually trained again: minute, hour, day, month, day of the week; UTC.
        label_shares: For labels (as text) the least and the greatest share of the rows that a data set may have.
    """

    name: str
    title: str
    source: str
    target: str | None
    positive: str | bool | None
    primary: str
    floors: Mapping[str, float]
    equal_within: float
    processing: str | None = None
    tensors: Literal["auto", "columns", "matrix"] = "auto"
    cron: str = "0 3 * * 1"
    label_shares: Mapping[str, tuple[float, float]] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class TrainedModel:
    """A fitted model with all that packing it needs.

    Attributes:
        model: The fitted estimator, its preprocessing in it.
        sample: Rows as it takes them, just its input columns: the reference distribution.
        metrics: Figures on test rows that took no part in any choice; those of validation rows say so in their name.
        lineage: ``data_digest`` (of the raw data), ``data_source``, ``rows`` (of the raw data), ``seed``, and
            ``hyperparameters`` as cross-validation chose them.
        processing: The name of the processing class that serves it; None for the identity.
        tensors: How the sample's columns become V2 inputs.
    """

    model: "BaseEstimator"
    sample: "pd.DataFrame"
    metrics: Mapping[str, float | int]
    lineage: Mapping[str, str | int]
    processing: str | None
    tensors: Literal["auto", "columns", "matrix"]


class UseCase(Protocol):
    """A module of these functions and of ``PLAN``; the same seed gives the same results, bit for bit."""

    @property
    def PLAN(self) -> Plan:  # noqa: N802 (a constant of the module)
        """What a pipeline must know of it before it runs."""
        ...

    def load(self) -> "pd.DataFrame":
        """Return the data of its own source, one observation a row, the label among the columns.

        Raises:
            DataError: The data are not installed, or are not those that the use case is made for.
        """
        ...

    def schema(self) -> "pa.DataFrameSchema":
        """Return what data must be like: columns, dtypes, ranges, categories, whether values may be missing."""
        ...

    def split(self, data: "pd.DataFrame", seed: int) -> Parts:
        """Return the rows for fitting, for the operating point, and for the test."""
        ...

    def search(self, train: "pd.DataFrame", seed: int, progress: Progress) -> dict[str, float | int]:
        """Return the hyper-parameters that do best in cross-validation on the training rows."""
        ...

    def fit(self, parts: Parts, params: Parameters, seed: int) -> "BaseEstimator":
        """Return the model fitted on the training rows, its operating point chosen on the validation rows."""
        ...

    def features(self, rows: "pd.DataFrame") -> "pd.DataFrame":
        """Return just the model's input columns."""
        ...

    def outcomes(self, model: "BaseEstimator", rows: "pd.DataFrame") -> "pd.DataFrame":
        """Return what the model makes of labelled rows: one row for each unit that is resampled, by its own index.

        A classifier's have ``truth`` (bool), ``score`` (the probability of the positive label), ``flagged`` (bool),
        and what the slices need.
        """
        ...

    def metrics(self, outcomes: "pd.DataFrame") -> dict[str, float | int]:
        """Return the figures of outcomes, or of any of their rows: NaN where they do not say."""
        ...

    def slices(self, outcomes: "pd.DataFrame") -> dict[str, "npt.NDArray[np.bool_]"]:
        """Return which of the outcomes belong to a slice, by its name."""
        ...


class BuiltInUseCase(UseCase, Protocol):
    """A module of this package."""

    def train(self, seed: int = 0, progress: Progress = silent) -> TrainedModel:
        """Load the data, search, fit a model, evaluate it.

        Args:
            seed: Decides every split and every random choice.
            progress: Is told what takes long.

        Raises:
            DataError: The data are not installed, or are not those that the use case is made for.
        """
        ...


def figures(module: UseCase, outcomes: "pd.DataFrame") -> dict[str, float | int]:
    """Return a use case's metrics of outcomes as Python's own numbers, whatever numpy made of them."""
    return {name: _plain(value) for name, value in module.metrics(outcomes).items()}


def _plain(value: Any) -> float | int:
    plain: float | int = value.item() if hasattr(value, "item") else value
    return plain


#: What a module of one's own must have beside ``PLAN``.
FUNCTIONS: tuple[str, ...] = (
    "load",
    "schema",
    "split",
    "search",
    "fit",
    "features",
    "outcomes",
    "metrics",
    "slices",
)


def missing_in(module: Any) -> list[str]:
    """Return what a module lacks to be a use case, as its author would write it."""
    lacking = [] if isinstance(getattr(module, "PLAN", None), Plan) else ["PLAN (a Plan)"]
    return lacking + [f"{name}()" for name in FUNCTIONS if not callable(getattr(module, name, None))]
