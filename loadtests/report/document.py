# SPDX-License-Identifier: Apache-2.0
"""A run and its verdict as JSON documents: one with all figures, and one of a single line."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Final

from loadtests.histogram import Counted
from loadtests.measurements import CellKey, Tally
from loadtests.report.text import sentence
from loadtests.report.timeline import intervals
from loadtests.run import Run
from loadtests.verdict import Verdict

SCHEMA: Final = "portside.dev/loadtest-report/v1"

#: What Kubernetes keeps of a container's last words, in bytes.
_LONGEST_LINE: Final = 4_000
_SHARES: Final = {"p50": 0.5, "p90": 0.9, "p95": 0.95, "p99": 0.99, "p99.9": 0.999, "p99.99": 0.9999, "max": 1.0}


def report_json(run: Run, verdict: Verdict) -> dict[str, object]:
    """Return all that is known of a run, as plain values for JSON.

    Durations are seconds, in full precision. ``latency`` is from due to right answer, of the requests that were
    answered rightly; ``service`` from sent to answered or given up, of all requests; a percentile is null where there
    are none. In the verdict a request that failed counts as never answered, and ``"never"`` is its latency.

    ==============  ===================================================================================================
    key             value
    ==============  ===================================================================================================
    schema          ``portside.dev/loadtest-report/v1``
    outcome         PASS, FAIL or INCONCLUSIVE
    sentence        the verdict in words
    verdict         objectives with limit, measured, low, high (the interval), outcome and more_requests; what the
                    generator did wrong; remarks; confidence
    run             model, host, when and how long, arrivals, seed, digest of the timetable, workers, options
    generator       asked and achieved rate (requests/s), requests asked, sent and dropped, lag, share of a core
    requests        count, correct, failed
    latency         count, percentiles and bins: the longest duration of each, and its count
    service         the same
    by_name         of each kind of request: name, requests, failed, latency, service; no bins
    by_code         the same by code
    by_version      the same by the answer's model_version
    seconds         of each second from the start, the warm-up's too: asked, requests, failed, dropped, latest (how late
                    the latest request left), p50, p95, p99, max
    environment     the machine that sent the requests; see ``describe_environment``
    ==============  ===================================================================================================
    """
    measurements, total = run.measurements, run.measurements.total
    return {
        "schema": SCHEMA,
        "outcome": str(verdict.outcome),
        "sentence": sentence(verdict),
        "verdict": _in_seconds(verdict),
        "run": {
            "model": run.model,
            "host": run.host,
            "started": run.started,
            "seconds": run.seconds,
            "elapsed": run.elapsed,
            "warmup": run.warmup,
            "arrivals": run.arrivals,
            "seed": run.seed,
            "digest": run.digest,
            "workers": run.workers,
            "options": run.options,
        },
        "generator": {
            "asked_rate": run.asked_rate,
            "achieved_rate": run.achieved_rate,
            "asked": run.to_measure,
            "sent": total.requests,
            "dropped": sum(measurements.dropped.values()),
            "lag": _percentiles(measurements.lag),
            "cpu": run.cpu,
        },
        "requests": {"count": total.requests, "correct": total.requests - total.failed, "failed": total.failed},
        "latency": {**_percentiles(total.latency), "bins": _bins(total.latency)},
        "service": {**_percentiles(total.service), "bins": _bins(total.service)},
        "by_name": _table(run, lambda key: key.name, "name"),
        "by_code": _table(run, lambda key: key.code, "code"),
        "by_version": _table(run, lambda key: key.version, "version"),
        "seconds": _seconds(run),
        "environment": run.environment,
    }


def verdict_json(run: Run, verdict: Verdict, report: str | None = None) -> dict[str, object]:
    """Return the verdict and the figures that it rests on, as plain values for JSON.

    Args:
        run: The run.
        verdict: On that run.
        report: Where the whole report is.
    """
    objectives = [
        {name: one[name] for name in ("name", "limit", "measured", "low", "high", "outcome")}
        for one in _objectives(verdict)
    ]
    return {
        "outcome": str(verdict.outcome),
        "sentence": sentence(verdict),
        "requests": verdict.requests,
        "correct": verdict.requests - verdict.failed,
        "achieved": run.achieved_rate,
        "digest": run.digest,
        "objectives": objectives,
        "report": report,
    }


def write_json(run: Run, verdict: Verdict, path: Path) -> None:
    """Write what ``report_json`` returns.

    Raises:
        OSError: It cannot be written there.
    """
    path.write_text(json.dumps(report_json(run, verdict), allow_nan=False), encoding="utf-8")


def write_verdict(run: Run, verdict: Verdict, path: Path, report: str | None = None) -> None:
    """Write what ``verdict_json`` returns as one line, of as many objectives as fit into 4,000 bytes.

    The file is written in place: that of a container's last words is there before and cannot be replaced.

    Raises:
        OSError: It cannot be written there.
    """
    told = verdict_json(run, verdict, report)
    objectives = list(told["objectives"]) if isinstance(told["objectives"], list) else []
    while len(line := json.dumps({**told, "objectives": objectives}, allow_nan=False)) >= _LONGEST_LINE and objectives:
        objectives.pop()
    path.write_text(line + "\n", encoding="utf-8")


def _in_seconds(verdict: Verdict) -> dict[str, object]:
    return {**verdict.to_json(), "objectives": _objectives(verdict)}


def _objectives(verdict: Verdict) -> list[dict[str, object]]:
    told = verdict.to_json()["objectives"]
    assert isinstance(told, list)  # noqa: S101 (so it says itself)
    return [_objective(one) for one in told]


def _objective(told: dict[str, object]) -> dict[str, object]:
    if told["unit"] != "us":
        return told
    figures = {name: told[name] for name in ("limit", "measured", "low", "high")}
    in_seconds = {
        name: value / 1_000_000 if isinstance(value, int | float) else value for name, value in figures.items()
    }
    return {**told, "unit": "s", **in_seconds}


def _percentiles(durations: Counted, names: tuple[str, ...] = tuple(_SHARES)) -> dict[str, float | int | None]:
    count = durations.count
    figures = {name: durations.percentile(_SHARES[name]) / 1_000_000 if count else None for name in names}
    return {"count": count, **figures}


def _bins(durations: Counted) -> list[tuple[float, int]]:
    return [(longest / 1_000_000, count) for longest, count in durations.bins()]


def _table(run: Run, of: Callable[[CellKey], str], column: str) -> list[dict[str, object]]:
    return [{column: told, **_row(tally)} for told, tally in sorted(run.measurements.tallies(of).items())]


def _row(tally: Tally) -> dict[str, object]:
    return {
        "requests": tally.requests,
        "failed": tally.failed,
        "latency": _percentiles(tally.latency),
        "service": _percentiles(tally.service),
    }


def _seconds(run: Run) -> list[dict[str, object]]:
    return [
        {
            "second": one.start,
            "asked": one.asked,
            "requests": one.requests,
            "failed": one.failed,
            "dropped": one.dropped,
            "latest": None if one.latest_us is None else one.latest_us / 1_000_000,
            **{
                name: value
                for name, value in _percentiles(one.latency, ("p50", "p95", "p99", "max")).items()
                if name != "count"
            },
        }
        for one in intervals(run, 1)
    ]
