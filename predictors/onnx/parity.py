# SPDX-License-Identifier: Apache-2.0
"""The gate before a faster scorer: nothing is served by it unless it is equal to the estimator on these rows."""

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from predictors.errors import PredictorError
from predictors.rows import number_of_rows, stack, take
from predictors.scorers.scorer import Scorer
from predictors.signature import Tensors

_ROWS_AT_ONCE: Final = 8_192
_ROWS_ALONE: Final = 32
_NONE: Final[Mapping[str, Tensors]] = {}


@dataclass(frozen=True)
class Tolerance:
    """How far a floating output may be from the estimator's.

    The difference is measured against the value itself, or, for values nearer to zero than that, against ``floor``
    times the largest value of that output: near zero, rounding is relative to what was added up, not to the sum.

    Attributes:
        relative: The largest difference allowed.
        floor: Where "near zero" begins, as a part of the output's largest absolute value.
    """

    relative: float
    floor: float


#: For arithmetic in float64; near zero, an absolute difference of 1e-12 of the output's scale.
FLOAT64: Final = Tolerance(relative=1e-6, floor=1e-6)

#: For trees whose sums are float32: 100 rounded votes make 6e-7 of the sum, and so too of what is left to 1.
FLOAT32_TREES: Final = Tolerance(relative=1e-5, floor=0.1)


@dataclass(frozen=True)
class ParityReport:
    """What the gate found.

    Attributes:
        held: Whether the candidate may stand in for the estimator.
        reason: One sentence, for people.
        rows: On how many rows both were scored.
        max_relative_difference: Of each floating output, as ``Tolerance`` measures it; empty when nothing could be
            compared.
        tolerance: What was allowed.
    """

    held: bool
    reason: str
    rows: int
    max_relative_difference: Mapping[str, float] = field(default_factory=dict)
    tolerance: Tolerance = FLOAT64


def check_parity(
    reference: Scorer,
    candidate: Scorer,
    rows: Tensors,
    tolerance: Tolerance = FLOAT64,
    refused: Mapping[str, Tensors] = _NONE,
) -> ParityReport:
    """Compare a candidate with the estimator on the same rows, in batches and, for some, alone.

    Labels must be equal on every row; floating outputs within the tolerance; names, shapes, dtypes and the places of
    missing values the same.

    Args:
        reference: The scorer that calls the estimator; it must accept the rows.
        candidate: The scorer that wants to stand in for it.
        rows: Input tensors: the sample's and those of ``perturbed_rows``.
        tolerance: What is allowed to floating outputs.
        refused: Rows that the estimator refuses, by what is wrong with them: the candidate must refuse them too.
    """
    count = number_of_rows(rows)
    some = np.unique(np.linspace(0, count - 1, _ROWS_ALONE).astype(int))
    with warnings.catch_warnings():
        # scikit-learn warns of categories it does not know; such rows are here on purpose.
        warnings.simplefilter("ignore")
        expected = _in_batches(reference, rows)
        try:
            actual = _in_batches(candidate, rows)
            actual_alone = stack([candidate.score(take(rows, some[place : place + 1])) for place in range(len(some))])
        except PredictorError as err:
            return ParityReport(
                held=False, reason=f"it fails on rows that the estimator scores: {err}", rows=count, tolerance=tolerance
            )
    comparisons = [
        *(_compare(name, values, actual.get(name), tolerance, _scale(values)) for name, values in expected.items()),
        *(
            _compare(f"{name} of a row scored alone", values[some], actual_alone.get(name), tolerance, _scale(values))
            for name, values in expected.items()
        ),
    ]
    differences = {
        comparison.name: comparison.difference for comparison in comparisons[: len(expected)] if comparison.is_float
    }
    fault = next((comparison.fault for comparison in comparisons if comparison.fault), None)
    fault = fault or _answered(candidate, refused)
    return ParityReport(
        held=fault is None,
        reason=fault
        or f"{', '.join(comparison.agreement for comparison in comparisons[: len(expected)])} on {count:,} rows",
        rows=count,
        max_relative_difference=differences,
        tolerance=tolerance,
    )


