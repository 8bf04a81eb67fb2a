# SPDX-License-Identifier: Apache-2.0
"""How far each feature has moved from what the champion was fitted on: the population stability index.

PSI = sum over the bins of (p - q) ln(p / q), p the share of the new rows and q that of the champion's in a bin: the
symmetric divergence of Kullback and Leibler (1951), in credit scoring read as small below 0.1 and large from 0.25 on
(Siddiqi, *Credit Risk Scorecards*, 2006). A model is trained again because the world moves, so that is only remarked.
What stops is ``LIMIT``, which for a normal distribution is a shift by about 0.7 of its standard deviation; a column's
own limit stands in its schema: ``metadata={"psi_limit": 1.0}``. From half of its limit on, a shift is remarked.

Of samples of the same distribution, PSI is about (1/n + 1/m) times a chi-square of bins - 1 degrees of freedom
(Yurdakul, *Statistical Properties of Population Stability Index*, 2018): for few rows, the limit is no less than its
99.9 % quantile. Half a row is added to every bin, so that an empty one has a logarithm.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from pipelines.data.findings import Check, Finding
from pipelines.data.intervals import CONFIDENCE
from pipelines.data.loaded_rows import LoadedRows
from pipelines.data.typed_columns import with_none
from pipelines.use_cases import UseCase
from predictors.reference import Bins, CategoryBins, NumericBins, Reference, TextBins

if TYPE_CHECKING:
    import pandera.pandas as pa

#: The index from which on a column's shift stops the pipeline.
LIMIT: Final = 0.5

#: No bin's share has changed by so much: nothing is worth words.
_HARDLY: Final = 0.02
_NAME: Final = "distribution against the champion"
Counts = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Shift:
    """How far a column has moved.

    Attributes:
        column: Its name.
        psi: The population stability index.
        limit: From which on it stops the pipeline.
        moved: In words, where most of it went.
    """

    column: str
    psi: float
    limit: float
    moved: str


def check_distribution(
    rows: LoadedRows, module: UseCase, reference: Reference, schema: "pa.DataFrameSchema"
) -> tuple[Check, list[Shift]]:
    """Return the check of the features' distributions, and how far each has moved.

    Args:
        rows: The rows of all parts.
        module: The use case.
        reference: The champion's.
        schema: Tells limits of columns, and which are identifiers: ``metadata={"role": "identifier"}``.
    """
    train = np.flatnonzero(rows.part == 0)
    features = module.features(rows.frame.iloc[train])
    # Features that are not of single rows can be compared, and no row be named.
    places = train if len(features) == len(train) else train[:0]
    shifts, findings = [], []
    for column, bins, values in _compared(features, reference, schema):
        expected, found = _expected(bins), bins.count(values)
        metadata = _metadata(schema, column)
        chance = chance_limit(len(found), int(expected.sum()), int(found.sum()))
        limit = max(float(metadata.get("psi_limit", LIMIT)), chance)
        shift = Shift(column, psi(expected, found), limit, _moved(bins, expected, found))
        shifts.append(shift)
        if shift.psi >= max(limit / 2, chance):
            came = _came(bins, values, expected, found) if len(places) else places
            findings.append(_finding(rows, shift, places[came]))
    furthest = max(shifts, key=lambda shift: shift.psi, default=None)
    check = Check(
        name=_NAME,
        limit=f"PSI below {LIMIT:g}, or what the schema allows; more where rows are few",
        measured=f"at most {furthest.psi:.2f} ({furthest.column})" if furthest else "no column can be compared",
        findings=tuple(findings),
        done=furthest is not None,
    )
    return check, shifts


def psi(expected: Counts, found: Counts) -> float:
    """Return the population stability index of counts in the same bins, (bins,) each."""
    q, p = ((counts + 0.5) / (counts.sum() + 0.5 * len(counts)) for counts in (expected, found))
    return float(np.sum((p - q) * np.log(p / q)))


def chance_limit(bins: int, expected: int, found: int) -> float:
    """Return what the index of two samples of one distribution stays below in 99.9 % of cases.

    Args:
        bins: How many bins there are.
        expected: Rows of the one sample.
        found: Rows of the other.
    """
    from scipy.special import chdtri

    return float(chdtri(max(bins - 1, 1), 1 - CONFIDENCE)) * (1 / max(expected, 1) + 1 / max(found, 1))


def _compared(
    features: pd.DataFrame, reference: Reference, schema: "pa.DataFrameSchema"
) -> Iterator[tuple[str, Bins, npt.NDArray[np.generic]]]:
    for column, bins in reference.inputs.items():
        if column not in features or _metadata(schema, column).get("role") == "identifier":
            continue
        values = features[column]
        is_number = pd.api.types.is_numeric_dtype(values.dtype)
        if isinstance(bins, NumericBins):
            if is_number:
                yield column, bins, values.to_numpy(np.float64, na_value=np.nan)
        elif not isinstance(bins, TextBins) or not is_number:
            yield column, bins, with_none(values).to_numpy(object)


def _metadata(schema: "pa.DataFrameSchema", column: str) -> Mapping[str, Any]:
    found = schema.columns.get(column)
    return (found.metadata or {}) if found is not None else {}


def _expected(bins: Bins) -> Counts:
    """Return the champion's counts in the order in which ``bins.count`` gives new ones."""
    if isinstance(bins, TextBins):
        return _expected(bins.lengths)
    other = [bins.other] if isinstance(bins, CategoryBins) else []
    return np.array([*bins.counts, *other, bins.missing])


