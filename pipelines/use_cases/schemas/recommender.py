# SPDX-License-Identifier: Apache-2.0
"""Ratings of items by users."""

from typing import Final

import pandas as pd
import pandera.pandas as pa

_IDENTITY: Final = ["user_id", "item_id", "timestamp"]

#: Seconds since 1970: from 1990 to 2100. Milliseconds are beyond.
_TIMES: Final = (631_152_000, 4_102_444_800)


def schema() -> pa.DataFrameSchema:
    """Return what ratings must be like: ``user_id``, ``item_id``, ``rating`` (0.5 to 5 by halves), ``timestamp`` (s).

    A user rates an item but once at a time. Ids say nothing by their size, so their distribution is not compared.
    """
    identifier = {"role": "identifier"}
    return pa.DataFrameSchema(
        {
            "user_id": pa.Column(int, pa.Check.ge(0, error="0 or more"), metadata=identifier),
            "item_id": pa.Column(int, pa.Check.ge(0, error="0 or more"), metadata=identifier),
            "rating": pa.Column(float, pa.Check.isin([half / 2 for half in range(1, 11)], error="0.5 to 5 by halves")),
            "timestamp": pa.Column(int, pa.Check.in_range(*_TIMES, error="seconds since 1970, from 1990 to 2100")),
        },
        unique=_IDENTITY,
        strict=True,
        metadata={"identity": _ratings, "identified by": ", ".join(_IDENTITY)},
    )


def _ratings(ratings: pd.DataFrame) -> pd.Series:
    rows = list(ratings[_IDENTITY].itertuples(index=False, name=None))
    return pd.Series(rows, index=ratings.index, dtype=object)
