# SPDX-License-Identifier: Apache-2.0
"""``linear.json``: all the numbers and words that a linear model computes with, as plain data.

Floats are written by orjson, which gives every float64 back bit for bit.
"""

import re
from typing import Annotated, Literal, TypeAlias

import numpy as np
import orjson
from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, ValidationError, model_validator

from predictors.errors import ArtifactError, fault_sentence

#: Which scorer reads the document: rows of numbers, or texts.
Kind: TypeAlias = Literal["linear", "linear_text"]


class _Data(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class ScalingStep(_Data):
    """One operation on every row of numbers, as scikit-learn's scalers do it.

    Attributes:
        operation: What is done; ``clip`` is to the range between the two values.
        values: One for each column, or the two ends of the range.
    """

    operation: Literal["subtract", "divide", "multiply", "add", "clip"]
    values: list[FiniteFloat]


class TextFeatures(_Data):
    """How a text becomes the values of its terms, as CountVectorizer and TfidfTransformer do it.

    Attributes:
        analyzer: What terms are made of: words, characters, or characters within words.
        lowercase: Whether the text is put into lower case first.
        strip_accents: How its accents are removed after that; None leaves them.
        token_pattern: The regular expression of a word; of no meaning where terms are made of characters.
        stop_words: Words left out.
        ngram_range: The smallest and the largest number of words or characters in a term.
        vocabulary: The terms, in the order of the model's features.
        binary: Whether a term counts once, however often it stands there.
        sublinear: Whether a count n becomes 1 + ln(n).
        idf: The terms' weights; None for none.
        norm: The norm that a row's values are divided by.
    """

    analyzer: Literal["word", "char", "char_wb"]
    lowercase: bool
    strip_accents: Literal["ascii", "unicode"] | None
    token_pattern: str
    stop_words: list[str]
    ngram_range: Annotated[list[Annotated[int, Field(ge=1)]], Field(min_length=2, max_length=2)]
    vocabulary: list[str]
    binary: bool
    sublinear: bool
    idf: list[FiniteFloat] | None
    norm: Literal["l1", "l2"] | None

    @model_validator(mode="after")
    def _fits(self) -> "TextFeatures":
        if self.idf is not None and len(self.idf) != len(self.vocabulary):
            raise ValueError("there must be one idf for each term")
        try:
            re.compile(self.token_pattern)
        except re.error as err:
            raise ValueError(f"the token pattern is no regular expression: {err}") from err
        return self


class LinearMap(_Data):
    """The scores of a row: its features times the coefficients, plus the intercepts.

    Attributes:
        coefficients: One list for each score, with one number for each feature.
        intercepts: One for each score.
        vector: Whether scikit-learn holds the coefficients of the only score as a vector.
        order: How it lays out their matrix in memory, on which the order of BLAS's additions may depend.
    """

    coefficients: Annotated[list[list[FiniteFloat]], Field(min_length=1)]
    intercepts: list[FiniteFloat]
    vector: bool
    order: Literal["C", "F"]

    @model_validator(mode="after")
    def _fits(self) -> "LinearMap":
        widths = {len(row) for row in self.coefficients}
        if len(widths) != 1 or len(self.intercepts) != len(self.coefficients):
            raise ValueError("there must be one intercept, and equally many coefficients, for each score")
        if self.vector and len(self.coefficients) != 1:
            raise ValueError("a vector of coefficients gives one score")
        return self


class Regression(_Data):
    """The scores are the predictions."""

    task: Literal["regression"] = "regression"


class BinaryClassification(_Data):
    """One score tells between two classes: the label is the second one of ``labels`` from the threshold on.

    Attributes:
        labels: The label below the threshold, and the one from it on.
        labels_dtype: Their numpy dtype; ``object`` for texts.
        observed: What is held against the threshold: the score, its negative, the probability of the second class or
            of the first one.
        threshold: The threshold.
        probabilities: How they are made of the score; None where the model has none.
    """

    task: Literal["binary"] = "binary"
    labels: Annotated[list[str | int | float | bool], Field(min_length=2, max_length=2)]
    labels_dtype: str
    observed: Literal["score", "negative_score", "second_probability", "first_probability"]
    threshold: FiniteFloat
    probabilities: Literal["logistic"] | None


class MulticlassClassification(_Data):
    """One score for each class: the label is that of the largest.

    Attributes:
        labels: The classes.
        labels_dtype: Their numpy dtype; ``object`` for texts.
        probabilities: How they are made of the scores; None where the model has none.
    """

    task: Literal["multiclass"] = "multiclass"
    labels: Annotated[list[str | int | float | bool], Field(min_length=3)]
    labels_dtype: str
    probabilities: Literal["softmax", "one_vs_rest"] | None


Task: TypeAlias = Annotated[Regression | BinaryClassification | MulticlassClassification, Field(discriminator="task")]


class LinearDocument(_Data):
    """What ``linear.json`` holds.

    Attributes:
        columns_first: Whether several rows stand in memory column after column, as they do where scikit-learn gets a
            DataFrame.
        steps: What is done to rows of numbers before the model; none for texts.
        text: How texts become features; None for rows of numbers.
        linear: The model's scores.
        task: What its scores mean.
    """

    columns_first: bool = False
    steps: list[ScalingStep] = []
    text: TextFeatures | None = None
    linear: LinearMap
    task: Task

    @property
    def kind(self) -> Kind:
        """The scorer that reads it."""
        return "linear" if self.text is None else "linear_text"

    @model_validator(mode="after")
    def _fits(self) -> "LinearDocument":
        width = len(self.linear.coefficients[0])
        if self.text is not None and (len(self.text.vocabulary) != width or self.steps):
            raise ValueError("there must be one coefficient for each term, and no step")
        if any(len(step.values) != (2 if step.operation == "clip" else width) for step in self.steps):
            raise ValueError("each step must have one value for each coefficient")
        scores = len(self.linear.coefficients)
        if isinstance(self.task, BinaryClassification) and scores != 1:
            raise ValueError("two classes are told by one score")
        if isinstance(self.task, MulticlassClassification) and scores != len(self.task.labels):
            raise ValueError("there must be one score for each label")
        if not isinstance(self.task, Regression):
            _check_labels(self.task.labels, self.task.labels_dtype)
        return self


def to_bytes(document: LinearDocument) -> bytes:
    """Return the document as JSON.

    Raises:
        ValueError: It holds a text that is no Unicode.
    """
    try:
        return orjson.dumps(document.model_dump(mode="python"))
    except TypeError as err:
        raise ValueError(f"it cannot be written as JSON: {err}") from err


def from_bytes(content: bytes) -> LinearDocument:
    """Return the document in the bytes of a file.

    Raises:
        ArtifactError: They are none.
    """
    try:
        return LinearDocument.model_validate(orjson.loads(content))
    except orjson.JSONDecodeError as err:
        raise ArtifactError(f"linear.json: not valid JSON ({err.msg} at byte {err.pos})") from err
    except ValidationError as err:
        raise ArtifactError(f"linear.json: {fault_sentence(err.errors(include_url=False)[0])}") from err


def _check_labels(labels: list[str | int | float | bool], dtype: str) -> None:
    kinds = {"O": str, "b": bool, "i": int, "u": int, "f": float}
    try:
        wanted = kinds.get(np.dtype(dtype).kind)
    except TypeError as err:
        raise ValueError(f"there is no dtype {dtype}") from err
    if wanted is None or any(type(label) is not wanted for label in labels):
        raise ValueError(f"the labels are not of dtype {dtype}")
