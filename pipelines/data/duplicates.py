# SPDX-License-Identifier: Apache-2.0
"""Rows that stand in two parts: a model would be asked what it has been told, and its figures would be too good.

Which rows are one, a schema says in its metadata: ``{"identity": rows -> Series of what tells them apart, "identified
by": the columns}``. Where it does not, rows with equal features are. These may coincide by chance, so a few of them are
only remarked.
"""

from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd

from pipelines.data.findings import MOST_ROWS, Check, Finding, rows_text
from pipelines.data.loaded_rows import LoadedRows
from pipelines.data.typed_columns import with_none
from pipelines.use_cases import Parts, UseCase

if TYPE_CHECKING:
    import pandera.pandas as pa

#: The share of a part's rows whose features may stand in another part by chance.
CHANCE: Final = 0.05

_NAME: Final = "duplicates across parts"


def check_duplicates(rows: LoadedRows, module: UseCase, schema: "pa.DataFrameSchema") -> Check:
    """Return the check of rows that stand in two parts.

    Args:
        rows: The rows of all parts.
        module: The use case.
        schema: Its schema.
    """
    metadata = schema.metadata or {}
    declared = "identity" in metadata
    columns = str(metadata.get("identified by", "all features"))
    limit = f"{'none' if declared else f'at most {100 * CHANCE:g} % of a part'}; rows are one by {columns}"
    identities = metadata["identity"](rows.frame) if declared else _by_features(rows.frame, module)
    if len(identities) != len(rows.frame):
        return Check(_NAME, limit, "features are not of single rows, and the schema has no identity", done=False)
    findings = _findings(rows, identities, columns, 0.0 if declared else CHANCE)
    count = sum(found.count for found in findings)
    return Check(_NAME, limit, f"{count:,} rows", tuple(findings))


def _by_features(frame: pd.DataFrame, module: UseCase) -> pd.Series:
    # NaN is equal to nothing, None to itself: rows that lack the same values may still be one.
    features = module.features(frame).apply(with_none)
    return pd.Series(list(features.itertuples(index=False, name=None)), dtype=object)


def _findings(rows: LoadedRows, identities: pd.Series, columns: str, allowed: float) -> list[Finding]:
    known = identities.notna().to_numpy()
    codes = np.where(known, pd.factorize(identities)[0], -1)
    findings = []
    for later in (1, 2):
        for earlier in range(later):
            there = (rows.part == earlier) & known
            first = pd.Series(np.flatnonzero(there), index=codes[there])
            first = first[~first.index.duplicated()]
            places = np.flatnonzero((rows.part == later) & known & np.isin(codes, first.index))
            if not len(places):
                continue
            twins = first.loc[codes[places]].to_numpy()
            order = np.argsort(rows.number[places], kind="stable")[:MOST_ROWS]
            pairs = ", ".join(f"{rows.number[places[at]]} = {rows.number[twins[at]]}" for at in order.tolist())
            more = ", ..." if len(places) > len(order) else ""
            names = Parts._fields[later], Parts._fields[earlier]
            what = "1 row of {} is" if len(places) == 1 else f"{len(places):,} rows of {{}} are"
            findings.append(
                Finding(
                    _NAME,
                    columns,
                    rows.listed(places),
                    len(places),
                    f"{what.format(names[0])} in {names[1]} too, the same by {columns}: "
                    f"{rows_text((), 0) if not pairs else f'rows {pairs}{more}'}",
                    stops=len(places) > allowed * (rows.part == later).sum(),
                )
            )
    return findings
