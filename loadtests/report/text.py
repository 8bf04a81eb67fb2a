# SPDX-License-Identifier: Apache-2.0
"""The figures of a report as a reader likes them."""

import math

from loadtests.judging.figures import figure_text
from loadtests.judging.objective import Objective, Outcome
from loadtests.judging.verdict import Verdict
from loadtests.judging.verdict_text import verdict_sentence


def reason(verdict: Verdict) -> str:
    """Return the verdict in a sentence, without its word, and with the objectives that are not kept."""
    broken = [_broken(one) for one in verdict.objectives if one.outcome is Outcome.FAIL]
    return verdict_sentence(verdict).removeprefix(f"{verdict.outcome}: ") + (f": {', '.join(broken)}" if broken else "")


def limit_text(one: Objective) -> str:
    """Return an objective's limit: "at most 100 ms", "at least 99 %"."""
    return f"{'at least' if one.name.startswith('goodput') else 'at most'} {figure_text(one, one.limit)}"


def rate_text(rate: float) -> str:
    """Return requests/s with four significant digits or more."""
    return f"{rate:,.0f}" if rate >= 1_000 else f"{rate:.4g}"  # noqa: PLR2004


def _broken(one: Objective) -> str:
    endless = one.measured is not None and math.isinf(one.measured)
    measured = "never reached, as too many failed" if endless else figure_text(one, one.measured)
    return f"{one.name} {measured} ({limit_text(one)})"
