# SPDX-License-Identifier: Apache-2.0
"""The small models that the protocol is tried on: one for each way of scoring and each datatype that clients send."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.compose import make_column_transformer
from sklearn.datasets import load_iris
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder
from threadpoolctl import threadpool_limits

from predictors import pack
from predictors.item_neighbours import ItemNeighbours

VERSION = "1.0.0"
X, Y = load_iris(return_X_y=True)
TEXTS = ("win a prize now", "see you at home", "free prize call now", "are you at home", "call to win", "home now")
MACHINES = pd.DataFrame(
    {
        "product_type": ["H", "L", "M"] * 20,
        "torque": np.linspace(10, 70, 60),
        "tool_wear": np.arange(0, 240, 4),
    }
)


@dataclass(frozen=True, eq=False)
class Fitted:
    """A fitted model and what packs it.

    Attributes:
        estimator: The fitted scikit-learn object.
        sample: Rows for packing.
        options: Further arguments of ``pack``.
    """

    estimator: Any
    sample: Any
    options: Mapping[str, Any]


def fit_models() -> dict[str, Fitted]:
    """Return the models by their names.

    ``linear`` and ``text`` have scorers of their own, ``forest`` goes by ONNX Runtime, and the scikit-learn objects
    answer for ``slow`` and ``recommender``; ``maintenance`` takes texts, floats and integers, ``recommender`` integers
    and an optional input.
    """
    ratings = pd.DataFrame([(user, item, 1.0 + (user * item) % 5) for user in range(6) for item in range(user, 9)])
    ratings.columns = pd.Index(["user_id", "item_id", "rating"])
    coded = make_column_transformer((OneHotEncoder(), ["product_type"]), remainder="passthrough")
    return {
        "linear": Fitted(LogisticRegression(max_iter=500).fit(X, Y), X, {}),
        "forest": Fitted(RandomForestClassifier(10, random_state=0).fit(X, Y), X, {}),
        "slow": Fitted(HistGradientBoostingClassifier(max_iter=10).fit(X, Y), X, {"onnx": False}),
        "text": Fitted(
            make_pipeline(TfidfVectorizer(), LogisticRegression()).fit(TEXTS, ["spam", "ham"] * 3), list(TEXTS), {}
        ),
        "maintenance": Fitted(
            make_pipeline(coded, RandomForestClassifier(5, random_state=0)).fit(MACHINES, MACHINES["torque"] > 40),
            MACHINES,
            {"tensors": "columns", "processing": "maintenance"},
        ),
        "recommender": Fitted(
            ItemNeighbours(neighbours=3).fit(ratings),
            ratings[["user_id"]].drop_duplicates(),
            {"tensors": "columns", "processing": "recommender", "onnx": False},
        ),
    }


def pack_models(out: Path, *names: str) -> dict[str, Path]:
    """Return the artifacts' folders by the models' names, of all models or of those named."""
    # Small models on shared cores: OpenMP's threads would only wait for each other.
    with threadpool_limits(1):
        return {
            name: pack(one.estimator, one.sample, name=name, version=VERSION, out=out, **one.options)
            for name, one in fit_models().items()
            if name in (names or (name,))
        }
