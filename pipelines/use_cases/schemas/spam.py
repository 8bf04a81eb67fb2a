# SPDX-License-Identifier: Apache-2.0
"""Messages with their labels."""

import pandas as pd
import pandera.pandas as pa

from pipelines.data.gist import gist

#: Characters; the longest message of the collection has 910.
_LONGEST = 10_000


def schema() -> pa.DataFrameSchema:
    """Return what messages must be like: ``label`` ("ham" or "spam") and ``text``, neither missing.

    Two messages are one when they differ in case, punctuation and digits alone, as ``spam.split`` groups them.
    """
    return pa.DataFrameSchema(
        {
            "label": pa.Column(str, pa.Check.isin(["ham", "spam"], error="ham or spam")),
            "text": pa.Column(
                str,
                [
                    pa.Check(lambda texts: texts.str.strip() != "", name="not blank", error="more than blanks"),
                    pa.Check.str_length(1, _LONGEST, error=f"1 to {_LONGEST:,} characters"),
                ],
            ),
        },
        strict=True,
        metadata={"identity": _gists, "identified by": "the gist of text"},
    )


def _gists(messages: pd.DataFrame) -> pd.Series:
    return messages["text"].map(gist, na_action="ignore")
