# SPDX-License-Identifier: Apache-2.0
"""Every output counted in the bins of the artifact's reference distribution, as rollouts and drift read them."""

from bisect import bisect_right
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any, Final, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from predictors.datatypes import Datatype
from predictors.reference import Bins, CategoryBins, NumericBins, Reference, TextBins, category_text
from predictors.signature import Signature, Tensors

#: Up to so many rows, counting one value after another is faster than numpy.
_FEW_ROWS: Final = 16

#: For each counted output or column of one, its first place and the counts of its bins.
Tally: TypeAlias = Sequence[tuple[int, npt.NDArray[np.int64]]]
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
                columns.append((_finder(bins, spec.datatype), place, bins))
                place += len(labels)
            if names != [spec.name]:
                self._matrices.append((spec.name, columns))
            elif columns[0] is not None:
                self._vectors.append((spec.name, *columns[0]))
        self.size = place - start

    def tally(self, outputs: Tensors) -> Tally | None:
        """Return the counts of many rows' outputs, which take their time; None for a few rows.

        It is pure, so a thread may do it where the event loop must not wait.
        """
        found: list[tuple[int, npt.NDArray[np.int64]]] = []
        for name, _, start, bins in self._vectors:
            if len(outputs[name]) <= _FEW_ROWS:
                return None
            found.append((start, bins.count(outputs[name])))
        for name, columns in self._matrices:
            if len(outputs[name]) <= _FEW_ROWS:
                return None
            for number, column in enumerate(columns):
                if column is not None:
                    _, start, bins = column
                    found.append((start, bins.count(outputs[name][:, number])))
        return found

    def count(self, counters: memoryview, outputs: Tensors, rows: int, tally: Tally | None = None) -> None:
        """Add the outputs of one request, all of them whether or not the client asked for them.

        Args:
            counters: Where to.
            outputs: The tensors.
            rows: How many rows they have.
            tally: Their counts, where they are known already.
        """
        if tally is None and rows > _FEW_ROWS:
            tally = self.tally(outputs)
        if tally is not None:
            for start, counts in tally:
                for place, count in enumerate(counts.tolist(), start):
                    counters[place] += count
            return
        for name, find, start, _ in self._vectors:
            array = outputs[name]
            if array.size == 1:
                counters[start + find(array.item())] += 1
            else:
                for value in array.ravel().tolist():
                    counters[start + find(value)] += 1
        for name, columns in self._matrices:
            for row in outputs[name].tolist():
                for value, column in zip(row, columns, strict=True):
                    if column is not None:
                        find, start, _ = column
                        counters[start + find(value)] += 1


def _labels(bins: Bins) -> tuple[str, ...]:
    """Return the names of the bins in the order in which ``count`` of each kind gives them."""
    if isinstance(bins, CategoryBins):
        return (*bins.categories, _free_name("other", bins.categories), _free_name("missing", bins.categories))
    edges = bins.lengths.edges if isinstance(bins, TextBins) else bins.edges
    bounds = ["-inf", *map(repr, edges), "+inf"]
    return (*(f"[{low}, {high})" for low, high in pairwise(bounds)), "missing")


def _free_name(name: str, categories: tuple[str, ...]) -> str:
    """Return a name for what is in none of the categories: in brackets where one of them is called so."""
    while name in categories:
        name = f"({name})"
    return name


def _finder(bins: Bins, datatype: Datatype) -> _Finder:
    if isinstance(bins, CategoryBins):
        return _category_finder(bins)
    if isinstance(bins, TextBins):
        lengths = _numeric_finder(bins.lengths)
        return lambda text: lengths(float("nan") if text is None else len(text))
    find = _numeric_finder(bins)
    # The bins count float64, which large integers are rounded to.
    return find if datatype.startswith("FP") else lambda value: find(float("nan") if value is None else float(value))


def _numeric_finder(bins: NumericBins) -> _Finder:
    edges = bins.edges
    missing = len(edges) + 1

    def find(value: float) -> int:
        return bisect_right(edges, value) if value == value else missing  # noqa: PLR0124 (NaN alone differs from itself)

    return find


def _category_finder(bins: CategoryBins) -> _Finder:
    places = {category: place for place, category in enumerate(bins.categories)}
    other = len(places)
    # Numbers and booleans as they come; one output's values are all of one type, so that 1 never stands for True.
    known: dict[object, int] = {}

    def find(value: object) -> int:
        place = known.get(value)
        if place is None:
            place = other + 1 if value is None else places.get(category_text(value), other)
            if place < other:
                known[value] = place
        return place

    return find
