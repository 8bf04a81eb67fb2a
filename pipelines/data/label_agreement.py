# SPDX-License-Identifier: Apache-2.0
"""Whether new labels say what the champion says, but for the errors that it is known for: if not, they were flipped.

For rows of the positive label and for the others, the champion's errors on the new training rows are set against those
on its own test. Labels are wrong where even the lower bound of the former share lies beyond ``TIMES`` the upper bound
of the latter, or beyond halfway from that bound to all rows, where that is less; both bounds by Clopper and Pearson, at
99.9 % each. A world that changes slowly stays below: a model is trained again for it.
"""

from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from pipelines.data.champion import Champion, Errors
from pipelines.data.findings import MOST_ROWS, Check, Finding
from pipelines.data.intervals import share_bounds
from pipelines.data.loaded_rows import LoadedRows
from pipelines.use_cases import UseCase

TIMES: Final = 2.0

_NAME: Final = "labels against the champion"
_LIMIT: Final = f"errors at most {TIMES:g} times the upper bound of those on its test"


def check_agreement(rows: LoadedRows, module: UseCase, champion: Champion) -> Check:
    """Return the check of the training rows' labels against what the champion says of them.

    Args:
        rows: The rows of all parts.
        module: The use case; there is nothing to compare where it has no label or where its outcomes are no flags.
        champion: The version that serves now.
    """
    target = module.PLAN.target
    if target is None or champion.model is None:
        return Check(_NAME, _LIMIT, "there are no labels" if target is None else "it has no estimator", done=False)
    if champion.errors is None:
        return Check(_NAME, _LIMIT, f"{champion.version} does not tell its errors on its test", done=False)
    train = rows.frame[rows.part == 0]
    try:
        outcomes = module.outcomes(champion.model, train)
    except (KeyError, TypeError, ValueError) as err:
        # An earlier champion may have been fitted on other columns.
        return Check(_NAME, _LIMIT, f"{champion.version} cannot predict these rows ({type(err).__name__})", done=False)
    if not {"truth", "flagged"} <= set(outcomes) or not outcomes.index.equals(train.index):
        return Check(_NAME, _LIMIT, "there are no flags to compare", done=False)
    truth, flagged = (outcomes[name].to_numpy(np.bool_) for name in ("truth", "flagged"))
    found = Errors(int(truth.sum()), int((truth & ~flagged).sum()), int((~truth).sum()), int((flagged & ~truth).sum()))
    findings = []
    for positive in (True, False):
        wrong = (truth == positive) & (flagged != positive)
        finding = _finding(rows, module, champion, found, outcomes[wrong], positive=positive)
        if finding is not None:
            findings.append(finding)
    measured = (
        f"{_share(found.missed, found.positives)} of the positive, {_share(found.false_alarms, found.negatives)} of "
        f"the others; on its test {_share(champion.errors.missed, champion.errors.positives)} and "
        f"{_share(champion.errors.false_alarms, champion.errors.negatives)}"
    )
    return Check(_NAME, _LIMIT, measured, tuple(findings))


def error_limit(count: int, total: int) -> float:
    """Return the share of errors from which on labels are wrong, of errors measured on a test."""
    upper = share_bounds(count, total)[1]
    return min(TIMES * upper, (1 + upper) / 2)


def _finding(
    rows: LoadedRows, module: UseCase, champion: Champion, found: Errors, wrong: pd.DataFrame, *, positive: bool
) -> Finding | None:
    known = champion.errors
    if known is None:
        return None
    count, total = (found.missed, found.positives) if positive else (found.false_alarms, found.negatives)
    before, of = (known.missed, known.positives) if positive else (known.false_alarms, known.negatives)
    if not total or share_bounds(count, total)[0] <= error_limit(before, of):
        return None
    places = _surest(wrong, positive=positive)
    target, label = module.PLAN.target, module.PLAN.positive
    labelled = f'labelled "{label}"' if positive else f'not labelled "{label}"'
    return Finding(
        "labels",
        str(target),
        rows.listed(places),
        count,
        f'column "{target}": of {total:,} training rows {labelled} the champion {champion.version} says otherwise for '
        f"{count:,} ({_share(count, total)}), where it erred for {before:,} of {of:,} ({_share(before, of)}) in its "
        f"own test: labels are flipped, or features are those of other rows or units, in {rows.told(places, count)}",
    )


def _surest(wrong: pd.DataFrame, *, positive: bool) -> npt.NDArray[np.int64]:
    """Return those of the rows of which the champion says otherwise that it is surest of, as many as are listed."""
    if "score" in wrong:
        wrong = wrong.sort_values("score", ascending=positive, kind="stable")
    places: npt.NDArray[Any] = wrong.index.to_numpy()
    return places[:MOST_ROWS].astype(np.int64)


def _share(count: int, total: int) -> str:
    return f"{100 * count / total:.1f} %" if total else "none"
