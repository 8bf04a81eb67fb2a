# SPDX-License-Identifier: Apache-2.0
"""A verdict as it is printed to the terminal, in 100 columns."""

from collections.abc import Iterator
from textwrap import wrap
from typing import Final

from loadtests.judging.figures import figure_text, interval_text, percent_text
from loadtests.judging.objective import Objective, Outcome
from loadtests.judging.verdict import Verdict

_COLUMNS: Final = 100
_WIDTHS: Final = (26, 14, 13, 26)


def text_lines(verdict: Verdict) -> Iterator[str]:
    """Yield the table of the objectives, what is to be known about the run, and the verdict."""
    yield _row("objective", "limit", "measured", f"{percent_text(verdict.confidence)} interval", "outcome")
    for one in verdict.objectives:
        yield _row(one.name, _limit(one), figure_text(one, one.measured), interval_text(one), one.outcome)
    yield ""
    for sentence in (*verdict.generator, *verdict.remarks, verdict_sentence(verdict)):
        yield from wrap(sentence, _COLUMNS)


def verdict_sentence(verdict: Verdict) -> str:
    """Return what it comes to: "PASS: 12,000 requests show that the SLO is kept"."""
    return f"{verdict.outcome}: {_reason(verdict)}"


def _row(*cells: str) -> str:
    *padded, last = cells
    return " ".join([*(cell.ljust(width) for cell, width in zip(padded, _WIDTHS, strict=True)), last])


def _limit(one: Objective) -> str:
    return f"{'>=' if one.name.startswith('goodput') else '<='} {figure_text(one, one.limit)}"


def _reason(verdict: Verdict) -> str:
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
