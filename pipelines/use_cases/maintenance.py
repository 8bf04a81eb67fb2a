# SPDX-License-Identifier: Apache-2.0
"""Predictive maintenance: a random forest on the AI4I 2020 rules, mixed types, one product in thirty failing."""

import hashlib
from typing import Final

import numpy as np
import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.metrics import average_precision_score, brier_score_loss, roc_auc_score
from sklearn.model_selection import StratifiedKFold
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder, PolynomialFeatures

from pipelines.use_cases.ai4i import generate
from pipelines.use_cases.operating_point import lowest_threshold, precision, recall, scores_of, with_threshold
from pipelines.use_cases.use_case import Parts, Progress, TrainedModel, silent
from predictors.maintenance import PRODUCT_TYPES

TARGET: Final = "failure"

#: What the model takes: text; K, K, rpm, Nm, min.
FEATURES: Final = (
    "product_type",
    "air_temperature",
    "process_temperature",
    "rotational_speed",
    "torque",
    "tool_wear",
)

#: At least so many of the alarms must be right.
PRECISION_FLOOR: Final = 0.7

_ROWS: Final = 10_000

#: The first seed whose failures of all modes, and in all, come within a tenth of the published ones; the random mode
#: apart, of which the published rows have 19 and the rules expect 10.
_DATA_SEED: Final = 30


def load() -> pd.DataFrame:
    """Return 10,000 generated products, always the same ones; see ``ai4i.generate`` for their columns."""
    return generate(_ROWS, _DATA_SEED)


def split(products: pd.DataFrame, seed: int) -> Parts:
    """Return 60 % of the products for fitting, 20 % for the threshold, 20 % for the test, stratified by failure.

    At random and not by time: whether a product fails hangs on its own row alone, and the slow walk of the
    temperatures would leave a later part with hardly any failure by heat, or with little else.
    """
    folds = StratifiedKFold(n_splits=5, shuffle=True, random_state=seed)
    test, validation, *train = (rows for _, rows in folds.split(products, products[TARGET]))
    return Parts(products.iloc[np.sort(np.concatenate(train))], products.iloc[validation], products.iloc[test])


def build(seed: int) -> Pipeline:
    """Return the unfitted pipeline: a frame of ``FEATURES`` in, whether the product fails out.

    Beside the readings the forest gets the products of speed, torque and wear, since power and strain are such
    products: 0.03 to 0.08 more average precision over forests without, on three other seeds of the data.
    """
    speed_torque_wear = list(FEATURES[3:])
    columns = ColumnTransformer(
        [
            ("type", OneHotEncoder(categories=[list(PRODUCT_TYPES)], sparse_output=False), ["product_type"]),
            ("readings", "passthrough", list(FEATURES[1:3])),
            ("products", PolynomialFeatures(2, interaction_only=True, include_bias=False), speed_torque_wear),
        ]
    )
    forest = RandomForestClassifier(n_estimators=100, min_samples_leaf=2, max_features=0.5, random_state=seed)
    return Pipeline([("columns", columns), ("classifier", forest)])


def fit(parts: Parts, seed: int) -> Pipeline:
    """Return the fitted pipeline with the lowest threshold at which 70 % of the validation alarms are right.

    A failure that is missed costs more than a look at a machine that would have held, so recall comes first, as long
    as the alarms are still believed.
    """
    model = build(seed).fit(_features(parts.train), parts.train[TARGET].to_numpy())
    fails = parts.validation[TARGET].to_numpy()
    threshold = lowest_threshold(
        scores_of(model, _features(parts.validation), positive=True),
        lambda flagged: precision(flagged, fails) >= PRECISION_FLOOR,
    )
    return with_threshold(model, threshold, positive=True)


def evaluate(model: Pipeline, products: pd.DataFrame) -> dict[str, float | int]:
    """Return how well failures are foreseen: shares in [0, 1], counts of products."""
    fails = products[TARGET].to_numpy()
    probability = scores_of(model, _features(products), positive=True)
    flagged = model.predict(_features(products))
    return {
        "average_precision": float(average_precision_score(fails, probability)),
        "roc_auc": float(roc_auc_score(fails, probability)),
        "brier_score": float(brier_score_loss(fails, probability)),
        "recall": recall(flagged, fails),
        "precision": precision(flagged, fails),
        "failures": int(fails.sum()),
        "products": len(products),
    }


def train(seed: int = 0, progress: Progress = silent) -> TrainedModel:
    """Train the maintenance model.

    Args:
        seed: Decides which products go where, and what each tree sees; the data are always the same.
        progress: Is told what takes long.
    """
    products = load()
    parts = split(products, seed)
    progress(f"growing 100 trees on {len(parts.train):,} of {len(products):,} products")
    model = fit(parts, seed)
    validated = evaluate(model, parts.validation)
    return TrainedModel(
        model=model,
        sample=_features(parts.train).reset_index(drop=True),
        metrics={
            **evaluate(model, parts.test),
            "threshold": model[-1].threshold,
            "validation_recall": validated["recall"],
            "validation_precision": validated["precision"],
        },
        lineage={
            "data_source": f"AI4I 2020 rules, data seed {_DATA_SEED}",
            "data_digest": hashlib.sha256(products.to_csv(index=False, lineterminator="\n").encode()).hexdigest(),
            "rows": len(products),
            "seed": seed,
        },
        processing="maintenance",
        tensors="columns",
    )


def _features(products: pd.DataFrame) -> pd.DataFrame:
    return products[list(FEATURES)]
