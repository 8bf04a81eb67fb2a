# SPDX-License-Identifier: Apache-2.0
"""Where a model's output jumps between two adjacent numbers of one column: thresholds, found from outside."""

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from predictors.rows import Place, number_of_rows, stack, take
from predictors.scorers.scorer import Scorer
from predictors.signature import Tensors

#: How many pairs of rows are searched.
PAIRS: Final = 512

#: A change smaller than this part of the largest output is the rounding of a continuous model, no jump.
SMALLEST_JUMP: Final = 1e-9

_Array = npt.NDArray[np.generic]
_Keys = npt.NDArray[np.int64]
_Outputs = npt.NDArray[np.float64]


def rows_at_jumps(scorer: Scorer, sample: Tensors, numeric: list[Place], rng: np.random.Generator) -> dict[str, _Array]:
    """Return rows, two for each jump found: one number apart in one column, with outputs that are not close.

    The value of one column is taken from another row; where that changes the output, the way between both values is
    halved, towards the larger change, until they are adjacent numbers of their dtype. Only outputs that are numbers
    are looked at: where a continuous model's label changes, a rounding decides.

    Args:
        scorer: The scorer that calls the estimator.
        sample: The sample's rows as input tensors.
        numeric: The columns that hold numbers; each gets the same share of the pairs.
        rng: Chooses the rows.
    """
    rows = take(sample, rng.integers(number_of_rows(sample), size=PAIRS))
    others = take(sample, rng.integers(number_of_rows(sample), size=PAIRS))
    chosen = rng.permutation(np.arange(max(PAIRS, len(numeric))) % len(numeric))[:PAIRS]
    line = _Line(rows, numeric, chosen)
    start, end = line.keys_of(rows), line.keys_of(others)
    from_start, from_end = (_observed(scorer, line.at(keys)) for keys in (start, end))
    smallest = SMALLEST_JUMP * np.nanmax(np.abs([from_start, from_end]), initial=np.finfo(np.float64).tiny)
    while True:
        middle = (start & end) + ((start ^ end) >> 1)  # the average, without overflow
        jumps = _change(from_start, from_end) > smallest
        moving = jumps & (middle != start) & (middle != end)
        if not moving.any():
            break
        at_middle = _observed(scorer, line.at(middle))
        in_first_half = _change(from_start, at_middle) >= _change(at_middle, from_end)
        to_end, to_start = moving & in_first_half, moving & ~in_first_half
        end[to_end], from_end[to_end] = middle[to_end], at_middle[to_end]
        start[to_start], from_start[to_start] = middle[to_start], at_middle[to_start]
    found = np.flatnonzero(jumps)
    return stack([take(line.at(keys), found) for keys in (start, end)])


class _Line:
    """Rows of which one number each may change; it is counted by a key, so that adjacent numbers are one key apart."""

    def __init__(self, rows: Tensors, numeric: list[Place], chosen: npt.NDArray[np.intp]) -> None:
        self._rows = rows
        self._places = [(place, np.flatnonzero(chosen == number)) for number, place in enumerate(numeric)]

    def keys_of(self, rows: Tensors) -> _Keys:
        keys = np.zeros(number_of_rows(rows), dtype=np.int64)
        for place, which in self._places:
            keys[which] = _keys(rows[place.spec.name][place.selection][which])
        return keys

    def at(self, keys: _Keys) -> dict[str, _Array]:
        rows = {name: array.copy() for name, array in self._rows.items()}
        for place, which in self._places:
            column: Any = rows[place.spec.name][place.selection]
            column[which] = _numbers(keys[which], place.dtype)
        return rows


def _keys(numbers: _Array) -> _Keys:
    if numbers.dtype.kind != "f":
        return numbers.astype(np.int64)
    finite = np.nan_to_num(numbers, posinf=0.0, neginf=0.0)
    bits = finite.view(f"i{finite.dtype.itemsize}")
    # The bits of negative numbers count away from zero.
    return np.where(bits < 0, np.iinfo(bits.dtype).min - bits, bits).astype(np.int64)


def _numbers(keys: _Keys, dtype: np.dtype[np.generic]) -> _Array:
    if dtype.kind != "f":
        return keys.astype(dtype)
    bits = keys.astype(f"i{dtype.itemsize}")
    return np.where(bits < 0, np.iinfo(bits.dtype).min - bits, bits).view(dtype)


def _observed(scorer: Scorer, rows: Tensors) -> _Outputs:
    outputs = scorer.score(rows)
    numbers = [
        array.reshape(len(array), -1)
        for name, array in outputs.items()
        if array.dtype.kind == "f" and not name.startswith("label")
    ]
    return np.column_stack(numbers).astype(np.float64) if numbers else np.zeros((number_of_rows(rows), 1))


def _change(outputs: _Outputs, others: _Outputs) -> npt.NDArray[np.float64]:
    change: npt.NDArray[np.float64] = np.abs(outputs - others).max(axis=1)
    return change
