# SPDX-License-Identifier: Apache-2.0
"""Item-item collaborative filtering as a scikit-learn transformer: user ids in, a score for every item out."""

from typing import Any, Final, Self

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import sparse
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

#: Items compared with all others at once: bounds the dense block that holds their similarities.
_BLOCK: Final = 512


class ItemNeighbours(TransformerMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """Scores items for a user by their likeness to what the user has rated, and by how many users rated them.

    A rating r of a user whose mean is m weighs w = 1 + (r - m): having rated an item at all counts one, having liked
    it more or less than usual adds or takes. Two items are as similar as the cosine of their columns of weights,
    shrunk towards zero by n / (n + shrinkage) when only n users rated both (Koren and Bell, *Advances in Collaborative
    Filtering*, section 5.1), and each item keeps its most similar ``neighbours`` of positive similarity (Deshpande and
    Karypis, *Item-Based Top-N Recommendation Algorithms*, 2004). The score of an item is the sum of the user's weights
    times the similarities, plus the item's popularity: its raters over those of the most rated item, in (0, 1]. A user
    without history is thereby offered what is popular, by the same formula.

    Args:
        neighbours: How many similar items each item keeps, at least 1.
        shrinkage: Common raters at which a similarity counts half, at least 0.

    Attributes:
        user_ids_: The known users, ascending, (users,).
        item_ids_: The items, ascending, (items,); the columns of what ``transform`` gives.
        history_: The weights of the ratings, CSR (users, items).
        similarity_: What a rated item (row) adds to another one (column), CSR (items, items).
        popularity_: Raters of each item over those of the most rated one, (items,).
    """

    def __init__(self, neighbours: int = 50, shrinkage: float = 10.0) -> None:
        self.neighbours = neighbours
        self.shrinkage = shrinkage

    def fit(self, X: pd.DataFrame, y: object = None) -> Self:  # noqa: ARG002 (scikit-learn's signature)
        """Learn from ratings.

        Args:
            X: One rating a row: integers ``user_id`` and ``item_id``, a finite number ``rating``.
            y: Ignored.

        Raises:
            ValueError: A parameter is out of its range, a column is missing, there are no rows, a rating is not
                finite, or a user has rated an item twice.
        """
        if self.neighbours < 1 or self.shrinkage < 0:
            raise ValueError("neighbours must be at least 1 and shrinkage at least 0")
        _check_ratings(X)
        self.user_ids_, users = np.unique(X["user_id"].to_numpy(np.int64), return_inverse=True)
        self.item_ids_, items = np.unique(X["item_id"].to_numpy(np.int64), return_inverse=True)
        ratings = X["rating"].to_numpy(np.float64)
        means = np.bincount(users, ratings) / np.bincount(users)
        shape = (len(self.user_ids_), len(self.item_ids_))
        self.history_ = sparse.csr_array((1 + (ratings - means[users]), (users, items)), shape=shape)
        self.similarity_ = _similarities(self.history_, self.neighbours, self.shrinkage)
        raters = np.bincount(items)
        self.popularity_ = raters / raters.max()
        return self

    def transform(self, X: pd.DataFrame | npt.NDArray[np.generic]) -> Floats:
        """Return the score of every item for each user, (rows, items); -inf for what the user has rated.

        A row's scores are the same to the last bit alone and among others.

        Args:
            X: A frame with the column ``user_id``, or an array of user ids, (rows,) or (rows, 1).

        Raises:
            ValueError: The array has more than one column.
        """
        check_is_fitted(self)
        user_ids = _user_ids(X)
        scores = np.tile(self.popularity_, (len(user_ids), 1))
        rows = np.flatnonzero(self.known(user_ids))
        history = self.history_[np.searchsorted(self.user_ids_, user_ids[rows])]
        scores[rows] += (history @ self.similarity_).toarray()
        scores[np.repeat(rows, np.diff(history.indptr)), history.indices] = -np.inf
        return scores

    def known(self, user_ids: npt.ArrayLike) -> npt.NDArray[np.bool_]:
        """Return which of the users have a history here, (rows,)."""
        check_is_fitted(self)
        return np.isin(user_ids, self.user_ids_)


def largest(values: Floats, count: int) -> npt.NDArray[np.bool_]:
    """Return where each row's ``count`` largest values are, (rows, columns); of equal ones, those further left.

    Args:
        values: Numbers or infinities, (rows, columns).
        count: How many to mark in each row, from 1 to the number of columns.
    """
    smallest = np.partition(values, -count, axis=1)[:, [-count]]
    above = values > smallest
    equal = values == smallest
    missing = count - above.sum(axis=1, keepdims=True)
    marked: npt.NDArray[np.bool_] = above | (equal & (np.cumsum(equal, axis=1) <= missing))
    return marked


def _similarities(weights: Any, neighbours: int, shrinkage: float) -> Any:
    """Return the shrunk cosines of the columns of (users, items), each column with its nearest neighbours only."""
    rated = sparse.csr_array((np.ones_like(weights.data), weights.indices, weights.indptr), shape=weights.shape)
    norms = np.sqrt(weights.power(2).sum(axis=0))
    norms[norms == 0] = 1.0  # its products are all zero too
    items = weights.shape[1]
    blocks = []
    for start in range(0, items, _BLOCK):
        block = slice(start, min(start + _BLOCK, items))
        cosines = (weights[:, block].T @ weights).toarray() / np.outer(norms[block], norms)
        common = (rated[:, block].T @ rated).toarray()
        shrunk = cosines * (common / np.maximum(common + shrinkage, 1.0))
        shrunk[np.arange(len(shrunk)), np.arange(items)[block]] = 0.0
        kept = largest(shrunk, min(neighbours, items)) & (shrunk > 0)
        blocks.append(sparse.csr_array(np.where(kept, shrunk, 0.0)))
    return sparse.vstack(blocks).T.tocsr()


def _check_ratings(ratings: pd.DataFrame) -> None:
    for column in ("user_id", "item_id", "rating"):
        if column not in ratings.columns:
            raise ValueError(f'ratings need a column "{column}"')
    if ratings.empty:
        raise ValueError("there are no ratings to learn from")
    if not np.isfinite(ratings["rating"].to_numpy(np.float64)).all():
        raise ValueError("a rating is not a finite number")
    if ratings.duplicated(["user_id", "item_id"]).any():
        raise ValueError("a user has rated an item twice; keep one of the ratings")


def _user_ids(X: pd.DataFrame | npt.NDArray[np.generic]) -> npt.NDArray[np.generic]:
    ids = X["user_id"].to_numpy() if isinstance(X, pd.DataFrame) else np.asarray(X)
    if ids.ndim > 1 and ids.shape[1:] != (1,):
        raise ValueError(f"user ids come in one column, not in an array of shape {ids.shape}")
    return ids.reshape(-1)
