# SPDX-License-Identifier: Apache-2.0
"""The recommender between V2 tensors and its model: the best items instead of a score for every one."""

from typing import ClassVar, Final

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator
from sklearn.pipeline import Pipeline

from predictors.errors import ArtifactError, InvalidRequestError
from predictors.item_neighbours import Floats, ItemNeighbours, largest
from predictors.processing import Processing
from predictors.signature import Column, Signature, Tensors, TensorSpec

DEFAULT_K: Final = 10
MOST_K: Final = 100

#: Stands where a user has no item left that could be recommended; its score is 0.
NO_ITEM: Final = -1


class Recommender(Processing):
    """``user_id`` INT64 [-1], optional ``k`` INT64 [1] -> ``item_ids``, ``scores``, ``known_user``.

    ``item_ids`` INT64 and ``scores`` FP64 are [rows, k], best first, equal scores by ascending item id; fewer than k
    where the catalogue is smaller. ``known_user`` BOOL [rows] is false where popular items stand in for a user without
    history.
    """

    needs_estimator: ClassVar[bool] = True

    def __init__(self, model_signature: Signature, estimator: BaseEstimator | None) -> None:
        """Find the catalogue and the known users in the model.

        Raises:
            ArtifactError: The model is no ItemNeighbours, nor a Pipeline that ends in one.
        """
        super().__init__(model_signature, estimator)
        last = estimator.steps[-1][1] if isinstance(estimator, Pipeline) else estimator
        if not isinstance(last, ItemNeighbours):
            raise ArtifactError('the processing "recommender" needs a model that is, or ends in, an ItemNeighbours')
        self._neighbours = last

    def signature(self) -> Signature:
        """Return the model's input with ``k``, and the three outputs."""
        bounds = Column(name="k", dtype="int64", minimum=1, maximum=MOST_K)
        return Signature(
            inputs=(
                *self.model_signature.inputs,
                TensorSpec(name="k", datatype="INT64", shape=(1,), columns=(bounds,), default=(DEFAULT_K,)),
            ),
            outputs=(
                TensorSpec(name="item_ids", datatype="INT64", shape=(-1, -1)),
                TensorSpec(name="scores", datatype="FP64", shape=(-1, -1)),
                TensorSpec(name="known_user", datatype="BOOL", shape=(-1,), labels=(False, True)),
            ),
        )

    def preprocess(self, inputs: Tensors) -> Tensors:
        """Return ``user_id``.

        Raises:
            InvalidRequestError: ``k`` is not from 1 to 100.
        """
        if not 1 <= inputs["k"][0] <= MOST_K:
            raise InvalidRequestError(f"k must be from 1 to {MOST_K}; it is {inputs['k'][0]}")
        return {"user_id": inputs["user_id"]}

    def postprocess(self, outputs: Tensors, inputs: Tensors) -> Tensors:
        """Return each user's best items that the user has not rated, their scores, and whether the user is known."""
        scores = outputs["output"].astype(np.float64, copy=False)
        columns, best = top(scores, int(inputs["k"][0]))
        left = np.isfinite(best)
        return {
            "item_ids": np.where(left, self._neighbours.item_ids_[columns], NO_ITEM),
            "scores": np.where(left, best, 0.0),
            "known_user": self._neighbours.known(inputs["user_id"]),
        }


def top(scores: Floats, k: int) -> tuple[npt.NDArray[np.int64], Floats]:
    """Return the columns of each row's k largest scores and these scores, best first; of equal ones, left first.

    Args:
        scores: (rows, items); -inf where an item is out of the question.
        k: At least 1; as many columns as there are at most.

    Returns:
        Two arrays (rows, min(k, items)).
    """
    count = min(k, scores.shape[1])
    columns = np.nonzero(largest(scores, count))[1].reshape(len(scores), count)
    values = np.take_along_axis(scores, columns, axis=1)
    order = np.argsort(-values, axis=1, kind="stable")
    return np.take_along_axis(columns, order, axis=1), np.take_along_axis(values, order, axis=1)
