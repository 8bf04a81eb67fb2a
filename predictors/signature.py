# SPDX-License-Identifier: Apache-2.0
"""A model's signature: the V2 tensors it takes and gives, and what the sample told about their values."""

from collections.abc import Mapping
from typing import Annotated, Final, Literal, TypeAlias

import numpy as np
import numpy.typing as npt
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from predictors.datatypes import Datatype

#: Up to so many different texts are categories, each counted by itself; more are free text.
MOST_CATEGORIES: Final = 50

#: Named tensors on their way through a predictor. BYTES tensors are object arrays of ``str`` or ``None``.
Tensors: TypeAlias = Mapping[str, npt.NDArray[np.generic]]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Column(_Frozen):
    """One feature of the sample, as it stands along a tensor's last axis (or is the tensor itself).

    Attributes:
        name: The column's name in the sample.
        dtype: Its numpy dtype there (``float64``, ``int64``, ``bool``, ``str``).
        minimum: Smallest finite value seen; None for text.
        maximum: Largest finite value seen; None for text.
        categories: All values seen, sorted, where they are few and text; else None.
        missing_text: Of a column of texts: what the estimator takes for a missing one, ``nan`` (as CSV readers give)
            or ``none``.
        missing: Whether the sample had missing values: only then may a request have them.
    """

    name: str
    dtype: str
    minimum: float | None = None
    maximum: float | None = None
    categories: tuple[str, ...] | None = None
    missing: bool = False
    missing_text: Literal["nan", "none"] = "nan"


def _has_sizes(shape: tuple[int, ...]) -> tuple[int, ...]:
    if any(size < -1 for size in shape):
        raise ValueError("a size is -1 where it is free, and never below that")
    return shape


class TensorSpec(_Frozen):
    """One input or output tensor.

    Attributes:
        name: The tensor's name in V2 requests and answers.
        datatype: Its V2 datatype.
        shape: Its shape; a first axis of -1 is the number of rows. Of an output any axis may be free (-1).
        columns: Of an input: one for each place on the last axis, or a single one for a tensor of rank 1.
        labels: Of an output: what each place on the last axis stands for (rank 2, as class labels do for
            probabilities), or the values it may take (rank 1).
        default: Of an optional input: the flat data taken when a request leaves it out. None: the input is required.
    """

    name: str = Field(min_length=1)
    datatype: Datatype
    shape: Annotated[tuple[int, ...], AfterValidator(_has_sizes)]
    columns: tuple[Column, ...] = ()
    labels: tuple[str | int | float | bool, ...] | None = None
    default: tuple[str | int | float | bool, ...] | None = None


def _free_in_rows_only(inputs: tuple[TensorSpec, ...]) -> tuple[TensorSpec, ...]:
    for spec in inputs:
        if -1 in spec.shape[1:]:
            raise ValueError(f"of the input {spec.name} only the first axis may be free (-1)")
    return inputs


class Signature(_Frozen):
    """The tensors of a model: what a request must bring and what an answer holds."""

    inputs: Annotated[tuple[TensorSpec, ...], AfterValidator(_free_in_rows_only)] = Field(min_length=1)
    outputs: tuple[TensorSpec, ...] = Field(min_length=1)

    def output(self, name: str) -> TensorSpec:
        """Return the output tensor of that name; KeyError when there is none."""
        for spec in self.outputs:
            if spec.name == name:
                return spec
        raise KeyError(name)
