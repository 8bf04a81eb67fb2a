# SPDX-License-Identifier: Apache-2.0
"""The reference distribution: the sample counted into fixed bins, for each feature and each output.

Drift is later measured by counting live values into the same bins, and counts of several replicas add up exactly.
"""

from typing import Annotated, Final, Literal

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field

from predictors.signature import MOST_CATEGORIES, Tensors, TensorSpec

_QUANTILES: Final = np.linspace(0.0, 1.0, 11)[1:-1]


class _Bins(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class NumericBins(_Bins):
    """Counts between edges: bin i holds ``edges[i-1] <= value < edges[i]``, the first and last are open.

    Attributes:
        edges: Strictly rising; one fewer than there are counts.
        counts: Rows of the sample in each bin.
        missing: Rows without a value.
    """

    kind: Literal["numeric"] = "numeric"
    edges: tuple[float, ...]
    counts: tuple[int, ...]
    missing: int = 0

    def count(self, values: npt.NDArray[np.generic]) -> npt.NDArray[np.int64]:
        """Return how many of the values (any shape) fall in each bin, and last how many are missing."""
        flat = np.asarray(values, dtype=np.float64).ravel()
        present = flat[~np.isnan(flat)]
        places = np.searchsorted(np.asarray(self.edges), present, side="right")
        counts = np.bincount(places, minlength=len(self.edges) + 1)
        return np.append(counts, flat.size - present.size)


class CategoryBins(_Bins):
    """Counts by value.

    Attributes:
        categories: The values that have a bin of their own, as text (``true``, ``3``, ``spam``).
        counts: Rows of the sample in each.
        other: Rows with any other value.
        missing: Rows without a value.
    """

    kind: Literal["category"] = "category"
    categories: tuple[str, ...]
    counts: tuple[int, ...]
    other: int = 0
    missing: int = 0

    def count(self, values: npt.NDArray[np.generic]) -> npt.NDArray[np.int64]:
        """Return how many of the values fall in each bin, then in any other, and last how many are missing."""
        places = {category: place for place, category in enumerate(self.categories)}
        counts = np.zeros(len(places) + 2, dtype=np.int64)
        for value in values.ravel().tolist():
            counts[len(places) + 1 if value is None else places.get(category_text(value), len(places))] += 1
        return counts


class TextBins(_Bins):
    """Free text, counted by its length in characters.

    Attributes:
        lengths: The bins over the lengths.
    """

    kind: Literal["text"] = "text"
    lengths: NumericBins

    def count(self, values: npt.NDArray[np.generic]) -> npt.NDArray[np.int64]:
        """Return how many of the texts have a length in each bin, and last how many are missing."""
        return self.lengths.count(_lengths(values))


Bins = Annotated[NumericBins | CategoryBins | TextBins, Field(discriminator="kind")]


class Reference(_Bins):
    """What ``reference.json`` holds.

    Attributes:
        rows: Rows of the sample.
        inputs: Bins by feature: the column's name, which is the tensor's where it has just one column.
        outputs: Bins by output tensor; ``<tensor>.<label>`` for each labelled column of a matrix.
    """

    rows: int
    inputs: dict[str, Bins]
    outputs: dict[str, Bins]


def category_text(value: object) -> str:
    """Return a label as its bin is called: ``true`` and ``false`` for booleans, else its text."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def describe_reference(
    inputs: Tensors, input_specs: tuple[TensorSpec, ...], outputs: Tensors, output_specs: tuple[TensorSpec, ...]
) -> Reference:
    """Return the bins of a sample's input and output tensors, counted.

    Numeric values get bins between their deciles, probabilities ten of equal width, labels and few-valued texts one
    for each value, and free text bins over its length.
    """
    input_bins: dict[str, Bins] = {}
    for spec in input_specs:
        if spec.name not in inputs or len(spec.shape) > 2:  # noqa: PLR2004 (images have no columns to count)
            continue
        array = inputs[spec.name]
        for place, column in enumerate(spec.columns):
            values = array if array.ndim == 1 else array[:, place]
            input_bins[column.name] = _feature_bins(values, column.categories)
    output_bins: dict[str, Bins] = {}
    for spec in output_specs:
        output_bins.update(_output_bins(outputs[spec.name], spec))
    rows = len(next(iter(inputs.values())))
    return Reference(rows=rows, inputs=input_bins, outputs=output_bins)


def _feature_bins(values: npt.NDArray[np.generic], categories: tuple[str, ...] | None) -> Bins:
    if values.dtype.kind == "b":
        return _counted(CategoryBins(categories=("false", "true"), counts=()), values)
    if values.dtype.kind != "O":
        return _numeric(values)
    if categories is not None and len(categories) <= MOST_CATEGORIES:
        return _counted(CategoryBins(categories=categories, counts=()), values)
    return TextBins(lengths=_numeric(_lengths(values)))


def _output_bins(array: npt.NDArray[np.generic], spec: TensorSpec) -> dict[str, Bins]:
    if spec.labels is not None and array.ndim > 1:
        return {f"{spec.name}.{category_text(label)}": _probability(array[:, i]) for i, label in enumerate(spec.labels)}
    if spec.name.endswith("probability"):
        return {spec.name: _probability(array)}
    if array.dtype.kind == "f":
        return {spec.name: _numeric(array)}
    seen = sorted(
        {category_text(value) for value in array.ravel().tolist()}.union(map(category_text, spec.labels or ()))
    )
    if len(seen) > MOST_CATEGORIES:
        return {spec.name: _numeric(array)} if array.dtype.kind in "iu" else {}
    return {spec.name: _counted(CategoryBins(categories=tuple(seen), counts=()), array)}


def _probability(values: npt.NDArray[np.generic]) -> NumericBins:
    return _numeric_between(values, np.arange(1, 10) / 10)


def _numeric(values: npt.NDArray[np.generic]) -> NumericBins:
    flat = np.asarray(values, dtype=np.float64).ravel()
    finite = flat[np.isfinite(flat)]
    return _numeric_between(flat, np.unique(np.quantile(finite, _QUANTILES)) if finite.size else np.array([0.0]))


def _numeric_between(values: npt.NDArray[np.generic], edges: npt.NDArray[np.float64]) -> NumericBins:
    empty = NumericBins(edges=tuple(edges.tolist()), counts=())
    *counts, missing = empty.count(values).tolist()
    return NumericBins(edges=empty.edges, counts=tuple(counts), missing=missing)


def _counted(bins: CategoryBins, values: npt.NDArray[np.generic]) -> CategoryBins:
    *counts, other, missing = bins.count(values).tolist()
    return CategoryBins(categories=bins.categories, counts=tuple(counts), other=other, missing=missing)


def _lengths(values: npt.NDArray[np.generic]) -> npt.NDArray[np.float64]:
    return np.array([np.nan if text is None else len(text) for text in values.ravel().tolist()], dtype=np.float64)
