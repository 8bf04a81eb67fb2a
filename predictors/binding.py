# SPDX-License-Identifier: Apache-2.0
"""How a fitted estimator and V2 tensors fit together: found from a sample, and proven on it."""

import warnings
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.base import BaseEstimator

from predictors.datatypes import datatype_of
from predictors.errors import PackingError
from predictors.model_inputs import Layout, Rows, disassemble
from predictors.sample import TensorLayout, describe_inputs
from predictors.scorers.estimator import EstimatorScorer
from predictors.signature import Signature, Tensors, TensorSpec


@dataclass(frozen=True, slots=True)
class Binding:
    """A model with the tensors that it was found to take and give.

    Attributes:
        scorer: The estimator behind its tensors.
        layout: How the estimator takes its rows.
        signature: Its tensors.
        rows: The sample as input tensors.
        outputs: What the estimator says of the sample.
    """

    scorer: EstimatorScorer
    layout: Layout
    signature: Signature
    rows: Tensors
    outputs: Tensors


def bind(model: BaseEstimator, frame: pd.DataFrame, tensors: TensorLayout) -> Binding:
    """Return the binding whose tensors give the same outputs as the sample does when the model gets it directly.

    Args:
        model: The fitted estimator.
        frame: The sample, with just the columns that the model takes.
        tensors: How columns become tensors; ``auto`` prefers one matrix of numbers, and takes one tensor for each
            column where the columns' own types change what the model says.

    Raises:
        PackingError: The model refuses the sample, or answers otherwise when the sample comes as tensors.
    """
    layout, expected = _ask_directly(model, frame)
    choices: tuple[TensorLayout, ...] = ("auto", "columns") if tensors == "auto" else (tensors,)
    for choice in choices:
        specs = describe_inputs(frame, choice)
        scorer = EstimatorScorer(model, specs, layout)
        rows = disassemble(frame, specs)
        outputs = _score(scorer, rows)
        if outputs is not None and _identical(expected, outputs):
            signature = Signature(inputs=specs, outputs=_describe_outputs(outputs, model))
            return Binding(scorer, layout, signature, rows, outputs)
    raise PackingError(
        "the model answers otherwise when the sample's rows come as V2 tensors; its columns may need other types "
        "(plain numbers, booleans or texts)"
    )


def _ask_directly(model: BaseEstimator, frame: pd.DataFrame) -> tuple[Layout, Tensors]:
    """Return how the model takes its rows, and what it says of the sample given so."""
    scorer = EstimatorScorer(model, (), "frame")
    refusals = []
    for layout, rows in _candidates(model, frame):
        try:
            with warnings.catch_warnings():
                # scikit-learn only warns when rows come otherwise than they came to fit.
                warnings.filterwarnings("error", "X (has|does not have valid) feature names", UserWarning)
                outputs = scorer.score_rows(rows)
        except (AttributeError, TypeError, ValueError, UserWarning) as err:
            refusals.append(str(err).strip().splitlines()[0])
            continue
        if all(len(output) == len(frame) for output in outputs.values()):
            return layout, outputs
        refusals.append("it gives another number of rows than it takes")
    raise PackingError(f"the model refuses the sample: {refusals[0]}")


def _candidates(model: BaseEstimator, frame: pd.DataFrame) -> list[tuple[Layout, Rows]]:
    by_frame: tuple[Layout, Rows] = ("frame", frame)
    if hasattr(model, "feature_names_in_"):
        return [by_frame]
    numeric = all(pd.api.types.is_numeric_dtype(dtype) for dtype in frame.dtypes)
    if numeric:
        return [("matrix", frame.to_numpy()), by_frame]
    if frame.shape[1] == 1:
        return [("texts", frame.iloc[:, 0].to_numpy(object)), by_frame]
    return [by_frame, ("matrix", frame.to_numpy(object))]


def _score(scorer: EstimatorScorer, rows: Tensors) -> Tensors | None:
    try:
        return scorer.score(rows)
    except (TypeError, ValueError):
        return None


def _identical(expected: Tensors, outputs: Tensors) -> bool:
    return all(_same(expected[name], outputs[name]) for name in expected)


def _same(one: npt.NDArray[np.generic], other: npt.NDArray[np.generic]) -> bool:
    if one.dtype.kind == "f":
        return one.shape == other.shape and np.array_equal(one, other, equal_nan=True)
    return np.array_equal(one, other)


def _describe_outputs(outputs: Tensors, model: BaseEstimator) -> tuple[TensorSpec, ...]:
    classes = getattr(model, "classes_", None)
    labels = None if classes is None or isinstance(classes, list) else tuple(np.asarray(classes).tolist())
    specs = []
    for name, array in outputs.items():
        try:
            datatype = datatype_of(array.dtype)
        except ValueError as err:
            raise PackingError(f'the model\'s output "{name}" cannot be a V2 tensor: {err}') from err
        told = (
            labels
            if name == "label" or (name == "probabilities" and labels and array.shape[1:] == (len(labels),))
            else None
        )
        specs.append(TensorSpec(name=name, datatype=datatype, shape=(-1, *array.shape[1:]), labels=told))
    return tuple(specs)
