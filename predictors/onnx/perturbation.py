# SPDX-License-Identifier: Apache-2.0
"""Rows on which an almost equal model would show: the sample's, moved to where models differ first."""

from typing import Final

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator

from predictors.onnx.edges import rows_at_edges
from predictors.onnx.jumps import rows_at_jumps
from predictors.onnx.operating_point import unwrapped
from predictors.onnx.splits import rows_at_splits
from predictors.onnx.trees import compares_float32, trees_of
from predictors.rows import places_of, stack
from predictors.scorers.scorer import Scorer
from predictors.signature import Tensors, TensorSpec

_SEED: Final = 20_240_229


def perturbed_rows(
    estimator: BaseEstimator, scorer: Scorer, sample: Tensors, specs: tuple[TensorSpec, ...]
) -> dict[str, npt.NDArray[np.generic]]:
    """Return rows at the edges of the sample, and at both sides of the model's thresholds; always the same ones.

    Where trees see the input columns, their splits tell the thresholds (``rows_at_splits``); where something stands
    before them, a scaler or an encoder, they are searched for from outside (``rows_at_jumps``).

    Args:
        estimator: The fitted estimator.
        scorer: The scorer that calls it; it accepts all these rows.
        sample: The sample's rows as input tensors, at least one.
        specs: The model's input tensors.
    """
    rng = np.random.default_rng(_SEED)
    places = places_of(specs)
    numeric = [place for place in places if place.spec.datatype != "BYTES"]
    core = unwrapped(estimator)[0]
    trees = trees_of(core) if len(numeric) == len(places) == getattr(core, "n_features_in_", None) else []
    parts = [rows_at_edges(scorer, sample, specs).accepted]
    if trees:
        parts.append(rows_at_splits(trees, sample, places, rng, float32=compares_float32(core)))
    elif numeric:
        parts.append(rows_at_jumps(scorer, sample, numeric, rng))
    return stack(parts)
