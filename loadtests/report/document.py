# SPDX-License-Identifier: Apache-2.0
"""A run and its verdict as one JSON document with all figures.

Durations are seconds, exact to 0.1 %; shares are from 0 to 1; null is what is not known. ``latency`` is from due to
answered, of the requests that were answered rightly; ``service`` is from sent to answered or given up, of all requests.
Both are objects of ``count``, ``p50``, ``p75``, ``p90``, ``p95``, ``p99``, ``p99.9`` and ``max``. In the verdict a
request that failed counts as never answered: ``"never"`` is a duration without end.

===============  =======================================================================================================
key              value
===============  =======================================================================================================
``schema``       ``portside.dev/loadtest-report/v1``
``outcome``      PASS, FAIL or INCONCLUSIVE
``sentence``     the verdict in words
``verdict``      ``outcome``, ``objectives``, ``requests``, ``failed``, ``confidence``,
                 ``generator`` (how it fell behind, sentences), ``remarks`` (sentences), ``more_requests``; of each
                 objective ``name``, ``unit`` ("s" or "share"), ``limit``, ``measured``, ``low`` and ``high`` (the
                 confidence interval), ``design_effect``, ``outcome``, ``more_requests``
``run``          ``model``, ``host``, ``started`` (UTC), ``seconds`` (the timetable's), ``elapsed`` (to the last
                 answer), ``warmup`` (seconds), ``arrivals``, ``seed``, ``digest`` (SHA-256 of the timetable),
                 ``workers``, ``options``
``generator``    ``asked_rate`` and ``achieved_rate`` (requests/s); ``asked``, ``sent`` and ``dropped`` (requests);
                 ``lag`` (how late requests left: ``count``, ``p50``, ``p99``, ``max``); ``cpu`` (share of a core)
``requests``     ``count``, ``correct``, ``failed``
``latency``      as above, of the whole run; and ``bins``, the longest duration and the count of each
``service``      the same
``by_name``      a list, for each kind of request: ``name``, ``requests``, ``failed``, ``latency``, ``service``
``by_code``      the same for each ``code``: HTTP's or gRPC's, or what happened instead of an answer
``by_version``   the same for each ``version``, the answer's model_version; "" without one
``seconds``      a list, for each ``second`` from the start in which requests were due: ``asked``, ``requests``,
                 ``failed``, ``dropped``, ``latest`` (how late the latest left), ``codes`` (how many failed with
                 which), ``latency``, ``service``; of the warm-up's only ``asked`` is known
``environment``  the machine that led the run, and versions; see ``describe_environment``
===============  =======================================================================================================
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Final

from loadtests.histogram import Counted
from loadtests.judging.verdict import Verdict
from loadtests.judging.verdict_text import verdict_sentence
from loadtests.measurements import CellKey, Tally
from loadtests.report.timeline import intervals
from loadtests.run import Run

SCHEMA: Final = "portside.dev/loadtest-report/v1"

_SHARES: Final = {"p50": 0.5, "p75": 0.75, "p90": 0.9, "p95": 0.95, "p99": 0.99, "p99.9": 0.999, "max": 1.0}
_MICROSECONDS: Final = 1_000_000


def write_json(run: Run, verdict: Verdict, path: Path) -> None:
    """Write the document.

    Raises:
        OSError: It cannot be written there.
    """
    text = json.dumps(document(run, verdict), allow_nan=False, separators=(",", ":"))
    path.write_text(text + "\n", encoding="utf-8")


def document(run: Run, verdict: Verdict) -> dict[str, object]:
    """Return the document as plain values."""
    measurements, total = run.measurements, run.measurements.total
    return {
        "schema": SCHEMA,
        "outcome": str(verdict.outcome),
        "sentence": verdict_sentence(verdict),
        "verdict": {**verdict.to_json(), "objectives": objectives_in_seconds(verdict)},
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
            "lag": _percentiles(measurements.lag, ("p50", "p99", "max")),
            "cpu": run.cpu,
        },
        "requests": {"count": total.requests, "correct": total.requests - total.failed, "failed": total.failed},
        "latency": {**_percentiles(total.latency), "bins": _bins(total.latency)},
        "service": {**_percentiles(total.service), "bins": _bins(total.service)},
        "by_name": _tallies(run, lambda key: key.name, "name"),
        "by_code": _tallies(run, lambda key: key.code, "code"),
        "by_version": _tallies(run, lambda key: key.version, "version"),
        "seconds": _seconds(run),
        "environment": run.environment,
    }


def objectives_in_seconds(verdict: Verdict) -> list[dict[str, object]]:
    """Return the verdict's objectives as ``Verdict.to_json`` has them, but for durations, which are seconds."""
    told = verdict.to_json()["objectives"]
    assert isinstance(told, list)  # noqa: S101 (so it says itself)
    return [_in_seconds(one) if one["unit"] == "us" else one for one in told]


def _in_seconds(told: dict[str, object]) -> dict[str, object]:
    figures = {name: told[name] for name in ("limit", "measured", "low", "high")}
    in_seconds = {
        name: value / _MICROSECONDS if isinstance(value, int | float) else value for name, value in figures.items()
    }
    return {**told, "unit": "s", **in_seconds}


def _percentiles(durations: Counted, names: tuple[str, ...] = tuple(_SHARES)) -> dict[str, float | int | None]:
    count = durations.count
    figures = {name: durations.percentile(_SHARES[name]) / _MICROSECONDS if count else None for name in names}
    return {"count": count, **figures}


def _bins(durations: Counted) -> list[tuple[float, int]]:
    return [(longest / _MICROSECONDS, count) for longest, count in durations.bins()]


def _tallies(run: Run, of: Callable[[CellKey], str], column: str) -> list[dict[str, object]]:
    return [{column: told, **_tally(tally)} for told, tally in sorted(run.measurements.tallies(of).items())]


def _tally(tally: Tally) -> dict[str, object]:
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
            "latest": None if one.latest_us is None else one.latest_us / _MICROSECONDS,
            "codes": dict(sorted(one.codes.items())),
            "latency": _percentiles(one.latency),
            "service": _percentiles(one.service),
        }
        for one in intervals(run, 1)
    ]
