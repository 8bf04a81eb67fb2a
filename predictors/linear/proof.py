# SPDX-License-Identifier: Apache-2.0
"""The attempt to serve a linear model by a direct scorer: conversion, and the proof that every bit is the same."""

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from pydantic import ValidationError
from sklearn.base import BaseEstimator

from predictors.errors import ArtifactError, fault_sentence
from predictors.linear.conversion import convert
from predictors.linear.document import Kind, from_bytes, to_bytes
from predictors.linear.errors import NotLinearError
from predictors.linear.trials import trial_rows
from predictors.model_inputs import Layout
from predictors.rows import number_of_rows, stack, take
from predictors.scorers.choice import linear_scorer
from predictors.scorers.scorer import Scorer
from predictors.signature import Signature, Tensors

#: So many rows of the sample are asked one at a time; of the odd rows every one.
_ALONE: Final = 128
_BATCHES: Final = (2, 3, 5, 8, 16, 33, 128, 1_000)


@dataclass(frozen=True)
class LinearProof:
    """What became of the attempt.

    Attributes:
        reason: One sentence: on what the scorer held, or why there is none.
        content: The bytes of linear.json; None where none was proven equal.
        kind: The scorer that reads it.
    """

    reason: str
    content: bytes | None = None
    kind: Kind | None = None


def prove_linear(
    estimator: BaseEstimator, reference: Scorer, signature: Signature, layout: Layout, sample: Tensors
) -> LinearProof:
    """Return the direct scorer's file where its outputs are the estimator's bit for bit, or why there is none.

    Asked are rows of the sample and odd rows, one at a time and in batches; what the estimator refuses, the scorer
    must refuse too.

    Args:
        estimator: The fitted estimator.
        reference: The scorer that calls it.
        signature: The model's tensors, as the reference takes and gives them.
        layout: What the estimator was fitted on.
        sample: The sample's rows as input tensors, at least one.
    """
    try:
        document = convert(estimator, signature, layout)
        content = to_bytes(document)
        # What is tried is what will be read.
        scorer = linear_scorer(from_bytes(content), signature.inputs)
    except ValidationError as err:
        return LinearProof(f"it does not fit a direct scorer: {fault_sentence(err.errors(include_url=False)[0])}")
    except (NotLinearError, ArtifactError, ValueError) as err:
        return LinearProof(str(err))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of overflow: such rows are here on purpose
        chosen, odd = trial_rows(sample, signature.inputs)
        for rows in _trials(reference, chosen, odd):
            difference = _difference(_answer(reference, rows), _answer(scorer, rows))
            if difference is not None:
                number = number_of_rows(rows)
                return LinearProof(f"{difference}, in a batch of {number:,}" if number != 1 else difference)
    count = number_of_rows(chosen) + number_of_rows(odd)
    return LinearProof(
        f"bit for bit equal to the estimator on {count:,} rows, alone and in batches", content, document.kind
    )


def _trials(reference: Scorer, chosen: Tensors, odd: Tensors) -> Iterator[Tensors]:
    yield take(chosen, slice(0))
    some = np.unique(np.linspace(0, number_of_rows(chosen) - 1, _ALONE).astype(int))
    yield from (take(chosen, slice(place, place + 1)) for place in some.tolist())
    accepted: list[Tensors] = []
    for place in range(number_of_rows(odd)):
        row = take(odd, slice(place, place + 1))
        yield row
        if _answer(reference, row) is not None:
            accepted.append(row)
    rows = stack([*accepted, chosen])
    for size in _BATCHES:
        yield take(rows, slice(size))
        yield take(rows, slice(-size, None))
    yield rows


def _answer(scorer: Scorer, rows: Tensors) -> Tensors | None:
    try:
        return scorer.score(rows)
    except (AttributeError, LookupError, TypeError, ValueError):
        return None


def _difference(expected: Tensors | None, found: Tensors | None) -> str | None:
    if expected is None or found is None:
        refusal = "it answers rows that the estimator refuses", "it refuses rows that the estimator answers"
        return None if expected is found else refusal[found is None]
    if list(expected) != list(found):
        return f"it gives {', '.join(found)} instead of {', '.join(expected)}"
    for name, want in expected.items():
        got = found[name]
        if (got.shape, got.dtype) != (want.shape, want.dtype):
            return f"{name}: {got.dtype} {got.shape} instead of {want.dtype} {want.shape}"
        if not _same_bits(want, got):
            return f"{name}: not the same bits"
    return None


def _same_bits(want: npt.NDArray[np.generic], got: npt.NDArray[np.generic]) -> bool:
    if want.dtype == object:
        return bool(want.tolist() == got.tolist())
    if want.dtype.kind != "f":
        return bool(np.array_equal(want, got))
    same = (want == got) & (np.signbit(want) == np.signbit(got))
    return bool((same | (np.isnan(want) & np.isnan(got))).all())
