# SPDX-License-Identifier: Apache-2.0
"""The figures of a report as a reader likes them."""

from typing import Final

from loadtests.objective import Objective, Outcome, duration_text
from loadtests.verdict import Verdict

NOTHING: Final = "-"


def sentence(verdict: Verdict) -> str:
    """Return the verdict as the terminal's last sentence: "PASS: 12,000 requests show that the SLO is kept"."""
    lines = verdict.lines()
    start = max(number for number, line in enumerate(lines) if line.startswith(f"{verdict.outcome}: "))
    return " ".join(lines[start:])


def reason(verdict: Verdict) -> str:
    """Return the same without the word, and with the objectives that are not kept."""
    broken = [_broken(one) for one in verdict.objectives if one.outcome is Outcome.FAIL]
    return sentence(verdict).removeprefix(f"{verdict.outcome}: ") + (f": {', '.join(broken)}" if broken else "")


def limit_text(one: Objective) -> str:
    """Return an objective's limit: "at most 100 ms", "at least 99 %"."""
    return f"{'at least' if one.name.startswith('goodput') else 'at most'} {figure_text(one, one.limit)}"


def interval_text(one: Objective) -> str:
    """Return an objective's confidence interval: "87.1 ms to 104 ms"."""
    if one.low is None:
        return NOTHING
    return f"{figure_text(one, one.low)} to {'unknown' if one.high is None else figure_text(one, one.high)}"


def figure_text(one: Objective, value: float | None) -> str:
    """Return a figure of an objective in the unit of that objective."""
    if value is None:
        return NOTHING
    return duration_text(value) if one.unit == "us" else percent_text(value)


def percent_text(share: float) -> str:
    """Return a share with three digits of whichever is smaller, it or what it lacks to one: 0.012 %, 99.988 %."""
    nearest = min(share, 1 - share) * 100
    if nearest <= 0:
        return f"{share * 100:.0f} %"
    decimals = 2
    while decimals < 6 and round(nearest, decimals) < 10 ** (2 - decimals):  # noqa: PLR2004
        decimals += 1
    return f"{share * 100:.{decimals}f}".rstrip("0").rstrip(".") + " %"


def rate_text(rate: float) -> str:
    """Return requests/s with four significant digits or more."""
    return f"{rate:,.0f}" if rate >= 1_000 else f"{rate:.4g}"  # noqa: PLR2004


def _broken(one: Objective) -> str:
    return f"{one.name} {figure_text(one, one.measured)} ({limit_text(one)})"
