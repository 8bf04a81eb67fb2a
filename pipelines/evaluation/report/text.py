# SPDX-License-Identifier: Apache-2.0
"""The figures of an evaluation as a reader likes them."""

from typing import Final

from pipelines.evaluation.bootstrap import Interval

NOTHING: Final = "-"
_SMALL: Final = 0.01
_LARGE: Final = 10
_WHOLE: Final = 10_000
_MILLION: Final = 1_000_000


def figure_text(value: float | None) -> str:
    """Return a count with its thousands, another figure with three or four digits, and "-" where there is none."""
    if value is None:
        return NOTHING
    if isinstance(value, int):
        return f"{value:,}"
    size = abs(value)
    if size >= _WHOLE:
        return f"{value:,.0f}"
    if size >= _LARGE:
        return f"{value:,.4g}"
    if size >= _SMALL:
        return f"{value:.4f}"
    return f"{value:#.3g}" if size else "0.0000"


def interval_text(interval: Interval | None) -> str:
    """Return "0.9712 to 0.9943", or "-" where there is none."""
    return NOTHING if interval is None else f"{figure_text(interval[0])} to {figure_text(interval[1])}"


def percent_text(part: int, whole: int) -> str:
    """Return a share of a count in per cent, or "-" of nothing."""
    return f"{100 * part / whole:.3g} %" if whole else NOTHING


def short_count(count: int) -> str:
    """Return a count where there is little room: whole below 10,000, else as 27k or 1.2M."""
    if count < _WHOLE:
        return f"{count:,}"
    return f"{count / 1_000:.0f}k" if round(count, -3) < _MILLION else f"{count / _MILLION:.3g}M"


def name_text(name: str) -> str:
    """Return a metric's name as it is read: with blanks for underscores."""
    return name.replace("_", " ")
