# SPDX-License-Identifier: Apache-2.0
"""Whether a model gives a row the same outputs, bit for bit, alone and among others: asked of the model itself.

Trees and lookups do. A matrix product may not: BLAS adds up in another order for another number of rows.
"""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from predictors.errors import PredictorError
from predictors.served_model import ServedModel
from predictors.signature import Tensors

#: How often all requests are repeated to make the largest batch that is tried.
_REPEATS = 4


def joins_exactly(model: ServedModel, requests: Sequence[Tensors]) -> bool:
    """Return whether requests scored together are answered as each of them is alone.

    Args:
        model: The loaded model.
        requests: Valid requests of it, such as its golden ones; too few of them prove nothing.
    """
    if any(spec.shape[:1] != (-1,) for spec in model.model_signature.inputs):
        return False
    try:
        alone = [model.predict(inputs) for inputs in requests]
    except PredictorError:
        return False
    batches = [[place] * 2 for place in range(len(alone))]
    batches += [list(pair) for pair in pairwise(range(len(alone)))]
    batches += [list(range(len(alone))) * times for times in (1, _REPEATS)]
    return len(alone) > 1 and all(_is_alike(model, requests, alone, places) for places in batches)


def _is_alike(model: ServedModel, requests: Sequence[Tensors], alone: Sequence[Tensors], places: Sequence[int]) -> bool:
    together = model.predict_together([requests[place] for place in places])
    return len(together) == len(places) and all(
        not isinstance(outputs, Exception) and _is_same(outputs, alone[place])
        for outputs, place in zip(together, places, strict=True)
    )


def _is_same(one: Tensors, other: Tensors) -> bool:
    return one.keys() == other.keys() and all(_is_same_array(one[name], other[name]) for name in one)


def _is_same_array(one: npt.NDArray[np.generic], other: npt.NDArray[np.generic]) -> bool:
    if one.dtype != other.dtype or one.shape != other.shape:
        return False
    if one.dtype == object:
        return bool(one.tolist() == other.tolist())
    return one.tobytes() == other.tobytes()
