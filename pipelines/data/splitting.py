# SPDX-License-Identifier: Apache-2.0
"""The data in three parts: as a column of theirs says, else as the use case splits them."""

from typing import Final

import numpy as np
import pandas as pd

from pipelines.data.findings import numbers_listed, refusal, rows_text
from pipelines.data.loaded_rows import LoadedRows
from pipelines.data.schema_check import check_schema
from pipelines.errors import StepError
from pipelines.use_cases import Parts, UseCase

#: A column that tells of each row its part.
SPLIT: Final = "split"


def parts_of(module: UseCase, frame: pd.DataFrame, seed: int) -> Parts:
    """Return the rows in parts; their index keeps the rows' numbers.

    Args:
        module: The use case.
        frame: The rows, numbered from 0.
        seed: Of the use case's own split.

    Raises:
        StepError: The column ``split`` has another value, or rows that the schema does not allow cannot be split.
    """
    if SPLIT in frame:
        return _as_told(frame)
    try:
        return Parts(*module.split(frame, seed))
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as err:
        # What a split stumbles over, the schema says better.
        checks = check_schema(LoadedRows.of(Parts(frame, frame[:0], frame[:0])), module.schema())
        findings = [finding for check in checks for finding in check.findings]
        if findings:
            raise StepError(refusal(findings)) from err
        fault = " ".join(str(err).split()) or type(err).__name__
        raise StepError(
            f"the {len(frame):,} rows cannot be split into train, validation and test: {fault}; give more rows of "
            f'each label, or a column "{SPLIT}" that says where each row belongs'
        ) from err


def _as_told(frame: pd.DataFrame) -> Parts:
    names = frame[SPLIT].map(lambda name: name.strip().lower() if isinstance(name, str) else name)
    strange = np.flatnonzero(~names.isin(Parts._fields))
    if len(strange):
        raise StepError(
            f'column "{SPLIT}": {frame[SPLIT].iloc[strange[0]]!r} is no part, in '
            f"{rows_text(numbers_listed(strange), len(strange))} (row 0 is the first); a part is "
            f"{', '.join(Parts._fields[:-1])} or {Parts._fields[-1]}"
        )
    rest = frame.drop(columns=SPLIT)
    return Parts(*(rest[names == part] for part in Parts._fields))
