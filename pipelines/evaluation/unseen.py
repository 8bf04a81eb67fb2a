# SPDX-License-Identifier: Apache-2.0
"""The test rows that the champion was not trained on: of those that it was, it knows the answer."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd

from predictors.errors import PredictorError

if TYPE_CHECKING:
    from pipelines.use_cases import UseCase


@dataclass(frozen=True, eq=False)
class Unseen:
    """Test rows for a fair comparison.

    Attributes:
        rows: Those that are left.
        seen: How many were left out; None where what the champion was trained on cannot be told any more.
    """

    rows: pd.DataFrame
    seen: int | None

    @property
    def remark(self) -> str:
        """What readers of the comparison must know, as the end of a sentence; empty where there is nothing."""
        if self.seen is None:
            return "; which of the test rows the champion was trained on is not known, and such rows favour it"
        return f"; {self.seen:,} test rows are left out, which the champion was trained on" if self.seen else ""


def unseen_by(lineage: Mapping[str, float | int | str], module: "UseCase", test: pd.DataFrame) -> Unseen:
    """Return the test rows that a model was neither fitted on nor had its operating point chosen on.

    Its data are read once more from the source that its lineage names, and split by its seed. That tells nothing where
    the source is gone or has other bytes by now.

    Args:
        lineage: The model's.
        module: The use case.
        test: The test rows of another training.
    """
    used = _used_by(lineage, module)
    if used is None:
        return Unseen(test, None)
    seen = _identities(module, test).isin(set(_identities(module, used))).to_numpy()
    return Unseen(test[~seen], int(seen.sum()))


def _used_by(lineage: Mapping[str, float | int | str], module: "UseCase") -> pd.DataFrame | None:
    from pipelines.data.source import read_data
    from pipelines.data.splitting import parts_of

    source, seed = lineage.get("data_source"), lineage.get("seed")
    if not isinstance(source, str) or not isinstance(seed, int):
        return None
    try:
        data = read_data(module, "" if source == module.PLAN.source else source)
        if data.digest != lineage.get("data_digest"):
            return None
        parts = parts_of(module, data.frame, seed)
    except PredictorError:
        # Whatever keeps the data from being read again: the comparison goes on without.
        return None
    return pd.concat([parts.train, parts.validation])


def _identities(module: "UseCase", rows: pd.DataFrame) -> "pd.Series[int]":
    """Return what tells rows apart: what the schema names, else all of their columns."""
    identity = (module.schema().metadata or {}).get("identity")
    return pd.Series(identity(rows)) if identity else pd.util.hash_pandas_object(rows, index=False)
