# SPDX-License-Identifier: Apache-2.0
"""Every output counted in the bins of the artifact's reference distribution, as rollouts and drift read them."""

from bisect import bisect_right
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from predictors.reference import Bins, CategoryBins, NumericBins, Reference, TextBins, category_text
from predictors.signature import Signature, Tensors

#: Up to so many rows, counting one value after another is faster than numpy.
_FEW_ROWS: Final = 16

#: Gives the place of a value's bin.
_Finder = Callable[[Any], int]


class BinnedOutput(NamedTuple):
    """One output, or one column of it, that is counted.

    Attributes:
        name: Its name in the reference: the tensor's, with the label of the column behind a point where it has some.
        labels: Of each of its places in the counters, the bin's name.
        start: Its first place.
    """

    name: str
    labels: tuple[str, ...]
    start: int


class OutputCounts:
    """Counts outputs into places of a row of counters.

    Attributes:
        outputs: What is counted, in the order of the places.
        size: The number of places.
    """

    def __init__(self, reference: Reference | None, signature: Signature, start: int) -> None:
        """Find the bins of each output.

        Args:
            reference: The artifact's distribution; None counts nothing.
            signature: The public tensors.
            start: The first place to use.
        """
        self.outputs: list[BinnedOutput] = []
        self._vectors: list[tuple[str, _Finder, int, Bins]] = []
        self._matrices: list[tuple[str, Sequence[tuple[_Finder, int, Bins] | None]]] = []
        place = start
        bins_of = reference.outputs if reference else {}
        for spec in signature.outputs:
            columns: list[tuple[_Finder, int, Bins] | None] = []
            names = [spec.name]
            if spec.labels is not None and len(spec.shape) > 1:
                names = [f"{spec.name}.{category_text(label)}" for label in spec.labels]
            for name in names:
                bins = bins_of.get(name)
                if bins is None:
                    columns.append(None)
                    continue
                labels = _labels(bins)
                self.outputs.append(BinnedOutput(name, labels, place))
                columns.append((_finder(bins), place, bins))
                place += len(labels)
            if names != [spec.name]:
                self._matrices.append((spec.name, columns))
            elif columns[0] is not None:
                self._vectors.append((spec.name, *columns[0]))
        self.size = place - start

    def count(self, counters: memoryview, outputs: Tensors) -> None:
        """Add the outputs of one request, all of them whether or not the client asked for them."""
        for name, find, start, bins in self._vectors:
            array = outputs[name]
            if array.size <= _FEW_ROWS:
                for value in array.ravel().tolist() if array.ndim > 1 else array.tolist():
                    counters[start + find(value)] += 1
            else:
                _add(counters, start, bins.count(array))
        for name, columns in self._matrices:
            array = outputs[name]
            if len(array) <= _FEW_ROWS:
                for row in array.tolist():
                    for value, column in zip(row, columns, strict=True):
                        if column is not None:
                            counters[column[1] + column[0](value)] += 1
            else:
                for number, column in enumerate(columns):
                    if column is not None:
                        _add(counters, column[1], column[2].count(array[:, number]))


def _add(counters: memoryview, start: int, counts: npt.NDArray[np.int64]) -> None:
    for place, count in enumerate(counts.tolist(), start):
        counters[place] += count


def _labels(bins: Bins) -> tuple[str, ...]:
    """Return the names of the bins in the order in which ``count`` of each kind gives them."""
    if isinstance(bins, CategoryBins):
        return (*bins.categories, "other", "missing")
    edges = bins.lengths.edges if isinstance(bins, TextBins) else bins.edges
    bounds = ["-inf", *map(repr, edges), "+inf"]
    return (*(f"[{low}, {high})" for low, high in pairwise(bounds)), "missing")


def _finder(bins: Bins) -> _Finder:
    if isinstance(bins, CategoryBins):
        return _category_finder(bins)
    if isinstance(bins, TextBins):
        lengths = _numeric_finder(bins.lengths)
        return lambda text: lengths(float("nan") if text is None else len(text))
    return _numeric_finder(bins)


def _numeric_finder(bins: NumericBins) -> _Finder:
    edges = bins.edges
    missing = len(edges) + 1

    def find(value: float) -> int:
        return bisect_right(edges, value) if value == value else missing  # noqa: PLR0124 (NaN alone differs from itself)

    return find


def _category_finder(bins: CategoryBins) -> _Finder:
    places = {category: place for place, category in enumerate(bins.categories)}
    other = len(places)

    def find(value: object) -> int:
        if value is None:
            return other + 1
        return places.get(value if type(value) is str else category_text(value), other)

    return find
