# SPDX-License-Identifier: Apache-2.0
"""The sample: some rows a model is packed with, and the input tensors that they tell."""

import hashlib
from collections.abc import Sequence
from math import prod
from pathlib import Path
from typing import Final, Literal, TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.base import BaseEstimator

from predictors.datatypes import DTYPES, Datatype, datatype_of
from predictors.errors import PackingError, quoted_names
from predictors.signature import MOST_CATEGORIES, Column, Tensors, TensorSpec

#: How input columns become tensors: one for each column, one matrix of all, or a matrix where all are numbers.
TensorLayout: TypeAlias = Literal["auto", "columns", "matrix"]
Sample: TypeAlias = pd.DataFrame | pd.Series | npt.NDArray[np.generic] | Sequence[str]

MATRIX_NAME: Final = "input"
TEXT_NAME: Final = "text"


def read_sample(path: Path) -> pd.DataFrame:
    """Return the rows of a CSV (with a header line) or Parquet file.

    Raises:
        PackingError: The file is missing, of another kind, empty, or cannot be parsed.
    """
    suffix = path.suffix.lower()
    if suffix not in {".csv", ".parquet"}:
        raise PackingError(f"{path}: a sample must be a .csv or .parquet file")
    try:
        return pd.read_csv(path) if suffix == ".csv" else pd.read_parquet(path)
    except ImportError as err:
        raise PackingError(f"{path}: reading Parquet needs pyarrow; install portside[pipelines]") from err
    except (OSError, ValueError) as err:
        raise PackingError(f"{path}: cannot be read as {suffix[1:]}: {str(err).splitlines()[0]}") from err


def model_rows(sample: Sample, estimator: BaseEstimator, target: str | None) -> pd.DataFrame:
    """Return the sample as a frame of just the columns that the model takes, in the model's order.

    Raises:
        PackingError: The sample has no rows, or not the columns that the model was fitted on.
    """
    frame = _as_frame(sample)
    if target is not None:
        if target not in frame.columns:
            raise PackingError(
                f'the sample has no column "{target}" to leave out; it has {quoted_names(frame.columns)}'
            )
        frame = frame.drop(columns=target)
    if frame.empty:
        raise PackingError("the sample has no rows; give at least a few typical ones")
    names = getattr(estimator, "feature_names_in_", None)
    if names is not None:
        missing = [name for name in names if name not in frame.columns]
        if missing:
            raise PackingError(f"the model was fitted on columns that the sample lacks: {quoted_names(missing)}")
        frame = frame[list(names)]
    expected = getattr(estimator, "n_features_in_", frame.shape[1])
    if frame.shape[1] != expected:
        raise PackingError(
            f"the sample has {frame.shape[1]} columns, the model was fitted on {expected}; "
            "name the target with --target if it is among them"
        )
    return frame.reset_index(drop=True)


def onnx_rows(frame: pd.DataFrame, inputs: tuple[TensorSpec, ...], target: str | None) -> Tensors:
    """Return the sample's columns, in their order, as the inputs of an ONNX model.

    Raises:
        PackingError: There is another number of columns than the inputs hold, or they hold another kind of value.
    """
    columns = frame if target is None else frame.drop(columns=target)
    widths = [prod(spec.shape[1:]) for spec in inputs]
    if columns.shape[1] != sum(widths):
        raise PackingError(f"the sample has {columns.shape[1]} columns, the model's inputs take {sum(widths)}")
    tensors: dict[str, npt.NDArray[np.generic]] = {}
    for spec, width in zip(inputs, widths, strict=True):
        part, columns = columns.iloc[:, :width], columns.iloc[:, width:]
        try:
            tensors[spec.name] = part.to_numpy(DTYPES[spec.datatype]).reshape(len(frame), *spec.shape[1:])
        except (TypeError, ValueError) as err:
            raise PackingError(f'the sample\'s columns for input "{spec.name}" are not {spec.datatype}') from err
    return tensors


