# SPDX-License-Identifier: Apache-2.0
"""The scorer of linear models on word or character counts and tf-idf, bit for bit what scikit-learn computes.

A text has few terms, so plain Python numbers are faster than arrays. They are float64 too, and each sum runs over the
terms in the order of the features, one after another, as scipy's product of a CSR row and scikit-learn's norm do.
"""

from collections.abc import Callable
from math import sqrt
from typing import ClassVar, Final

import numpy as np

from predictors.errors import ArtifactError
from predictors.linear.document import LinearDocument, TextFeatures
from predictors.scorers.linear_outputs import Scores, linear_outputs
from predictors.scorers.text_analysis import analyzer
from predictors.signature import Tensors, TensorSpec

#: Frequencies of so many repeats of a term are looked up; others are computed.
_REPEATS: Final = 256


class LinearTextScorer:
    """Finds a text's terms, weighs and normalises them, and multiplies them with the model's coefficients."""

    name: ClassVar[str] = "linear_text"
    inline: ClassVar[bool] = True

    def __init__(self, document: LinearDocument, inputs: tuple[TensorSpec, ...]) -> None:
        """Lay out the model's numbers.

        Args:
            document: The model.
            inputs: Its only input tensor, BYTES (rows,).

        Raises:
            ArtifactError: The model is not one of texts, or the tensor not one of them.
        """
        features = document.text
        if features is None or len(inputs) != 1 or inputs[0].datatype != "BYTES" or len(inputs[0].shape) != 1:
            raise ArtifactError("linear.json: it takes texts, and the signature other inputs")
        self._input = inputs[0].name
        self._outputs = linear_outputs(document)
        self._of_score = self._outputs.of_score
        self._terms = analyzer(features)
        self._place_of = {term: place for place, term in enumerate(features.vocabulary)}.get
        self._idf = features.idf or [1.0] * len(features.vocabulary)
        self._frequency = _frequency(features)
        self._frequencies = [self._frequency(count) for count in range(_REPEATS)]
        self._norm = features.norm
        linear = document.linear
        self._has_one_score = len(linear.intercepts) == 1
        self._weights = linear.coefficients[0]
        self._intercept = linear.intercepts[0]
        self._weight_rows = np.ascontiguousarray(np.array(linear.coefficients).T)
        self._intercepts = np.array(linear.intercepts)

    def score(self, inputs: Tensors) -> Tensors:
        """Return the model's outputs, (rows,) or (rows, columns).

        Args:
            inputs: The texts, an object array of ``str`` (rows,).

        Raises:
            ValueError: There is no row.
        """
        texts = inputs[self._input].tolist()
        if self._has_one_score:
            if len(texts) == 1:
                return self._of_score(self._score(texts[0]))
            scores = np.array([[self._score(text)] for text in texts])
        else:
            scores = np.array([self._scores(text) for text in texts])
        if not texts:
            raise ValueError("there are no rows")
        return self._outputs.of_scores(scores)

    def _score(self, text: str) -> float:
        weights = self._weights
        score = 0.0
        places, values, norm = self._features(text)
        if norm == 1.0:
            for place, value in zip(places, values, strict=True):
                score += value * weights[place]
        else:
            for place, value in zip(places, values, strict=True):
                score += value / norm * weights[place]
        return score + self._intercept

    def _scores(self, text: str) -> Scores:
        places, values, norm = self._features(text)
        scores = np.zeros(len(self._intercepts))
        if places:
            column = np.array(values).reshape(-1, 1) / norm
            # accumulate adds one row after another; reduce need not
            scores = np.add.accumulate(column * self._weight_rows[places], axis=0)[-1]
        scores += self._intercepts
        return scores

    def _features(self, text: str) -> tuple[list[int], list[float], float]:
        """Return a text's features that are not zero, in their order: places, values, and what to divide these by."""
        place_of, idf = self._place_of, self._idf
        found = [place for term in self._terms(text) if (place := place_of(term)) is not None]
        found.sort()
        places: list[int] = []
        values: list[float] = []
        last = -1
        count = 1
        for place in found:
            if place != last:
                places.append(place)
                values.append(idf[place])
                last = place
                count = 1
            else:
                count += 1
                frequency = self._frequencies[count] if count < _REPEATS else self._frequency(count)
                values[-1] = frequency * idf[place]
        total = 0.0
        if self._norm == "l2":
            for value in values:
                total += value * value
            total = sqrt(total)
        elif self._norm == "l1":
            for value in values:
                total += abs(value)
        return places, values, total or 1.0


def _frequency(features: TextFeatures) -> Callable[[int], float]:
    """Return what a number of repeats becomes before the idf; of one it is 1 in each case."""
    if features.binary:
        return lambda _: 1.0
    if features.sublinear:
        return lambda count: float(np.log(np.array([float(max(count, 1))]))[0]) + 1.0
    return float
