# SPDX-License-Identifier: Apache-2.0
"""Rows on which a direct scorer must do as the estimator does: the sample's, and the oddest that may come."""

from collections.abc import Iterator
from typing import Any, Final

import numpy as np

from predictors.rows import Place, number_of_rows, places_of, stack, take
from predictors.signature import Tensors, TensorSpec

_SEED: Final = 20_240_229
_SAMPLE_ROWS: Final = 4_096
_RANDOM_ROWS: Final = 32
_LONGEST_TEXT: Final = 50_000
_MOST_COLUMNS: Final = 64

#: What numbers are multiplied with: nothing, tiny and huge.
_FACTORS: Final = (0.0, -1.0, 1e-320, 1e-300, 1e-12, 1e6, 1e20, 1e150, 1e300, 1e308)

#: Nothing, white space, marks, digits of several scripts, letters whose case has another length, combining accents,
#: characters outside the basic plane, and controls.
_TEXTS: Final = (
    "",
    " ",
    "\n\t  \r\n",
    "...!!!???",
    "a",
    "A",
    "0123456789 \u0663\u0664\u0665 \u00b2\u00bd \uff11\uff12\uff13",
    "\u0130stanbul \u01c5 \ufb03 \u1e9e STRASSE stra\u00dfe \u03a3\u03c3\u03c2",
    "Cr\u00e8me br\u00fbl\u00e9e, cre\u0300me bru\u0302le\u0301e, \u0142\u00f3d\u017a, \u00f8",
    "\u4f60\u597d \u3053\u3093\u306b\u3061\u306f \u0627\u0644\u0633\u0644\u0627\u0645 \u05e9\u05dc\u05d5\u05dd",
    "\U0001f44b\U0001f3fd \U0001d4d0\U0001d4d1 \u200d\u200b\ufeff\u00ad",
    "zero\x00byte\x1c\x1d\x1e\x1f\x85\u2028\u2029\u3000end",
    "under_score _ __ a_b 1_000 don't can\u2019t e-mail x.y@z",
)


def trial_rows(sample: Tensors, specs: tuple[TensorSpec, ...]) -> tuple[Tensors, Tensors]:
    """Return rows of the sample, evenly chosen where it has many, and odd rows; always the same ones.

    Args:
        sample: The sample's rows as input tensors, at least one.
        specs: The model's input tensors: one of texts, or all of numbers.
    """
    rng = np.random.default_rng(_SEED)
    count = number_of_rows(sample)
    chosen = take(sample, np.unique(np.linspace(0, count - 1, _SAMPLE_ROWS).astype(int)))
    if specs[0].datatype == "BYTES":
        name = specs[0].name
        odd = list(_odd_texts([str(text) for text in chosen[name]], rng))
        return chosen, {name: np.array(odd, dtype=object)}
    return chosen, stack(list(_odd_numbers(chosen, places_of(specs), rng)))


def _odd_texts(texts: list[str], rng: np.random.Generator) -> Iterator[str]:
    yield from _TEXTS
    some = [texts[place] for place in rng.integers(len(texts), size=_RANDOM_ROWS)]
    for text, other in zip(some, reversed(some), strict=True):
        half = len(text) // 2
        yield text.upper()
        yield text.title()
        yield text[::-1]
        yield text[half:] + other[: len(other) // 2]  # words cut in two
        yield f"{text} {other} {text}"
    for text in (*some[:4], "a", "\u00e9 "):
        for times in (3, 300):
            yield f"{text} " * times
    yield " ".join(texts)[:_LONGEST_TEXT]
    yield "".join(_TEXTS) + " ".join(_TEXTS)


def _odd_numbers(sample: Tensors, places: list[Place], rng: np.random.Generator) -> Iterator[Tensors]:
    rows = take(sample, rng.integers(number_of_rows(sample), size=_RANDOM_ROWS))
    few, one = take(rows, slice(8)), take(rows, slice(1))
    yield _with(rows, [(place, rng.permutation(_column(rows, place))) for place in places])
    yield _with(rows, [(place, _cast(rng.normal(size=_RANDOM_ROWS) * _spread(place), place)) for place in places])
    for factor in _FACTORS:
        yield _with(few, [(place, _cast(_column(few, place) * factor, place)) for place in places])
    for column in [place for place in places if place.dtype.kind == "f"][:_MOST_COLUMNS]:
        for value in (np.nan, np.inf, -np.inf):
            yield _with(one, [(column, value)])


def _with(rows: Tensors, values: list[tuple[Place, Any]]) -> Tensors:
    changed = {name: array.copy() for name, array in rows.items()}
    for place, value in values:
        _column(changed, place)[:] = value
    return changed


def _column(rows: Tensors, place: Place) -> Any:
    return rows[place.spec.name][place.selection]


def _spread(place: Place) -> float:
    low, high = place.column.minimum or 0.0, place.column.maximum or 0.0
    return max(abs(low), abs(high), 1.0)


def _cast(numbers: Any, place: Place) -> Any:
    if place.dtype.kind == "b":
        return np.abs(numbers) >= 1
    limits: Any = np.finfo(place.dtype.name) if place.dtype.kind == "f" else np.iinfo(place.dtype.name)
    # A limit of int64 is no float64: the number below it is.
    clipped = np.clip(numbers, np.nextafter(float(limits.min), 0), np.nextafter(float(limits.max), 0))
    return clipped.astype(place.dtype)
