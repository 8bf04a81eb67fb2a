# SPDX-License-Identifier: Apache-2.0
"""A run from its beginning to its end, in intervals of equal length."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from loadtests.histogram import Counted, Histogram
from loadtests.measurements import CellKey, Measurements, Tally
from loadtests.run import Run

_LENGTHS: Final = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1_800, 3_600)


@dataclass(frozen=True)
class Interval:
    """Some seconds of a run; requests belong to the interval in which they were due.

    Attributes:
        start: In seconds from the start of the run.
        seconds: How many seconds of the clock it spans; the first and the last one may have fewer than the others.
        planned: How long the timetable is within it; less than ``seconds`` where the timetable ends in it.
        measured: How long was measured; less than ``planned`` where the warm-up ends in it.
        is_warmup: Whether all of it is within the warm-up, which is not measured.
        asked: How many requests the timetable has due in it; None without a timetable.
        requests: How many were sent and measured.
        failed: How many of them were not answered rightly.
        dropped: How many arrivals were not sent.
        latest_us: How late the latest of its requests left, in microseconds; None where none did.
        latency: Of those answered rightly, from due to answered.
        service: Of all of them, from sent to answered or given up.
        codes: How many of them failed, by code.
        versions: How many of them were answered rightly, by the answer's model_version.
    """

    start: int
    seconds: int
    planned: float
    measured: float
    is_warmup: bool
    asked: int | None
    requests: int
    failed: int
    dropped: int
    latest_us: int | None
    latency: Counted
    service: Counted
    codes: Mapping[str, int]
    versions: Mapping[str, int]


def run_length(run: Run) -> int:
    """Return how many seconds the run has, to the last one in which a request was or should have been sent."""
    seen = (*run.measurements.latest, *run.measurements.dropped)
    return max(len(run.asked), max(seen, default=-1) + 1)


def interval_length(run: Run, most: int) -> int:
    """Return the shortest usual length, in seconds, of which the run has at most so many intervals."""
    length = run_length(run)
    return next((one for one in _LENGTHS if length <= one * most), _LENGTHS[-1])


def intervals(run: Run, length: int) -> list[Interval]:
    """Return the run in intervals of so many seconds, one of which begins where the warm-up ends."""
    warmup, end = int(run.warmup), run_length(run)
    measurements = run.measurements

    def place_of(second: int) -> int:
        return (second - warmup) // length

    tallies = measurements.tallies(lambda key: place_of(key.second))
    codes = _counts(measurements, place_of, lambda key: None if key.ok else key.code)
    versions = _counts(measurements, place_of, lambda key: key.version if key.ok else None)
    none = Tally(0, 0, Histogram(), Histogram())
    found = []
    for place in range(place_of(0), place_of(end - 1) + 1 if end else place_of(0)):
        start = warmup + place * length
        seconds = range(max(start, 0), min(start + length, end))
        tally = tallies.get(place, none)
        planned = min(seconds.stop, max(run.seconds, seconds.start)) - seconds.start or float(len(seconds))
        late = [measurements.latest[second] for second in seconds if second in measurements.latest]
        found.append(
            Interval(
                start=seconds.start,
                seconds=len(seconds),
                planned=planned,
                measured=max(planned - max(run.warmup - seconds.start, 0), 0) or planned,
                is_warmup=place < 0,
                asked=sum(run.asked[seconds.start : seconds.stop]) if run.asked else None,
                requests=tally.requests,
                failed=tally.failed,
                dropped=sum(measurements.dropped.get(second, 0) for second in seconds),
                latest_us=max(late, default=None),
                latency=tally.latency,
                service=tally.service,
                codes=codes.get(place, {}),
                versions=versions.get(place, {}),
            )
        )
    return found


def _counts(
    measurements: Measurements, place_of: Callable[[int], int], of: Callable[[CellKey], str | None]
) -> dict[int, dict[str, int]]:
    """Return, of each interval, how many requests there were by what a function tells; those of None left out."""
    found: dict[int, dict[str, int]] = {}
    for (place, told), tally in measurements.tallies(lambda key: (place_of(key.second), of(key))).items():
        if told is not None:
            found.setdefault(place, {})[told] = tally.requests
    return found
