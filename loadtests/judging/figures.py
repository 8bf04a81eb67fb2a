# SPDX-License-Identifier: Apache-2.0
"""The figures of objectives as text, the same on the terminal and in reports."""

from typing import Final

from loadtests.judging.objective import Objective, duration_text

NOTHING: Final = "-"


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
