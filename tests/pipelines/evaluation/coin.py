# SPDX-License-Identifier: Apache-2.0
"""A use case whose models are as good as one likes: a score is the truth, weighted, and noise that all models share."""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.base import BaseEstimator

from pipelines.use_cases import Plan
from pipelines.use_cases.classification import average_precision
from pipelines.use_cases.operating_point import precision, recall

PLAN = Plan(
    name="coin",
    title="Coins",
    source="none",
    target="truth",
    positive=True,
    primary="average_precision",
    floors={"average_precision": 0.7},
    equal_within=0.02,
)


class Guesser(BaseEstimator):  # type: ignore[misc]
    """Knows the truth by as much as its skill; its ballast makes it large."""

    def __init__(self, skill: float = 1.0, ballast: int = 0) -> None:
        self.skill = skill
        self.ballast_ = np.zeros(ballast, dtype=np.uint8)


def tosses(rows: int, seed: int, share: float = 0.3) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    return pd.DataFrame({"truth": random.random(rows) < share, "noise": random.normal(size=rows)})


def outcomes(model: Guesser, rows: pd.DataFrame) -> pd.DataFrame:
    score = 1 / (1 + np.exp(-(model.skill * (2.0 * rows["truth"] - 1) + rows["noise"])))
    return pd.DataFrame({"truth": rows["truth"], "score": score, "flagged": score >= 0.5})


def metrics(outcomes: pd.DataFrame) -> Mapping[str, float | int]:
    truth, flagged = outcomes["truth"].to_numpy(bool), outcomes["flagged"].to_numpy(bool)
    return {
        "average_precision": average_precision(outcomes["score"].to_numpy(float), truth),
        "precision": precision(flagged, truth),
        "recall": recall(flagged, truth),
        "distinct": len(np.unique(outcomes["score"])) / 1_000,
        # What a module of one's own may forget to convert.
        "positives": truth.sum(),
        "mean_score": outcomes["score"].to_numpy(np.float32).mean(),
    }


def slices(outcomes: pd.DataFrame) -> dict[str, npt.NDArray[np.bool_]]:
    first = np.arange(len(outcomes)) < 3
    return {"first three": first, "rest": ~first, "nobody": first & ~first}