def _answered(candidate: Scorer, refused: Mapping[str, Tensors]) -> str | None:
    for wrong, rows in refused.items():
        try:
            candidate.score(rows)
        except PredictorError:
            continue
        return f"it answers a row with {wrong}, which the estimator refuses"
    return None


@dataclass(frozen=True)
class _Comparison:
    name: str
    is_float: bool = False
    difference: float = float("inf")
    fault: str | None = None

    @property
    def agreement(self) -> str:
        close = self.is_float and self.difference > 0
        return f"{self.name} within {self.difference:.1e} relative" if close else f"{self.name} equal"


_Array = npt.NDArray[np.generic]


def _compare(name: str, expected: _Array, actual: _Array | None, tolerance: Tolerance, scale: float) -> _Comparison:
    if actual is None:
        return _Comparison(name, fault=f"there is no {name}")
    if (actual.shape, actual.dtype) != (expected.shape, expected.dtype):
        return _Comparison(
            name,
            fault=f"{name}: {actual.dtype} {actual.shape} instead of {expected.dtype} {expected.shape}",
        )
    if expected.dtype.kind != "f":
        return _Comparison(name, fault=_difference_of_labels(name, expected, actual))
    return _compare_floats(name, expected.astype(np.float64), actual.astype(np.float64), tolerance, scale)


def _compare_floats(
    name: str, expected: npt.NDArray[np.float64], actual: npt.NDArray[np.float64], tolerance: Tolerance, scale: float
) -> _Comparison:
    missing = _rows_with(np.isnan(expected) != np.isnan(actual))
    if len(missing):
        fault = f"{name}: not missing (NaN) on the same rows, first on row {missing[0]:,}"
        return _Comparison(name, is_float=True, fault=fault)
    with np.errstate(invalid="ignore"):  # infinity less infinity
        difference = np.abs(actual - expected) / np.maximum(np.abs(expected), max(tolerance.floor * scale, _TINY))
    difference[(expected == actual) | np.isnan(expected)] = 0.0
    difference[np.isnan(difference)] = np.inf
    worst = float(difference.max(initial=0.0))
    if worst <= tolerance.relative:
        return _Comparison(name, is_float=True, difference=worst)
    place = np.unravel_index(int(difference.argmax()), difference.shape)
    fault = (
        f"{name}: off by up to {worst:.1e} relative ({tolerance.relative:.0e} is allowed), most on row {place[0]:,}, "
        f"where {expected[place]!s} became {actual[place]!s}"
    )
    return _Comparison(name, is_float=True, difference=worst, fault=fault)


def _difference_of_labels(name: str, expected: _Array, actual: _Array) -> str | None:
    rows = _rows_with(expected != actual)
    if not len(rows):
        return None
    first = rows[0]
    return (
        f"{name}: other on {len(rows):,} of {len(expected):,} rows, first on row {first:,}, where "
        f"{_told(expected[first])} became {_told(actual[first])}"
    )


def _told(label: Any) -> str:
    return repr(label.tolist() if isinstance(label, np.generic | np.ndarray) else label)


def _rows_with(condition: npt.NDArray[np.bool_]) -> npt.NDArray[np.intp]:
    return np.flatnonzero(condition.reshape(len(condition), -1).any(axis=1))


def _scale(values: _Array) -> float:
    if values.dtype.kind != "f":
        return 0.0
    finite = np.abs(values[np.isfinite(values)])
    return float(finite.max(initial=0.0))


#: Keeps 0 / 0 out of an output that is zero everywhere.
_TINY: Final = float(np.finfo(np.float64).tiny)


def _in_batches(scorer: Scorer, rows: Tensors) -> Tensors:
    count = number_of_rows(rows)
    starts = range(0, count, _ROWS_AT_ONCE)
    return stack([scorer.score(take(rows, slice(start, start + _ROWS_AT_ONCE))) for start in starts])
