# SPDX-License-Identifier: Apache-2.0
"""The figures of a report as a reader likes them."""

from typing import Final

from loadtests.objective import Objective, Outcome, duration_text
from loadtests.verdict import Verdict

NOTHING: Final = "-"


def sentence(verdict: Verdict) -> str:
    """Return the verdict in one sentence, without the word that stands for it."""
    requests = f"{verdict.requests:,} requests"
    if verdict.outcome is Outcome.PASS:
        return f"{requests} show that the SLO is kept"
    if verdict.outcome is Outcome.FAIL:
        broken = [one for one in verdict.objectives if one.outcome is Outcome.FAIL]
        return f"{requests} show that the SLO is not kept: " + ", ".join(map(_broken, broken))
    if verdict.generator:
        return "the generator fell behind, so the figures are not the server's; mend that and repeat the run"
    if not verdict.requests:
        return "nothing was measured"
    if verdict.more_requests is not None:
        return f"{requests} do not decide; {verdict.more_requests:,} more would, if what was seen stays so"
    return f"{requests} do not decide; what was measured lies too near the limit for any number of requests"


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
    decimals = next((places for places in range(1, 7) if nearest * 10**places >= 100), 6) if nearest > 0 else 0  # noqa: PLR2004
    text = f"{share * 100:.{decimals}f}"
    return (text.rstrip("0").rstrip(".") if "." in text else text) + " %"


def rate_text(rate: float) -> str:
    """Return requests/s with three significant digits or more."""
    return f"{rate:,.0f}" if rate >= 1_000 else f"{rate:.3g}"  # noqa: PLR2004


def _broken(one: Objective) -> str:
    measured = "never reached" if one.measured is None else figure_text(one, one.measured)
    return f"{one.name} {measured} ({limit_text(one)})"
