# SPDX-License-Identifier: Apache-2.0
"""From a linear model's scores to its outputs, by the same operations on float64 as scikit-learn's."""

from math import exp, isfinite
from typing import Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from predictors.linear.document import BinaryClassification, LinearDocument, MulticlassClassification
from predictors.signature import Tensors

Scores: TypeAlias = npt.NDArray[np.float64]


class LinearOutputs(Protocol):
    """Makes outputs of scores."""

    def of_score(self, score: float) -> Tensors:
        """Return the outputs of one row, of a model with a single score."""
        ...

    def of_scores(self, scores: Scores) -> Tensors:
        """Return the outputs of rows, from their scores (rows, scores)."""
        ...


def linear_outputs(document: LinearDocument) -> LinearOutputs:
    """Return what makes the outputs of a model's scores."""
    if isinstance(document.task, BinaryClassification):
        return BinaryOutputs(document.task)
    if isinstance(document.task, MulticlassClassification):
        return MulticlassOutputs(document.task)
    return RegressionOutputs(vector=document.linear.vector)


class RegressionOutputs:
    """``prediction``: (rows,) of a model that holds its coefficients as a vector, else (rows, scores)."""

    def __init__(self, *, vector: bool) -> None:
        self._shape = (1,) if vector else (1, 1)
        self._vector = vector

    def of_score(self, score: float) -> Tensors:
        """Return the outputs of one row."""
        return {"prediction": np.array(score).reshape(self._shape)}

    def of_scores(self, scores: Scores) -> Tensors:
        """Return the outputs of rows, from their scores (rows, scores)."""
        return {"prediction": scores[:, 0] if self._vector else scores}


class BinaryOutputs:
    """``label`` (rows,) and, where the model has them, ``probabilities`` (rows, 2)."""

    def __init__(self, task: BinaryClassification) -> None:
        self._labels = np.array(task.labels, dtype=task.labels_dtype)
        self._below, self._above = self._labels[:1], self._labels[1:]
        self._threshold = task.threshold
        self._has_probabilities = task.probabilities is not None
        self._observed = task.observed

    def of_score(self, score: float) -> Tensors:
        """Return the outputs of one row."""
        observed = self._observed
        if not self._has_probabilities:
            value = score if observed == "score" else -score
            return {"label": (self._above if value >= self._threshold else self._below).copy()}
        second = logistic(score)
        first = 1.0 - second
        if observed == "score":
            value = score
        elif observed == "second_probability":
            value = second
        elif observed == "first_probability":
            value = first
        else:
            value = -score
        label = self._above if value >= self._threshold else self._below
        return {"label": label.copy(), "probabilities": np.array(((first, second),))}

    def of_scores(self, scores: Scores) -> Tensors:
        """Return the outputs of rows, from their scores (rows, 1)."""
        column = scores[:, 0]
        observed = {"score": column, "negative_score": -column}
        outputs: dict[str, npt.NDArray[np.generic]] = {}
        if self._has_probabilities:
            probabilities = np.empty((len(column), 2))
            probabilities[:, 1] = [logistic(score) for score in column.tolist()]
            probabilities[:, 0] = 1.0 - probabilities[:, 1]
            observed |= {"first_probability": probabilities[:, 0], "second_probability": probabilities[:, 1]}
            outputs["probabilities"] = probabilities
        above = (observed[self._observed] >= self._threshold).astype(np.intp)
        return {"label": self._labels.take(above), **outputs}


class MulticlassOutputs:
    """``label`` (rows,) and, where the model has them, ``probabilities`` (rows, classes)."""

    def __init__(self, task: MulticlassClassification) -> None:
        self._labels = np.array(task.labels, dtype=task.labels_dtype)
        self._label_rows = [self._labels[place : place + 1] for place in range(len(self._labels))]
        self._probabilities = task.probabilities

    def of_score(self, score: float) -> Tensors:
        """Raise ValueError: one score cannot tell three classes."""
        raise ValueError(f"one score, {score}, for {len(self._labels)} classes")

    def of_scores(self, scores: Scores) -> Tensors:
        """Return the outputs of rows, from their scores (rows, classes); the scores may be overwritten."""
        if len(scores) == 1:
            row = scores[0].tolist()
            if isfinite(sum(row)):  # else numpy has its own idea of the largest
                return self._of_row(scores, row)
        label = self._labels.take(scores.argmax(axis=1))
        if self._probabilities is None:
            return {"label": label}
        if self._probabilities == "one_vs_rest":
            return {"label": label, "probabilities": _shares(scores)}
        scores -= scores.max(axis=1, keepdims=True)
        np.exp(scores, scores)
        scores /= scores.sum(axis=1, keepdims=True)
        return {"label": label, "probabilities": scores}

    def _of_row(self, scores: Scores, row: list[float]) -> Tensors:
        """Return the same for one row (1, classes), given as plain numbers too: faster."""
        highest = max(row)
        label = self._label_rows[row.index(highest)].copy()
        if self._probabilities is None:
            return {"label": label}
        if self._probabilities == "one_vs_rest":
            return {"label": label, "probabilities": _shares(scores)}
        scores -= highest
        np.exp(scores, scores)
        scores /= np.add.reduce(scores, 1).item()
        return {"label": label, "probabilities": scores}


def logistic(score: float) -> float:
    """Return 1 / (1 + exp(-score)) by the C library's exp, as scipy.special.expit does: numpy's rounds otherwise."""
    try:
        return 1.0 / (1.0 + exp(-score))
    except OverflowError:
        return 0.0


def _shares(scores: Scores) -> Scores:
    """Return each class against all others, made to add up to 1; all the same where every one is zero."""
    probabilities = np.array([[logistic(score) for score in row] for row in scores.tolist()])
    total = probabilities.sum(axis=1)
    none = total == 0
    if none.any():
        probabilities[none] = 1
        total[none] = probabilities.shape[1]
    probabilities /= total.reshape(-1, 1)
    return probabilities
