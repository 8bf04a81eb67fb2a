# SPDX-License-Identifier: Apache-2.0
"""The decision trees inside a fitted estimator, and where exactly their splits fall for values of a datatype."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


class Tree(NamedTuple):
    """One decision tree, its nodes in arrays of the same length; parents stand before their children.

    Attributes:
        feature: The column each inner node looks at.
        threshold: A value up to and including this one goes left.
        left: The left child of each node; -1 for a leaf.
        right: The right child of each node; -1 for a leaf.
        missing_left: Whether a missing value goes left.
        value: What each node answers if it is a leaf, (nodes, outputs).
    """

    feature: Ints
    threshold: Floats
    left: Ints
    right: Ints
    missing_left: npt.NDArray[np.bool_]
    value: Floats


def trees_of(estimator: BaseEstimator) -> list[Tree]:
    """Return the trees of a tree, a forest, a boosting or a bagging of trees; none for other models.

    Features are counted in the estimator's own input columns.
    """
    return list(_trees(estimator))


def compares_float32(estimator: BaseEstimator) -> bool:
    """Whether the trees round a value to float32 before comparing it: all but histogram gradient boosting do."""
    return not hasattr(estimator, "_predictors")


def split_points(thresholds: Floats, dtype: npt.DTypeLike, *, float32: bool) -> tuple[Floats, Floats]:
    """Return the largest values of a dtype that go left at these thresholds, and the smallest that go right.

    Args:
        thresholds: The trees' float64 thresholds, (n,).
        dtype: The dtype that values arrive in: an integer, boolean or floating one.
        float32: Whether the trees round a value to float32 before comparing it.
    """
    resolved = np.dtype(dtype)
    if resolved.kind != "f":
        return np.floor(thresholds), np.floor(thresholds) + 1
    if resolved == np.float64 and not float32:
        return thresholds, np.nextafter(thresholds, np.inf)
    narrow: Any = np.dtype(np.float32) if resolved == np.float64 else resolved
    with np.errstate(over="ignore"):  # a threshold beyond the dtype's range becomes its infinity
        nearest = thresholds.astype(narrow)
        left = np.where(nearest > thresholds, np.nextafter(nearest, narrow.type(-np.inf)), nearest)
        right = np.nextafter(left, narrow.type(np.inf))
    if resolved != np.float64:
        return left.astype(np.float64), right.astype(np.float64)
    # A float64 between two float32 values goes to the nearer one; in the very middle, to the even one.
    middle = (left.astype(np.float64) + right.astype(np.float64)) / 2
    with np.errstate(over="ignore"):
        last = np.where(middle.astype(narrow) == left, middle, np.nextafter(middle, -np.inf))
    return last, np.nextafter(last, np.inf)


def _trees(estimator: Any) -> Iterator[Tree]:
    if hasattr(estimator, "tree_"):
        yield _from_tree(estimator.tree_)
    elif hasattr(estimator, "_predictors"):
        if estimator.is_categorical_ is None:  # else its columns are reordered and encoded before the trees see them
            yield from (_from_histograms(predictor) for stage in estimator._predictors for predictor in stage)
    elif hasattr(estimator, "estimators_"):
        members = np.ravel(np.asarray(estimator.estimators_, dtype=object))
        if all(hasattr(member, "tree_") for member in members):
            # Members of a bagging may each have been given a choice of the columns.
            columns = getattr(estimator, "estimators_features_", [slice(None)] * len(members))
            for member, chosen in zip(members, columns, strict=True):
                tree = _from_tree(member.tree_)
                yield tree._replace(feature=np.arange(estimator.n_features_in_)[chosen][tree.feature])


def _from_tree(tree: Any) -> Tree:
    return Tree(
        feature=tree.feature.astype(np.int64),
        threshold=tree.threshold.astype(np.float64),
        left=tree.children_left.astype(np.int64),
        right=tree.children_right.astype(np.int64),
        missing_left=tree.missing_go_to_left.astype(bool),
        value=tree.value[:, 0, :].astype(np.float64),
    )


def _from_histograms(predictor: Any) -> Tree:
    nodes = predictor.nodes
    leaf = nodes["is_leaf"].astype(bool)
    return Tree(
        feature=nodes["feature_idx"].astype(np.int64),
        threshold=nodes["num_threshold"].astype(np.float64),
        left=np.where(leaf, -1, nodes["left"].astype(np.int64)),
        right=np.where(leaf, -1, nodes["right"].astype(np.int64)),
        missing_left=nodes["missing_go_to_left"].astype(bool),
        value=nodes["value"].astype(np.float64)[:, np.newaxis],
    )
