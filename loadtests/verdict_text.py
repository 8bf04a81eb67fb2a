# SPDX-License-Identifier: Apache-2.0
"""A verdict as it is printed to the terminal, in 100 columns."""

from collections.abc import Iterator
from textwrap import wrap
from typing import TYPE_CHECKING, Final

from loadtests.objective import Objective, Outcome, duration_text

if TYPE_CHECKING:
    from loadtests.verdict import Verdict

_COLUMNS: Final = 100
_WIDTHS: Final = (26, 14, 13, 26)


def text_lines(verdict: "Verdict") -> Iterator[str]:
    """Yield the table of the objectives, what is to be known about the run, and the verdict."""
    yield _row("objective", "limit", "measured", f"{_percent(verdict.confidence)} interval", "outcome")
    for one in verdict.objectives:
        yield _row(one.name, _limit(one), _figure(one, one.measured), _interval(one), one.outcome)
    yield ""
    for sentence in [*verdict.generator, *verdict.remarks, f"{verdict.outcome}: {_reason(verdict)}"]:
        yield from wrap(sentence, _COLUMNS)


def _row(*cells: str) -> str:
    *padded, last = cells
    return " ".join([*(cell.ljust(width) for cell, width in zip(padded, _WIDTHS, strict=True)), last])


def _limit(one: Objective) -> str:
    return f"{'>=' if one.name.startswith('goodput') else '<='} {_figure(one, one.limit)}"


def _interval(one: Objective) -> str:
    if one.low is None:
        return "-"
    high = "unknown" if one.high is None else _figure(one, one.high)
    return f"{_figure(one, one.low)} to {high}"


def _figure(one: Objective, value: float | None) -> str:
    if value is None:
        return "-"
    return duration_text(value) if one.unit == "us" else _percent(value)


def _percent(share: float) -> str:
    """Return a share with three digits of whichever is smaller, it or what it lacks to one: 0.012 %, 99.988 %."""
    nearest = min(share, 1 - share) * 100
    if nearest <= 0:
        return f"{share * 100:.0f} %"
    decimals = 2
    while decimals < 6 and round(nearest, decimals) < 10 ** (2 - decimals):  # noqa: PLR2004
        decimals += 1
    return f"{share * 100:.{decimals}f}".rstrip("0").rstrip(".") + " %"


def _reason(verdict: "Verdict") -> str:
    requests = f"{verdict.requests:,} requests"
    if verdict.outcome is Outcome.PASS:
        return f"{requests} show that the SLO is kept"
    if verdict.outcome is Outcome.FAIL:
        return f"{requests} show that the SLO is not kept"
    if not verdict.requests and not verdict.generator:
        return "nothing was measured"
    if verdict.generator:
        return "the run did not go as it was asked for, so its figures decide nothing; mend that and repeat it"
    if verdict.more_requests is not None:
        return f"{requests} do not decide; {verdict.more_requests:,} more would, if what was seen stays so"
    return f"{requests} do not decide; what was measured lies too near the limit for any number of requests"