def _moved(bins: Bins, expected: Counts, found: Counts) -> str:
    """Return in words how the middle has moved, or which bin has gained or lost most."""
    before_share, now_share = expected / max(expected.sum(), 1), found / max(found.sum(), 1)
    change = np.abs(now_share - before_share)
    if change.max() < _HARDLY:
        return "hardly"
    if not isinstance(bins, CategoryBins):
        edges, what = (bins.lengths.edges, "length") if isinstance(bins, TextBins) else (bins.edges, "value")
        before, now = _middle(edges, expected), _middle(edges, found)
        if before != now:
            return f"its middle {what} went from {before} to {now}"
    place = int(np.argmax(change))
    return (
        f"{100 * before_share[place]:.0f} % of the champion's rows had {_bin_text(bins, place)}, "
        f"now {100 * now_share[place]:.0f} %"
    )


def _middle(edges: tuple[float, ...], counts: Counts) -> str:
    """Return the median of binned values, interpolated in its bin; the outermost bins have but one edge."""
    inside = counts[:-1]
    if not inside.sum():
        return "none"
    summed = np.cumsum(inside)
    place = int(np.searchsorted(summed, inside.sum() / 2))
    if place == 0:
        return f"below {edges[0]:g}"
    if place == len(edges):
        return f"{edges[-1]:g} or more"
    part = (inside.sum() / 2 - summed[place - 1]) / inside[place]
    return f"about {edges[place - 1] + part * (edges[place] - edges[place - 1]):.4g}"


def _bin_text(bins: Bins, place: int) -> str:
    if isinstance(bins, TextBins):
        return _bin_text(bins.lengths, place).replace("a value", "a length")
    if isinstance(bins, CategoryBins):
        return [*(f'"{name}"' for name in bins.categories), "another value", "no value"][place]
    edges = bins.edges
    if place > len(edges):
        return "no value"
    if place == 0:
        return f"a value below {edges[0]:g}"
    return f"a value of {edges[-1]:g} or more" if place == len(edges) else f"{edges[place - 1]:g} to {edges[place]:g}"


def _came(bins: Bins, values: npt.NDArray[np.generic], expected: Counts, found: Counts) -> npt.NDArray[np.int64]:
    """Return where the values of the bin stand whose share has grown most."""
    growth = found / max(found.sum(), 1) - expected / max(expected.sum(), 1)
    each = np.array([np.argmax(bins.count(values[place : place + 1])) for place in range(len(values))])
    return np.flatnonzero(each == int(np.argmax(growth)))


def _finding(rows: LoadedRows, shift: Shift, places: npt.NDArray[np.int64]) -> Finding:
    return Finding(
        _NAME,
        shift.column,
        rows.listed(places),
        len(places),
        f'column "{shift.column}": has moved from the champion\'s data by PSI {shift.psi:.2f} '
        f"(limit {shift.limit:.2g}), {shift.moved}; most of what is new stands in {rows.told(places)}",
        stops=shift.psi >= shift.limit,
    )
