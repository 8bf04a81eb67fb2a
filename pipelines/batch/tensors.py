# SPDX-License-Identifier: Apache-2.0
"""From rows of a table to a served model's input tensors; what cannot be one is told by column and row."""

from typing import TYPE_CHECKING, Final

import numpy as np

from pipelines.data.findings import numbers_listed, rows_text
from pipelines.data.typed_columns import typed
from pipelines.errors import StepError
from predictors.datatypes import DTYPES
from predictors.errors import quoted_names
from predictors.model_inputs import disassemble
from predictors.signature import Column, Signature, Tensors, TensorSpec

if TYPE_CHECKING:
    import numpy.typing as npt
    import pandas as pd
    import pandera.pandas as pa

_TEXT: Final = "O"


def input_columns(signature: Signature) -> list[str]:
    """Return the names of the columns that a model takes, in its order.

    Raises:
        StepError: It is no model of rows.
    """
    specs = _required(signature)
    if not specs or any(spec.shape[:1] != (-1,) or not spec.columns for spec in specs):
        raise StepError(
            "the model does not say which columns it takes; only a model packed from a sample scores tables"
        )
    return [column.name for spec in specs for column in spec.columns]


def input_tensors(frame: "pd.DataFrame", signature: Signature, address: str) -> Tensors:
    """Return a table's rows as the tensors that a client would send for them; inputs with a default are left out.

    Args:
        frame: The rows, numbered from 0.
        signature: What the served model takes.
        address: Where the rows come from, for the error.

    Raises:
        StepError: A column is missing, or has a value that the model does not take.
        DataError: A value cannot be of its column's type.
    """
    names = input_columns(signature)
    missing = [name for name in names if name not in frame]
    if missing:
        raise StepError(
            f"{address}: has no column {quoted_names(missing)}, which the model takes; it has "
            f"{quoted_names(frame.columns)}"
        )
    specs = _required(signature)
    rows = typed(frame[names], _schema(specs), address)
    faults = [fault for spec in specs for column in spec.columns for fault in _faults(rows, spec, column)]
    if faults:
        raise StepError(f"{address}: {'; '.join(faults)} (row 0 is the first); correct these rows, or leave them out")
    return disassemble(rows, specs)


def _required(signature: Signature) -> tuple[TensorSpec, ...]:
    return tuple(spec for spec in signature.inputs if spec.default is None)


def _schema(specs: tuple[TensorSpec, ...]) -> "pa.DataFrameSchema":
    import pandera.pandas as pa

    return pa.DataFrameSchema(
        {
            column.name: pa.Column(str if DTYPES[spec.datatype].kind == _TEXT else str(DTYPES[spec.datatype]))
            for spec in specs
            for column in spec.columns
        }
    )


def _faults(rows: "pd.DataFrame", spec: TensorSpec, column: Column) -> list[str]:
    """Return what a served model would refuse in a column."""
    values = rows[column.name]
    faults = []
    if not column.missing:
        faults += _fault(column.name, values.isna().to_numpy(), "no value", "no values")
    if DTYPES[spec.datatype].kind == "f":
        faults += _fault(column.name, np.isinf(values.to_numpy(np.float64)), "an infinite value", "infinite values")
    return faults


def _fault(name: str, bad: "npt.NDArray[np.bool_]", one: str, several: str) -> list[str]:
    places = np.flatnonzero(bad)
    if not len(places):
        return []
    where = rows_text(numbers_listed(places), len(places))
    return [f'column "{name}" has {one if len(places) == 1 else several} in {where}']
