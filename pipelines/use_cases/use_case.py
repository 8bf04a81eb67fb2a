# SPDX-License-Identifier: Apache-2.0
"""What all use cases have in common: the trained model that each gives, and how it is asked for."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple, Protocol, TypeAlias

if TYPE_CHECKING:
    import pandas as pd
    from sklearn.base import BaseEstimator

#: Is told, in one short sentence, what begins now and may take longer than a second.
Progress: TypeAlias = Callable[[str], None]


def silent(sentence: str) -> None:
    """Tell nobody."""


class Parts(NamedTuple):
    """The rows of a data set in three parts that share no row.

    Attributes:
        train: What the model is fitted on.
        validation: What its operating point is chosen on.
        test: What it is evaluated on, once all choices are made.
    """

    train: "pd.DataFrame"
    validation: "pd.DataFrame"
    test: "pd.DataFrame"


@dataclass(frozen=True, eq=False)
class TrainedModel:
    """A fitted model with all that packing it needs.

    Attributes:
        model: The fitted estimator, its preprocessing in it.
        sample: Rows as it takes them, just its input columns: the reference distribution.
        metrics: Figures on test rows that took no part in any choice; those of validation rows say so in their name.
        lineage: ``data_digest`` (SHA-256 of the raw data), ``data_source``, ``rows`` (of the raw data) and ``seed``.
        processing: The name of the processing class that serves it.
        tensors: How the sample's columns become V2 inputs.
    """

    model: "BaseEstimator"
    sample: "pd.DataFrame"
    metrics: Mapping[str, float | int]
    lineage: Mapping[str, str | int]
    processing: Literal["maintenance", "recommender", "spam"]
    tensors: Literal["auto", "columns", "matrix"]


class UseCase(Protocol):
    """A module of this package."""

    def train(self, seed: int = 0, progress: Progress = silent) -> TrainedModel:
        """Load the data, fit a model, evaluate it; the same seed gives the same model, bit for bit.

        Raises:
            DataError: The data are not installed, or are not those that the use case is made for.
        """
        ...
