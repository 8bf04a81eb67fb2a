# SPDX-License-Identifier: Apache-2.0
"""The verdict in one line of JSON, short enough for the termination message of a Kubernetes container.

Its keys: ``outcome`` (PASS, FAIL or INCONCLUSIVE), ``sentence`` (why), ``requests`` (sent and measured), ``correct``
(answered rightly), ``achieved`` (requests/s), ``digest`` (SHA-256 of the timetable), ``objectives`` (each with
``name``, ``limit``, ``measured``, ``low``, ``high`` and ``outcome``; latencies in seconds, others as shares; null is
unknown, "never" is without end) and ``report`` (where the page is, or null). Where not all objectives have room,
those that pass are left out first, and ``left_out`` says how many were.
"""

import json
from pathlib import Path
from typing import Final

from loadtests.errors import LoadTestError
from loadtests.judging.objective import Outcome
from loadtests.judging.verdict import Verdict
from loadtests.judging.verdict_text import verdict_sentence
from loadtests.report.document import objectives_in_seconds
from loadtests.run import Run

#: Kubernetes keeps 4,096 bytes.
_MOST_BYTES: Final = 4_000
_LONGEST_PLACE: Final = 1_024


def write_verdict(run: Run, verdict: Verdict, path: Path, report: str | None) -> None:
    """Write the verdict into a file, which may be there already, in a folder where none can be added.

    Args:
        run: What was measured.
        verdict: What it shows.
        path: The file.
        report: Where the page was written; None for nowhere.

    Raises:
        LoadTestError: It cannot be written there.
    """
    try:
        path.write_bytes(verdict_line(run, verdict, report))
    except OSError as err:
        raise LoadTestError(f"{path}: the verdict could not be written ({err.strerror})") from err


def verdict_line(run: Run, verdict: Verdict, report: str | None) -> bytes:
    """Return the line with its end, at most 4,000 bytes."""
    told = {
        "outcome": str(verdict.outcome),
        "sentence": verdict_sentence(verdict),
        "requests": verdict.requests,
        "correct": verdict.requests - verdict.failed,
        "achieved": run.achieved_rate,
        "digest": run.digest,
        "report": report if report is None or len(json.dumps(report)) <= _LONGEST_PLACE else None,
    }
    objectives = _objectives(verdict)
    line = _line({**told, "objectives": objectives})
    left_out = 0
    while len(line) > _MOST_BYTES and objectives:
        passed = [one for one in objectives if one["outcome"] == Outcome.PASS]
        objectives.remove((passed or objectives)[-1])
        left_out += 1
        line = _line({**told, "objectives": objectives, "left_out": left_out})
    return line


def _objectives(verdict: Verdict) -> list[dict[str, object]]:
    kept = ("name", "limit", "measured", "low", "high", "outcome")
    return [{key: one[key] for key in kept} for one in objectives_in_seconds(verdict)]


def _line(told: dict[str, object]) -> bytes:
    return json.dumps(told, allow_nan=False).encode("ascii") + b"\n"