def describe_inputs(frame: pd.DataFrame, layout: TensorLayout) -> tuple[TensorSpec, ...]:
    """Return the input tensors for a sample's columns.

    Args:
        frame: The columns that the model takes.
        layout: ``columns`` gives each column a tensor of shape [-1]; ``matrix`` all of them one of shape
            [-1, columns]; ``auto`` a matrix where all are numbers.

    Raises:
        PackingError: A column has a type that no tensor holds, or texts are asked into a matrix of numbers.
    """
    columns = tuple(_describe(str(name), frame[name]) for name in frame.columns)
    datatypes = [_datatype(column) for column in columns]
    if layout == "columns" or (layout == "auto" and "BYTES" in datatypes):
        return tuple(
            TensorSpec(name=column.name, datatype=datatype, shape=(-1,), columns=(column,))
            for column, datatype in zip(columns, datatypes, strict=True)
        )
    # Integers stand in a float matrix: a CSV file cannot tell 5 from 5.0, and FP64 holds both.
    datatype: Datatype = "BYTES" if "BYTES" in datatypes else "FP32" if set(datatypes) == {"FP32"} else "FP64"
    if datatype == "BYTES" and set(datatypes) != {"BYTES"}:
        raise PackingError("numbers and texts do not fit in one matrix; ask for one tensor for each column")
    return (TensorSpec(name=MATRIX_NAME, datatype=datatype, shape=(-1, len(columns)), columns=columns),)


def digest_of(frame: pd.DataFrame) -> str:
    """Return a hexadecimal SHA-256 over the sample's column names and values."""
    digest = hashlib.sha256(repr([(str(name), str(dtype)) for name, dtype in frame.dtypes.items()]).encode())
    digest.update(pd.util.hash_pandas_object(frame, index=False).to_numpy().tobytes())
    return digest.hexdigest()


def _as_frame(sample: Sample) -> pd.DataFrame:
    if isinstance(sample, pd.DataFrame):
        return sample
    if isinstance(sample, pd.Series):
        return sample.to_frame(sample.name or TEXT_NAME)
    array = np.asarray(sample)
    if array.ndim == 1:
        return pd.DataFrame({TEXT_NAME: array.astype(object)})
    if array.ndim != 2:  # noqa: PLR2004 (rows and columns)
        raise PackingError(f"a sample array must be of rows and columns, this one has shape {array.shape}")
    return pd.DataFrame(array, columns=[f"x{place}" for place in range(array.shape[1])])


def _describe(name: str, values: pd.Series) -> Column:
    missing = bool(values.isna().any())
    if isinstance(values.dtype, pd.CategoricalDtype):
        levels = values.dtype.categories
        if all(isinstance(level, str) for level in levels):
            return Column(name=name, dtype="category", categories=tuple(levels), missing=missing)
        values = values.astype(levels.dtype)
    if pd.api.types.is_bool_dtype(values) and not missing:
        return Column(name=name, dtype="bool")
    if pd.api.types.is_numeric_dtype(values):
        numbers = values.to_numpy(np.float64, na_value=np.nan)
        finite = numbers[np.isfinite(numbers)]
        dtype = "float64" if missing or values.dtype == object else str(values.to_numpy().dtype)
        low, high = (float(finite.min()), float(finite.max())) if finite.size else (None, None)
        return Column(name=name, dtype=dtype, minimum=low, maximum=high, missing=missing)
    present = values.dropna()
    if not all(isinstance(value, str) for value in present):
        raise PackingError(f'column "{name}" holds {values.dtype}, which no V2 tensor can; make it numbers or texts')
    seen = sorted(set(present))
    few = len(seen) <= MOST_CATEGORIES and 2 * len(seen) <= len(values)
    nones = any(value is None for value in values)
    return Column(
        name=name,
        dtype="str",
        categories=tuple(seen) if few else None,
        missing=missing,
        missing_text="none" if nones else "nan",
    )


def _datatype(column: Column) -> Datatype:
    return "BYTES" if column.dtype in {"str", "category"} else datatype_of(column.dtype)
