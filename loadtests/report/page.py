# SPDX-License-Identifier: Apache-2.0
"""The page of a run: one file that needs nothing else, for a browser or for paper."""

from pathlib import Path
from typing import Final

from loadtests.judging.figures import percent_text
from loadtests.judging.verdict import Verdict
from loadtests.report import tables
from loadtests.report.text import rate_text, reason
from loadtests.run import Run
from reports.page import page_from

_FOLDER: Final = Path(__file__).parent
_SHARES: Final = {"p50": 0.5, "p95": 0.95, "p99": 0.99, "max": 1.0}


def write_page(run: Run, verdict: Verdict, path: Path) -> None:
    """Write the page of a run that was judged; the same run gives the same bytes.

    Raises:
        OSError: It cannot be written there.
    """
    # A server may answer half a surrogate pair as its version, which no file can hold.
    path.write_bytes(render_page(run, verdict).encode("utf-8", "replace"))


def render_page(run: Run, verdict: Verdict) -> str:
    """Return the page of a run that was judged, as HTML."""
    from loadtests.report.plots import plots

    return page_from(
        _FOLDER,
        run=run,
        verdict=verdict,
        reason=reason(verdict),
        figures=_figures(run),
        plots=list(plots(run, verdict)),
        objectives=tables.objectives_table(verdict),
        generator=tables.generator_table(run),
        names=tables.requests_table(run, lambda key: key.name, "kind of request"),
        versions=tables.requests_table(run, lambda key: key.version, "model version"),
        codes=tables.codes_table(run),
        conditions=tables.conditions_table(run),
    )


def _figures(run: Run) -> list[tuple[str, str]]:
    """Return what is told in large figures: what it is, and its text."""
    total = run.measurements.total
    failed = percent_text(total.failed / total.requests) if total.requests else "-"
    return [
        ("requests", f"{total.requests:,}"),
        ("requests/s", rate_text(run.achieved_rate)),
        ("failed", failed),
        *((name, tables.duration(total.latency, share)) for name, share in _SHARES.items()),
    ]
