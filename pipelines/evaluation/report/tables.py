# SPDX-License-Identifier: Apache-2.0
"""The tables of the page: metrics, slices and the confusion matrix, intervals drawn beside their figures."""

import math
from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import Final

from pipelines.evaluation.bootstrap import Interval
from pipelines.evaluation.evaluation import Confusion, Evaluation
from pipelines.evaluation.report.text import figure_text, interval_text, name_text, percent_text

#: A scale's ends are whole multiples of this.
_STEP: Final = 0.1
_THOUSAND: Final = 1000
_COUNTS: Final = frozenset(field.name for field in fields(Confusion))


@dataclass(frozen=True)
class Scale:
    """What intervals are drawn on.

    Attributes:
        low: Its left end.
        high: Its right end.
    """

    low: float
    high: float

    @property
    def ends(self) -> tuple[str, str]:
        """Its ends as text."""
        low, high = (f"{end:.3g}" if abs(end) < _THOUSAND else f"{end:,.0f}" for end in (self.low, self.high))
        return low, high

    def place(self, value: float) -> str:
        """Return where a value stands, in per cent of the width."""
        return f"{100 * (value - self.low) / (self.high - self.low):.2f}"


@dataclass(frozen=True)
class Row:
    """A row of a table of figures.

    Attributes:
        name: What the figures are of.
        value: The figure.
        interval: Its interval.
        mark: Where the figure stands on the scale, in per cent; None where it is not drawn.
        bar: From where to where its interval goes, in per cent; None where there is none.
        primary: Whether it is the metric that decides.
        more: Further cells.
    """

    name: str
    value: str
    interval: str
    mark: str | None
    bar: tuple[str, str] | None
    primary: bool = False
    more: tuple[str, ...] = ()


@dataclass(frozen=True)
class Table:
    """A table of figures.

    Attributes:
        scale: What its intervals are drawn on; None where nothing is.
        rows: Its rows.
        more: The names of their further cells.
        reference: Where the line stands that figures are compared with, in per cent: the figure of all rows, or 0 on a
            scale that begins below it; None where there is no such line.
    """

    scale: Scale | None
    rows: tuple[Row, ...]
    more: tuple[str, ...] = ()
    reference: str | None = None


def metrics_table(evaluation: Evaluation) -> Table:
    """Return the metrics, the deciding one first; the counts of the confusion matrix stand in their own table."""
    shown = {name: value for name, value in evaluation.metrics.items() if name not in _COUNTS}
    names = sorted(shown, key=lambda name: (name != evaluation.primary, isinstance(shown[name], int)))
    drawn = [name for name in names if _is_share(shown[name], evaluation.intervals.get(name))]
    ends = [end for name in drawn for end in (shown[name], *evaluation.intervals.get(name, ()))]
    scale = Scale(min(0.0, _floor(min(ends))), 1.0) if ends else None
    return Table(
        scale,
        tuple(
            _row(
                name_text(name),
                shown[name],
                evaluation.intervals.get(name),
                scale if name in drawn else None,
                primary=name == evaluation.primary,
            )
            for name in names
        ),
        reference=scale.place(0) if scale is not None and scale.low < 0 else None,
    )


def slices_table(evaluation: Evaluation) -> Table:
    """Return the slices by their deciding metric, and beside it the other figures."""
    primary, whole = evaluation.primary, evaluation.metrics[evaluation.primary]
    others = [name for name in evaluation.metrics if name != primary and _tells(evaluation, name)]
    found = {name: evaluation.slice_intervals.get(name, {}).get(primary) for name in evaluation.slices}
    values = [figures[primary] for figures in evaluation.slices.values() if primary in figures]
    ends = [whole, *values, *(end for interval in found.values() if interval for end in interval)]
    scale = _around(ends)
    return Table(
        scale,
        tuple(
            _row(
                name,
                figures.get(primary),
                found[name],
                scale,
                more=(figure_text(figures["rows"]), *(figure_text(figures.get(other)) for other in others)),
            )
            for name, figures in evaluation.slices.items()
        ),
        ("rows", *map(name_text, others)),
        scale.place(whole),
    )


def confusion_table(confusion: Confusion) -> list[tuple[str, str, str, str, str]]:
    """Return, for positive and negative rows: what they are, how many are flagged and not, and the shares of these."""
    return [
        _counted("positive", confusion.true_positives, confusion.false_negatives),
        _counted("negative", confusion.false_positives, confusion.true_negatives),
    ]


def _counted(name: str, flagged: int, passed: int) -> tuple[str, str, str, str, str]:
    rows = flagged + passed
    return name, f"{flagged:,}", percent_text(flagged, rows), f"{passed:,}", percent_text(passed, rows)


def _row(
    name: str,
    value: float | None,
    interval: Interval | None,
    scale: Scale | None,
    *,
    primary: bool = False,
    more: tuple[str, ...] = (),
) -> Row:
    return Row(
        name=name,
        value=figure_text(value),
        interval=interval_text(interval),
        mark=scale.place(value) if scale is not None and value is not None else None,
        bar=_bar(interval, scale) if scale is not None and interval is not None else None,
        primary=primary,
        more=more,
    )


def _bar(interval: Interval, scale: Scale) -> tuple[str, str]:
    low, high = interval
    return scale.place(low), f"{100 * (high - low) / (scale.high - scale.low):.2f}"


def _is_share(value: float, interval: Interval | None) -> bool:
    return isinstance(value, float) and all(-1 <= end <= 1 for end in (value, *(interval or ())))


def _tells(evaluation: Evaluation, name: str) -> bool:
    """Whether a figure of the slices says more than how many rows they have."""
    told = [(figures.get(name), figures["rows"]) for figures in evaluation.slices.values()]
    return any(value is not None and value != rows for value, rows in told)


def _around(ends: Iterable[float]) -> Scale:
    values = list(ends)
    low, high = min(values), max(values)
    if low >= -1 and high <= 1:
        return Scale(_floor(low), max(-_floor(-high), _floor(low) + _STEP))
    margin = (high - low) / 20 or 1.0
    return Scale(low - margin, high + margin)


def _floor(value: float) -> float:
    return round(math.floor(round(value / _STEP, 6)) * _STEP, 6)
