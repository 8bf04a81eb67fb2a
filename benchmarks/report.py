# SPDX-License-Identifier: Apache-2.0
"""A run's figures and verdicts: tables in Markdown to read, and a document to keep."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any, Final

from benchmarks.figures import Figure, find
from benchmarks.plan import Plan
from benchmarks.sections.section import Section
from benchmarks.targets import Verdict

#: From here on decimals say nothing.
_WHOLE: Final = 100


def tables(section: Section, figures: Sequence[Figure], notes: Iterable[str] = ()) -> str:
    """Return a section's tables: one for each metric, a row for each case, a column for each subject."""
    parts = [f"### {section.title}"]
    for metric in dict.fromkeys(figure.metric for figure in figures):
        of_metric = [figure for figure in figures if figure.metric == metric]
        subjects = list(dict.fromkeys(figure.subject for figure in of_metric))
        rows = [
            [case, *(_cell(section, of_metric, metric, case, subject) for subject in subjects)]
            for case in dict.fromkeys(figure.case for figure in of_metric)
        ]
        parts.append(table([metric, *subjects], rows))
    return "\n\n".join([*parts, *notes])


def verdict_table(verdicts: Iterable[Verdict]) -> str:
    """Return the table of targets."""
    rows = []
    for target, value, reached in verdicts:
        what = f"{target.section}: {target.metric}, {target.case}" + (f", over {target.over}" if target.over else "")
        unit = "x" if target.over else ""
        bound = f"{'at least' if target.at_least else 'at most'} {target.bound:g}{unit}"
        if value is None:
            rows.append([what, bound, "", "not measured"])
        else:
            rows.append([what, bound, f"{number(value)}{unit}", "reached" if reached else "NOT reached"])
    return "### Targets\n\n" + table(["", "target", "measured", ""], rows)


def document(
    machine: Mapping[str, object],
    plan: Plan,
    figures: Iterable[Figure],
    verdicts: Iterable[Verdict],
    notes: Sequence[str],
) -> dict[str, Any]:
    """Return a run as a JSON document."""
    return {
        "machine": machine,
        "plan": asdict(plan),
        "figures": [{**asdict(figure), "median": figure.value} for figure in figures],
        "targets": [{**asdict(target), "value": value, "reached": reached} for target, value, reached in verdicts],
        "notes": notes,
    }


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table whose columns are aligned in plain text too, numbers to the right."""
    widths = [max(len(row[place]) for row in (head, *rows)) for place in range(len(head))]

    def line(cells: Sequence[str]) -> str:
        first, *others = (
            cell.ljust(width) if not place else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(cells, widths, strict=True))
        )
        return "| " + " | ".join([first, *others]) + " |"

    rule = "|" + "|".join("-" * (width + 1) + ("-" if not place else ":") for place, width in enumerate(widths)) + "|"
    return "\n".join([line(head), rule, *map(line, rows)])


def number(value: float) -> str:
    """Return a number with three significant digits or more, thousands set apart."""
    return f"{value:,.0f}" if abs(value) >= _WHOLE else f"{value:.3g}"


def _cell(section: Section, figures: Sequence[Figure], metric: str, case: str, subject: str) -> str:
    figure = find(figures, section.name, metric, case, subject)
    if figure is None:
        return ""
    told = number(figure.value)
    if section.baseline in (None, subject) or not figure.value:
        return told
    base = find(figures, section.name, metric, case, section.baseline or "")
    return f"{told} ({number(figure.value / base.value)}x)" if base and base.value else told
