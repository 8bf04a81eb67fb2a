# SPDX-License-Identifier: Apache-2.0
"""Columns brought to the dtypes of a schema where nothing is lost by it; what cannot be is told by column and row.

CSV holds texts alone, and Parquet often another width or kind of number than a model was made with.
"""

import re
from collections.abc import Callable
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd

from pipelines.data.findings import numbers_listed, rows_text
from pipelines.use_cases.package_data import DataError

if TYPE_CHECKING:
    import pandera.pandas as pa

#: What stands for no value in a column of numbers or booleans, in lower case.
_NOTHING: Final = frozenset({"", "na", "n/a", "nan", "none", "null"})
_BOOLEANS: Final = {"true": True, "false": False, "1": True, "0": False, "1.0": True, "0.0": False}
_LONGEST: Final = 40

#: The end of a time in ISO 8601 that says its distance from UTC; a date alone has none.
_ZONE: Final = re.compile(r"[T ].*(Z|[+-]\d\d(:?\d\d)?)\s*$", re.IGNORECASE)

#: A column as it is made, and which of its rows cannot be.
Typed: TypeAlias = tuple[pd.Series, npt.NDArray[np.bool_]]


def typed(frame: pd.DataFrame, schema: "pa.DataFrameSchema", address: str) -> pd.DataFrame:
    """Return the rows with those columns that a schema gives a dtype in that dtype; others are left as they are.

    Safe are numbers and booleans written as text, whole numbers as floats and the other way round where they are
    whole, 0 and 1 as booleans, and times in ISO 8601. A column with missing values stays one that can hold them.

    Args:
        frame: The rows, numbered from 0.
        schema: Names the columns and their dtypes.
        address: Where the rows come from, for the error.

    Raises:
        DataError: Values cannot be of their column's dtype.
    """
    columns: dict[str, pd.Series] = {}
    faults = []
    for name, column in schema.columns.items():
        convert, kind = _conversion(column.dtype)
        if name not in frame or convert is None:
            continue
        dtype = getattr(column.dtype, "type", None)
        columns[name], bad = convert(frame[name], dtype)
        if bad.any():
            faults.append(_fault(name, frame[name], bad, f"{kind}{_zone_text(dtype)}"))
    if faults:
        raise DataError(
            f"{address}: {'; '.join(faults)} (row 0 is the first); correct them, or leave empty what is not known"
        )
    return frame.assign(**columns)


def with_none(values: pd.Series) -> pd.Series:
    """Return the values as objects, None where one is missing."""
    gone = values.isna().tolist()
    plain = [None if missing else value for value, missing in zip(values.tolist(), gone, strict=True)]
    return pd.Series(plain, index=values.index, name=values.name, dtype=object)


def _conversion(dtype: Any) -> tuple[Callable[[pd.Series, Any], Typed] | None, str]:
    from pandera import dtypes

    # In this order: what pandera calls a whole number or a category may be called something else besides.
    kinds: list[tuple[Callable[[Any], bool], Callable[[pd.Series, Any], Typed], str]] = [
        (dtypes.is_category, _category, "one of the categories"),
        (dtypes.is_bool, _booleans, "true or false"),
        (dtypes.is_int, _whole_numbers, "a whole number of that size"),
        (dtypes.is_uint, _whole_numbers, "a whole number of that size"),
        (dtypes.is_float, _numbers, "a finite number"),
        (dtypes.is_datetime, _times, "a time in ISO 8601"),
        (dtypes.is_string, _texts, "text"),
    ]
    fitting = ((convert, told) for fits, convert, told in kinds if dtype is not None and fits(dtype))
    return next(fitting, (None, ""))


def _texts(values: pd.Series, _: Any) -> Typed:
    plain = with_none(values)
    return plain, np.array([not isinstance(value, str | None) for value in plain.tolist()], dtype=np.bool_)


def _numbers(values: pd.Series, dtype: Any) -> Typed:
    numbers, bad = _as_floats(values)
    with np.errstate(over="ignore"):
        found = pd.Series(numbers, index=values.index).astype(dtype)
    # No request can hold what is infinite, nor what becomes so in a narrower dtype; few models take it.
    return found, bad | np.isinf(found.to_numpy(np.float64, na_value=np.nan))


