# SPDX-License-Identifier: Apache-2.0
"""Between a model's input tensors and the object that its estimator was fitted on: a frame, a matrix or texts."""

from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from predictors.datatypes import DTYPES
from predictors.signature import Column, Tensors, TensorSpec

if TYPE_CHECKING:  # a model that is served without its estimator does not wait for the import
    import pandas as pd

#: How an estimator takes its rows: a DataFrame, a 2-D array, or a 1-D object array of texts.
Layout: TypeAlias = Literal["frame", "matrix", "texts"]

Rows: TypeAlias = "pd.DataFrame | npt.NDArray[np.generic]"


def assemble(inputs: Tensors, specs: tuple[TensorSpec, ...], layout: Layout) -> Rows:
    """Return the rows as the estimator takes them.

    Args:
        inputs: The model's input tensors: one matrix (rows, columns), or one tensor (rows,) for each column.
        specs: Their description; its order is the columns' order.
        layout: What the estimator was fitted on.
    """
    if layout == "frame":
        return _frame(inputs, specs)
    first = inputs[specs[0].name]
    return first if len(specs) == 1 else np.column_stack([inputs[spec.name] for spec in specs])


def disassemble(sample: "pd.DataFrame", specs: tuple[TensorSpec, ...]) -> dict[str, npt.NDArray[np.generic]]:
    """Return the tensors that carry the sample's rows: what a client would send for them."""
    return {spec.name: _tensor(sample, spec) for spec in specs}


def _frame(inputs: Tensors, specs: tuple[TensorSpec, ...]) -> "pd.DataFrame":
    import pandas as pd

    columns: dict[str, object] = {}
    for spec in specs:
        array = inputs[spec.name]
        for place, column in enumerate(spec.columns):
            columns[column.name] = _as_fitted(array if array.ndim == 1 else array[:, place], column)
    return pd.DataFrame(columns)


def _as_fitted(values: npt.NDArray[np.generic], column: Column) -> object:
    import pandas as pd

    if column.dtype == "category":
        return pd.Categorical(values, categories=column.categories)
    if values.dtype == object and column.missing and column.missing_text == "nan":
        return pd.Series(values, dtype=object).where(pd.notna(values), np.nan)
    return values


def _tensor(sample: "pd.DataFrame", spec: TensorSpec) -> npt.NDArray[np.generic]:
    names = [column.name for column in spec.columns]
    if spec.datatype != "BYTES":
        array = sample[names].to_numpy(DTYPES[spec.datatype])
    else:
        array = sample[names].to_numpy(object)
        array[sample[names].isna().to_numpy()] = None
    return array if len(spec.shape) > 1 else array[:, 0]
