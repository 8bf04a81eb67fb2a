# SPDX-License-Identifier: Apache-2.0
"""What a schema finds: columns, dtypes, missing values, ranges and categories; pandera does the checking."""

import logging
import warnings
from collections.abc import Iterator
from copy import copy
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from pipelines.data.findings import Check, Finding
from pipelines.data.loaded_rows import LoadedRows

if TYPE_CHECKING:
    import pandera.pandas as pa

_VALUES: Final = "schema"
_MISSING: Final = "missing values"
_LONGEST: Final = 40


def check_schema(rows: LoadedRows, schema: "pa.DataFrameSchema") -> list[Check]:
    """Return the checks of columns and values, and of missing values.

    Args:
        rows: The rows of all parts.
        schema: What they must be like.
    """
    findings = list(_findings(rows, schema))
    missing = tuple(found for found in findings if found.check == _MISSING)
    # A column with missing values cannot have the dtype either; one finding is enough.
    incomplete = {found.column for found in missing}
    values = tuple(
        found for found in findings if found.check == _VALUES and not (found.column in incomplete and not found.rows)
    )
    empty = int(rows.frame.isna().to_numpy().sum())
    return [
        Check(
            name="columns, dtypes, ranges and categories",
            limit="the use case's schema",
            measured=f"{rows.frame.shape[1]} columns, {len(rows.frame):,} rows",
            findings=values,
        ),
        Check(
            name="missing values",
            limit="none, but in columns that the schema lets have some",
            measured=f"{empty:,} missing",
            findings=missing,
        ),
    ]


def _findings(rows: LoadedRows, schema: "pa.DataFrameSchema") -> Iterator[Finding]:
    import pandera.pandas as pa

    # It logs each failed check besides raising all of them.
    logging.getLogger("pandera").setLevel(logging.CRITICAL)
    columns = copy(schema)
    columns.checks = []
    try:
        with warnings.catch_warnings():
            # Of how pandas will one day join the failures, which are not read from there.
            warnings.simplefilter("ignore", FutureWarning)
            columns.validate(rows.frame, lazy=True)
    except pa.errors.SchemaErrors as err:
        for error in err.schema_errors:
            yield _finding(rows, error)
    for check in schema.checks:
        yield from _of_whole_rows(rows, check)


def _of_whole_rows(rows: LoadedRows, check: Any) -> Iterator[Finding]:
    """Yield what a check of whole rows finds; pandera itself would list each value of each such row, for minutes."""
    rule = str(check.error or check.name)
    try:
        told: npt.NDArray[Any] = np.asarray(check(rows.frame).check_output)
    except (AttributeError, KeyError, TypeError, ValueError):
        # A column is missing or of another kind, which has been found already.
        yield Finding(_VALUES, "", (), 0, f'the rows cannot be checked by the rule "{rule}"')
        return
    holds = told.astype(np.bool_)
    if not holds.ndim:
        if not holds:
            yield Finding(_VALUES, "", (), 0, f'the rows together break the rule "{rule}"')
        return
    places = np.flatnonzero(~(holds if holds.ndim == 1 else holds.all(axis=1)))
    if len(places):
        what = _count(len(places), "row breaks", "rows break")
        yield _about_rows(_VALUES, rows, "", places, f'{what} the rule "{rule}"')


def _finding(rows: LoadedRows, error: Any) -> Finding:
    from pandera.errors import SchemaErrorReason as Reason

    reason, column, places = error.reason_code, _column_of(error), _places(error)
    told = {
        Reason.COLUMN_NOT_IN_DATAFRAME: "is missing; name it as the schema does",
        Reason.COLUMN_NOT_IN_SCHEMA: "is not in the schema; leave it out, or add it there",
    }
    if reason in told:
        return _about_column(_named(error), told[reason])
    if reason == Reason.WRONG_DATATYPE:
        found, wanted = rows.frame[column].dtype, error.schema.dtype
        return _about_column(column, f"has dtype {found}, and the schema wants {wanted}")
    if not len(places):
        return _about_column(column, f'cannot be checked by the rule "{_rule(error)}"')
    if reason == Reason.SERIES_CONTAINS_NULLS:
        return _about_rows(_MISSING, rows, column, places, f"{_count(len(places), 'value is', 'values are')} missing")
    return _about_rows(_VALUES, rows, column, places, _broken(rows, error, column, places))


def _broken(rows: LoadedRows, error: Any, column: str, places: npt.NDArray[np.int64]) -> str:
    from pandera.errors import SchemaErrorReason as Reason

    if error.reason_code in (Reason.DUPLICATES, Reason.SERIES_CONTAINS_DUPLICATES):
        return f"{_count(len(places), 'row repeats', 'rows repeat')} one another"
    shown = _shown(rows.frame[column].iloc[places[0]])
    return f'{_count(len(places), "value breaks", "values break")} the rule "{_rule(error)}", such as {shown}'


def _about_column(column: str, fault: str) -> Finding:
    return Finding(_VALUES, column, (), 0, f'column "{column}" {fault}')


def _about_rows(check: str, rows: LoadedRows, column: str, places: npt.NDArray[np.int64], fault: str) -> Finding:
    where = f'column "{column}": ' if column else ""
    return Finding(check, column, rows.listed(places), len(places), f"{where}{fault}, in {rows.told(places)}")


def _column_of(error: Any) -> str:
    """Return the column that a check is of; empty for one of whole rows."""
    import pandera.pandas as pa

    if isinstance(error.schema, pa.Column):
        return str(error.schema.name)
    unique = getattr(error.schema, "unique", None)
    return ", ".join(unique) if unique and _rule(error).startswith("multiple_fields") else ""


def _named(error: Any) -> str:
    """Return the column that is missing or too much."""
    cases = error.failure_cases
    return str(cases["failure_case"].iloc[0] if isinstance(cases, pd.DataFrame) else cases)


def _places(error: Any) -> npt.NDArray[np.int64]:
    cases = error.failure_cases
    if not isinstance(cases, pd.DataFrame) or "index" not in cases:
        return np.array([], dtype=np.int64)
    return np.unique(cases["index"].dropna().to_numpy(np.int64))


def _rule(error: Any) -> str:
    return str(getattr(error.check, "error", None) or getattr(error.check, "name", None) or error.check)


def _shown(value: object) -> str:
    shown = repr(value.item() if isinstance(value, np.generic) else value)
    return shown if len(shown) <= _LONGEST else f"{shown[:_LONGEST]}..."


def _count(number: int, one: str, more: str) -> str:
    return f"{number:,} {one if number == 1 else more}"
