# SPDX-License-Identifier: Apache-2.0
"""Predictive maintenance: a random forest on the AI4I 2020 rules, mixed types, one product in thirty failing."""

import sys
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.base import BaseEstimator
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import StratifiedKFold
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder, PolynomialFeatures

from pipelines.use_cases.ai4i import generate
from pipelines.use_cases.classification import average_precision, brier_score, classified, roc_auc
from pipelines.use_cases.model_selection import best, check_labels, grid
from pipelines.use_cases.operating_point import lowest_threshold, precision, recall, scores_of, with_threshold
from pipelines.use_cases.training import train as train_use_case
from pipelines.use_cases.use_case import Parameters, Parts, Plan, Progress, TrainedModel, silent
from predictors.maintenance import PRODUCT_TYPES

if TYPE_CHECKING:
    import pandera.pandas as pa

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

PLAN: Final = Plan(
    name="maintenance",
    title="Predictive maintenance",
    source=f"AI4I 2020 rules, data seed {_DATA_SEED}",
    target=TARGET,
    positive=True,
    primary="average_precision",
    floors={"average_precision": 0.6, "recall": 0.5, "precision": 0.4},
    equal_within=0.02,
    processing="maintenance",
    tensors="columns",
    cron="0 3 1 * *",
    label_shares={"True": (0.01, 0.1), "False": (0.9, 0.99)},
)

#: From how many minutes on a tool is worn, for the slices: it is changed after 200 to 240.
WORN: Final = 180

CANDIDATES: Final = grid(max_features=(0.5, 0.8), min_samples_leaf=(2, 5))
FOLDS: Final = 3


def load() -> pd.DataFrame:
    """Return 10,000 generated products, always the same ones; see ``ai4i.generate`` for their columns."""
    return generate(_ROWS, _DATA_SEED)


def schema() -> "pa.DataFrameSchema":
    """Return what products must be like."""
    from pipelines.use_cases.schemas import maintenance

    return maintenance.schema()


def split(products: pd.DataFrame, seed: int) -> Parts:
    """Return 60 % of the products for fitting, 20 % for the threshold, 20 % for the test, stratified by failure.

    At random and not by time: whether a product fails hangs on its own row alone, and the slow walk of the
    temperatures would leave a later part with hardly any failure by heat, or with little else.
    """
    folds = StratifiedKFold(n_splits=5, shuffle=True, random_state=seed)
    test, validation, *train = (rows for _, rows in folds.split(products, products[TARGET]))
    return Parts(products.iloc[np.sort(np.concatenate(train))], products.iloc[validation], products.iloc[test])


def search(products: pd.DataFrame, seed: int, progress: Progress = silent) -> dict[str, float | int]:
    """Return the ``max_features`` and ``min_samples_leaf`` with the best average precision in three folds.

    Of forests of 30 trees, which rank candidates as forests of 100 do in a third of the time.

    Raises:
        PipelineError: There are fewer failures than folds.
    """
    progress(f"choosing among {len(CANDIDATES)} forests in {FOLDS} folds of {len(products):,} products")
    rows, fails = features(products), _fails(products)
    check_labels(fails, FOLDS)
    folds = StratifiedKFold(n_splits=FOLDS, shuffle=True, random_state=seed)
    return best(
        CANDIDATES,
        (
            [
                average_precision(
                    scores_of(
                        build(params, seed, trees=30).fit(rows.iloc[fitted], fails[fitted]), rows.iloc[held_out], True
                    ),
                    fails[held_out],
                )
                for params in CANDIDATES
            ]
            for fitted, held_out in folds.split(rows, fails)
        ),
    )


def build(params: Parameters, seed: int, trees: int = 100) -> Pipeline:
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
    forest = RandomForestClassifier(n_estimators=trees, random_state=seed, **params)
    return Pipeline([("columns", columns), ("classifier", forest)])


def fit(parts: Parts, params: Parameters, seed: int) -> Pipeline:
    """Return the fitted pipeline with the lowest threshold at which 70 % of the validation alarms are right.

    A failure that is missed costs more than a look at a machine that would have held, so recall comes first, as long
    as the alarms are still believed.

    Raises:
        PipelineError: The alarms are right often enough at no threshold.
    """
    model = build(params, seed).fit(features(parts.train), _fails(parts.train))
    fails = _fails(parts.validation)
    threshold = lowest_threshold(
        scores_of(model, features(parts.validation), positive=True),
        lambda flagged: precision(flagged, fails) >= PRECISION_FLOOR,
    )
    return with_threshold(model, threshold, positive=True)


def features(products: pd.DataFrame) -> pd.DataFrame:
    """Return the columns of ``FEATURES``."""
    return products[list(FEATURES)]


def outcomes(model: BaseEstimator, products: pd.DataFrame) -> pd.DataFrame:
    """Return one row a product: ``truth``, ``score``, ``flagged``, and its ``product_type`` and ``tool_wear``."""
    return classified(
        model,
        features(products),
        _fails(products),
        True,
        products.index,
        product_type=products["product_type"].to_numpy(object),
        tool_wear=products["tool_wear"].to_numpy(),
    )


def metrics(outcomes: pd.DataFrame) -> dict[str, float | int]:
    """Return how well failures are foreseen: shares in [0, 1], counts of products."""
    fails, flagged = outcomes["truth"].to_numpy(np.bool_), outcomes["flagged"].to_numpy(np.bool_)
    probability = outcomes["score"].to_numpy(np.float64)
    return {
        "average_precision": average_precision(probability, fails),
        "roc_auc": roc_auc(probability, fails),
        "brier_score": brier_score(probability, fails),
        "recall": recall(flagged, fails),
        "precision": precision(flagged, fails),
        "failures": int(fails.sum()),
        "products": len(fails),
    }


def slices(outcomes: pd.DataFrame) -> dict[str, npt.NDArray[np.bool_]]:
    """Return the products of each type, and those of new and of worn tools."""
    types, worn = outcomes["product_type"].to_numpy(object), outcomes["tool_wear"].to_numpy() >= WORN
    by_type: dict[str, npt.NDArray[np.bool_]] = {f"product_type={kind}": types == kind for kind in PRODUCT_TYPES}
    return {**by_type, f"tool_wear<{WORN}": ~worn, f"tool_wear>={WORN}": worn}


def train(seed: int = 0, progress: Progress = silent) -> TrainedModel:
    """Train the maintenance model; see ``training.train``.

    Args:
        seed: Decides which products go where, and what each tree sees; the data are always the same.
        progress: Is told what takes long.
    """
    return train_use_case(sys.modules[__name__], seed, progress)


def _fails(products: pd.DataFrame) -> npt.NDArray[np.bool_]:
    return products[TARGET].to_numpy(np.bool_)
