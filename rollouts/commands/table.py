# SPDX-License-Identifier: Apache-2.0
"""Rollouts as people read them: a table, and below it all that one of them tells."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from rollouts.client.report import Report
from rollouts.gates.result import GateResult

_HEADS: Final = ("ROLLOUT", "SERVICE", "VERSION", "PHASE", "STEP", "TRAFFIC", "AGE", "VERDICT")
_GAP: Final = "  "
#: As kubectl has it: two of a unit are told in the one below.
_UNITS: Final = (("d", 86400), ("h", 3600), ("m", 60), ("s", 1))


def table(reports: Sequence[Report]) -> str:
    """Return rollouts as a table."""
    return _columns([_HEADS, *map(_cells, reports)])


def line(report: Report) -> str:
    """Return how a rollout fares, in one line."""
    return f"{report.rollout}: {_GAP.join(_cells(report)[2:])}"


def details(report: Report) -> str:
    """Return all that a rollout tells besides its line of the table; empty where it tells nothing more."""
    parts = (_gates(report.gates), _shadow(report), _timings(report), _decisions(report))
    return "\n".join(part for part in parts if part)


def age(since: datetime) -> str:
    """Return how long ago something was, such as ``90s``, ``5m`` or ``3h``."""
    seconds = max(0, int((datetime.now(UTC) - since).total_seconds()))
    for unit, length in _UNITS:
        if seconds >= 2 * length:
            return f"{seconds // length}{unit}"
    return f"{seconds}s"


def _cells(report: Report) -> tuple[str, ...]:
    changed = bool(report.former_version) and report.former_version != report.version
    return (
        report.rollout,
        report.service,
        f"{report.former_version} -> {report.version}" if changed else report.version,
        str(report.phase),
        f"{report.step}/{report.steps}" if report.step else "-",
        f"{report.traffic}%",
        age(report.created),
        report.verdict or ("-" if report.taken_up else "no controller has taken it up yet"),
    )


def _gates(gates: Sequence[GateResult]) -> str:
    rows = [("  " + gate.gate, str(gate.outcome), gate.text) for gate in gates]
    return f"gates:\n{_columns(rows)}" if rows else ""


def _shadow(report: Report) -> str:
    pairs = report.shadow
    if not pairs.compared:
        return ""
    example = f", such as {pairs.example}" if pairs.example else ""
    return f"shadow: {pairs.compared:,} pairs of answers compared, {pairs.different:,} different{example}"


def _timings(report: Report) -> str:
    timings = (
        (report.exposure_to_verdict_seconds, "from the first exposure to the verdict"),
        (report.verdict_to_zero_traffic_seconds, "from the verdict to zero traffic"),
    )
    told = [f"{seconds:g} s {what}" for seconds, what in timings if seconds is not None]
    if report.kept_until is not None:
        told.append(f"{report.former_version} is kept running until {_moment(report.kept_until)}")
    return f"timings: {', '.join(told)}" if told else ""


def _decisions(report: Report) -> str:
    rows = [("  " + _moment(each.time), str(each.phase), each.reason, each.message) for each in report.decisions]
    return f"decisions:\n{_columns(rows)}" if rows else ""


def _moment(time: datetime) -> str:
    return f"{time.astimezone():%Y-%m-%d %H:%M:%S}"


def _columns(rows: Sequence[Sequence[str]]) -> str:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = [_GAP.join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return "\n".join(lines)
