# SPDX-License-Identifier: Apache-2.0
"""The tables of a report's page."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from loadtests.histogram import Counted
from loadtests.judging.figures import NOTHING, figure_text, interval_text, percent_text
from loadtests.judging.objective import Objective, duration_text
from loadtests.judging.verdict import Verdict
from loadtests.measurements import CellKey, Tally
from loadtests.report.text import limit_text, rate_text
from loadtests.run import Run

_MEBIBYTE: Final = 2**20


@dataclass(frozen=True)
class Table:
    """A table; its first column is text, the others are figures.

    Attributes:
        head: Names of the columns.
        rows: Texts, as many as there are columns.
    """

    head: tuple[str, ...]
    rows: list[tuple[str, ...]]


def objectives_table(verdict: Verdict) -> Table:
    """Return what the SLO states, what was measured, and what that shows."""
    interval = f"{percent_text(verdict.confidence)} interval"
    return Table(
        ("objective", "limit", "measured", interval, "outcome"), [_objective(one) for one in verdict.objectives]
    )


def generator_table(run: Run) -> Table:
    """Return how well the generator did what it was asked for."""
    sent, lag = run.measurements.total.requests, run.measurements.lag
    dropped = sum(run.measurements.dropped.values())
    return Table(
        ("generator", "asked", "achieved"),
        [
            ("requests", f"{run.to_measure:,}", f"{sent:,}"),
            ("requests/s", rate_text(run.asked_rate), rate_text(run.achieved_rate)),
            ("dropped", "", f"{dropped:,}"),
            ("lag p99", "", duration(lag, 0.99)),
            ("lag max", "", duration(lag, 1.0)),
            ("busiest process", "", f"{percent_text(round(run.cpu, 3))} of a core"),
            ("processes", "", f"{run.workers:,}"),
        ],
    )


def requests_table(run: Run, of: Callable[[CellKey], str], column: str) -> Table:
    """Return counts and latency of the requests, by what a function tells of them."""
    head = (column, "requests", "failed", "p50", "p95", "p99", "max", "service p99")
    tallies = sorted(run.measurements.tallies(of).items(), key=lambda item: (-item[1].requests, item[0]))
    rows = [_requests(name or "(none)", tally) for name, tally in tallies]
    if len(rows) > 1:
        rows.append(_requests("all", run.measurements.total))
    return Table(head, rows)


def codes_table(run: Run) -> Table:
    """Return how the requests ended, and when the first and the last one ended so."""
    measurements = run.measurements
    tallies = sorted(measurements.tallies(lambda key: (key.ok, key.code)).items(), key=lambda item: -item[1].requests)
    seconds: dict[tuple[bool, str], list[int]] = {}
    for second, ok, code in measurements.tallies(lambda key: (key.second, key.ok, key.code)):
        seconds.setdefault((ok, code), []).append(second)
    total = measurements.total.requests
    return Table(
        ("ended with", "requests", "share", "service p50", "service max", "first due", "last due"),
        [
            (
                code if not ok else f"{code} (right)",
                f"{tally.requests:,}",
                percent_text(tally.requests / total),
                duration(tally.service, 0.5),
                duration(tally.service, 1.0),
                f"{min(seconds[ok, code])} s",
                f"{max(seconds[ok, code])} s",
            )
            for (ok, code), tally in tallies
        ],
    )


def conditions_table(run: Run) -> Table:
    """Return under which conditions the run was made."""
    return Table(("condition", "value"), list(_conditions(run)))


def duration(durations: Counted, share: float) -> str:
    """Return a percentile as text."""
    return duration_text(durations.percentile(share)) if durations.count else NOTHING


def _objective(one: Objective) -> tuple[str, ...]:
    return (one.name, limit_text(one), figure_text(one, one.measured), interval_text(one), str(one.outcome))


def _requests(name: str, tally: Tally) -> tuple[str, ...]:
    failed = f"{tally.failed:,} ({percent_text(tally.failed / tally.requests)})" if tally.failed else "0"
    latency = (duration(tally.latency, share) for share in (0.5, 0.95, 0.99, 1.0))
    return (name, f"{tally.requests:,}", failed, *latency, duration(tally.service, 0.99))


def _conditions(run: Run) -> Iterator[tuple[str, str]]:
    yield "model", run.model or NOTHING
    yield "server", run.host
    yield "started", run.started
    yield "arrivals", run.arrivals
    warmup = f", the first {run.warmup:g} s of it not measured" if run.warmup else ""
    yield "length", f"{run.seconds:g} s{warmup}; {run.elapsed:.1f} s until the last answer"
    yield "seed", str(run.seed)
    yield "timetable (SHA-256)", run.digest or NOTHING
    for name, value in run.options.items():
        yield name, value
    for name, figure in run.environment.items():
        yield _environment(name, figure)


def _environment(name: str, value: str | float | None) -> tuple[str, str]:
    if isinstance(value, float) and name.endswith(" (bytes)"):
        return name.removesuffix(" (bytes)"), f"{value / _MEBIBYTE:,.0f} MiB"
    if isinstance(value, float):
        return name, f"{value:g}"
    return name, NOTHING if value is None else value
