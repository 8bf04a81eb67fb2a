# SPDX-License-Identifier: Apache-2.0
"""Whether each part has enough rows, and each label its place in it and a share that it may have."""

from collections.abc import Iterator
from typing import Final

import numpy as np

from pipelines.data.findings import Check, Finding
from pipelines.data.intervals import share_bounds
from pipelines.data.loaded_rows import LoadedRows
from pipelines.use_cases import Plan

#: The least rows of each part; validation may have none where there is nothing to choose on it.
LEAST_ROWS: Final = {"train": 50, "validation": 10, "test": 10}

#: The least rows of each label in each part: with fewer, no share of them says anything.
LEAST_OF_LABEL: Final = 5


def check_sizes(rows: LoadedRows, plan: Plan) -> Check:
    """Return the check of how many rows there are in each part, and how many of each label.

    Args:
        rows: The rows of all parts.
        plan: Names the label; labels are counted where it has one that is looked for.
    """
    findings = [*_small_parts(rows)]
    if plan.target is not None and plan.positive is not None:
        findings += _rare_labels(rows, plan.target)
    sizes = ", ".join(f"{name} {inside.sum():,}" for name, inside in rows.by_part())
    limits = ", ".join(f"{name} {least}" for name, least in LEAST_ROWS.items())
    return Check(
        name="rows and labels in each part",
        limit=f"at least {limits} rows, and {LEAST_OF_LABEL} of each label",
        measured=sizes,
        findings=tuple(findings),
    )


def check_balance(rows: LoadedRows, plan: Plan) -> Check:
    """Return the check of the labels' shares of all rows.

    A share is wrong where its whole interval lies outside what ``plan.label_shares`` allows.
    """
    if plan.target is None or not plan.label_shares:
        return Check("label balance", "PLAN.label_shares", "there is none", done=False)
    labels = rows.frame[plan.target].dropna().map(str)
    measured, findings = [], []
    for label, (low, high) in plan.label_shares.items():
        places = labels.index[labels == label].to_numpy()
        count, total = len(places), max(len(labels), 1)
        measured.append(f"{label} {100 * count / total:.1f} %")
        lower, upper = share_bounds(count, total)
        if upper < low or lower > high:
            bound = f"more than the {100 * high:g} %" if lower > high else f"less than the {100 * low:g} %"
            findings.append(
                Finding(
                    "label balance",
                    plan.target,
                    rows.listed(places),
                    count,
                    f'column "{plan.target}": {100 * count / total:.1f} % of the rows ({count:,} of {total:,}) are '
                    f'"{label}", {bound} that the plan allows, in {rows.told(places)}',
                )
            )
    limits = ", ".join(f"{label} {100 * low:g} to {100 * high:g} %" for label, (low, high) in plan.label_shares.items())
    # Of two labels, each one's share says the other's.
    told = findings[:1] if len(plan.label_shares) == 2 else findings  # noqa: PLR2004 (as said)
    return Check("label balance", limits, ", ".join(measured), tuple(told))


def _small_parts(rows: LoadedRows) -> Iterator[Finding]:
    sizes = {name: np.flatnonzero(inside) for name, inside in rows.by_part()}
    for name, least in LEAST_ROWS.items():
        places = sizes.get(name, np.array([], dtype=np.int64))
        if len(places) >= least or (name == "validation" and not len(places)):
            continue
        sentence = f"{name} has {len(places)} rows, and needs {least}: {rows.told(places)}"
        yield Finding("rows and labels", "", rows.listed(places), len(places), sentence)


def _rare_labels(rows: LoadedRows, target: str) -> Iterator[Finding]:
    labels = rows.frame[target]
    known = sorted(labels.dropna().unique().tolist(), key=str)
    if len(known) == 1:
        yield Finding("rows and labels", target, (), 0, f'column "{target}": all labels are "{known[0]}"')
        return
    for name, inside in rows.by_part():
        for label in known:
            places = np.flatnonzero(inside & (labels == label).to_numpy())
            if len(places) < LEAST_OF_LABEL:
                yield Finding(
                    "rows and labels",
                    target,
                    rows.listed(places),
                    len(places),
                    f'column "{target}": {name} has {len(places)} rows labelled "{label}", and needs {LEAST_OF_LABEL}: '
                    f"{rows.told(places)}",
                )