def _whole_numbers(values: pd.Series, dtype: Any) -> Typed:
    # Dtypes of pandas, as Int64, can hold missing values; those of numpy cannot.
    limits = np.iinfo(getattr(dtype, "numpy_dtype", dtype))
    numbers, bad = _as_floats(values)
    missing = np.isnan(numbers) & ~bad
    bad |= ~missing & ((numbers != np.floor(numbers)) | (numbers < limits.min) | (numbers > limits.max))
    if bad.any() or (missing.any() and isinstance(dtype, np.dtype)):
        return pd.Series(numbers, index=values.index), bad
    # Through a float, whole numbers beyond 2**53 would become others.
    exact = [None if gone else _whole(value) for value, gone in zip(values.tolist(), missing.tolist(), strict=True)]
    bad = np.array([whole is not None and not limits.min <= whole <= limits.max for whole in exact], dtype=np.bool_)
    return (values if bad.any() else pd.Series(exact, index=values.index, dtype=object).astype(dtype)), bad


def _booleans(values: pd.Series, dtype: Any) -> Typed:
    if pd.api.types.is_bool_dtype(values.dtype) and not values.isna().any():
        return values.astype(dtype), np.zeros(len(values), np.bool_)
    texts = [_text(value) for value in values.tolist()]
    bad = np.array([text not in _BOOLEANS and text not in _NOTHING for text in texts], dtype=np.bool_)
    found = pd.Series([_BOOLEANS.get(text) for text in texts], index=values.index, dtype=object)
    return (found if found.isna().any() else found.astype(dtype)), bad


def _times(values: pd.Series, dtype: Any) -> Typed:
    zone = getattr(dtype, "tz", None)
    times = pd.to_datetime(values, errors="coerce", format="ISO8601", utc=True)
    # Which moment a time without a zone is, and which clock's time one with a zone, only who has written it knows.
    zoned = np.array([_has_zone(value) for value in values.tolist()], dtype=np.bool_)
    bad = (values.notna() & (times.isna() | (zoned != (zone is not None)))).to_numpy(np.bool_)
    if bad.any():
        return values, bad
    return (times.dt.tz_localize(None) if zone is None else times).astype(dtype), bad


def _category(values: pd.Series, dtype: Any) -> Typed:
    known = getattr(dtype, "categories", None)
    bad = np.zeros(len(values), np.bool_) if known is None else (values.notna() & ~values.isin(known)).to_numpy()
    return (values if bad.any() else values.astype(dtype)), bad


def _as_floats(values: pd.Series) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_]]:
    """Return the values as the nearest floats, NaN where there is none, and which of them are no numbers."""
    if pd.api.types.is_numeric_dtype(values.dtype) and not pd.api.types.is_bool_dtype(values.dtype):
        return values.to_numpy(np.float64, na_value=np.nan), np.zeros(len(values), np.bool_)
    numbers = np.full(len(values), np.nan)
    bad = np.zeros(len(values), np.bool_)
    for place, value in enumerate(values.tolist()):
        if _text(value) in _NOTHING:
            continue
        try:
            # Python takes 1_000 for a number, which no other reader of CSV does.
            numbers[place] = float("" if isinstance(value, bool) or "_" in str(value) else value)
        except (TypeError, ValueError, OverflowError):
            bad[place] = True
    return numbers, bad


def _whole(value: Any) -> int:
    try:
        return int(value)
    except ValueError:
        return int(Decimal(value))


def _has_zone(value: Any) -> bool:
    return bool(_ZONE.search(value)) if isinstance(value, str) else getattr(value, "tzinfo", None) is not None


def _text(value: Any) -> str:
    return "" if value is None or value is pd.NA else str(value).strip().lower()


def _zone_text(dtype: Any) -> str:
    """Return whether a time must say its zone; empty for any other dtype."""
    if isinstance(dtype, pd.DatetimeTZDtype):
        return " with its zone (Z or +01:00)"
    return " without a zone" if isinstance(dtype, np.dtype) and dtype.kind == "M" else ""


def _fault(name: str, values: pd.Series, bad: npt.NDArray[np.bool_], kind: str) -> str:
    rows = np.flatnonzero(bad)
    shown = repr(values.tolist()[rows[0]])
    shown = shown if len(shown) <= _LONGEST else f"{shown[:_LONGEST]}..."
    what = "1 value" if len(rows) == 1 else f"{len(rows):,} values"
    where = rows_text(numbers_listed(rows), len(rows))
    return f'column "{name}": {what} cannot be read as {kind}, such as {shown}, in {where}'
