# SPDX-License-Identifier: Apache-2.0
"""Plots of a run from its beginning to its end, interval by interval."""

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import cycle
from typing import Final

import numpy as np
from matplotlib.axes import Axes

from loadtests.judging.objective import duration_text
from loadtests.report.drawing import DASHES, KINDS, Ink, count_axis, draw, duration_axis, time_axis
from loadtests.report.limits import Limit
from loadtests.report.text import rate_text
from loadtests.report.timeline import Interval
from loadtests.run import Run
from reports.drawing import Key, Plot

#: Up to that many points, a line shows each of them.
_FEW_POINTS: Final = 60

_LINES: Final = {"max": (1.0, Ink.MAX), "p99": (0.99, Ink.P99), "p95": (0.95, Ink.P95), "p50": (0.5, Ink.P50)}


def latency_over_time(among: Sequence[Interval], limits: Sequence[Limit]) -> Plot:
    """Return p50, p95, p99 and the maximum of every interval, beside the limits of the SLO."""
    answered = [one for one in among if one.latency.count]
    middles = _middles(among)
    values = {name: _line(among, share) for name, (share, _) in _LINES.items()}
    shortest, longest = min(_known(values["p50"])), max(_known(values["max"]))
    failing = [one.start + one.seconds / 2 for one in among if one.failed]
    each = _each(among)

    def paint(axes: Axes) -> None:
        for name, (_, ink) in _LINES.items():
            axes.plot(
                middles,
                values[name],
                color=ink.value,
                linewidth=1.0 if name == "max" else 1.6,
                marker=_marker(answered),
                markersize=2.6,
            )
        for limit, dashes in zip(limits, cycle(DASHES), strict=False):
            axes.axhline(limit.microseconds, color=limit.ink.value, linewidth=1.3, linestyle=dashes)
        _warmup(axes, among)
        axes.plot(
            failing,
            [0.985] * len(failing),
            "x",
            color=Ink.FAILED.value,
            markersize=4.5,
            markeredgewidth=1.3,
            transform=axes.get_xaxis_transform(),
            clip_on=False,
        )
        time_axis(axes, _end(among))
        seen = [limit.microseconds for limit in limits]
        duration_axis(axes, "y", min([shortest, *seen]), max([longest, *seen]), "latency")

    legend = [Key(name, ink) for name, (_, ink) in _LINES.items()]
    legend += [Key(limit.label, limit.ink, "dashed") for limit in limits]
    if failing:
        legend.append(Key("requests failed", Ink.FAILED, "cross"))
    legend += _warmup_key(among)
    worst = max(answered, key=lambda one: one.latency.percentile(1.0))
    return draw(
        paint,
        title=f"Latency over time: from due to a right answer, in {each}",
        about="Every request counts in the interval in which it was due, whenever it was sent. A request that failed "
        "has no latency; a cross marks intervals in which any did.",
        alt=f"Latency over time. p50 is between {_range(values['p50'])}, p99 between {_range(values['p99'])}; the "
        f"longest, {duration_text(longest)}, was due at {worst.start} s. Requests failed in {len(failing)} of "
        f"{len(among)} intervals.",
        legend=tuple(legend),
        height=3.8,
    )


def rates(run: Run, among: Sequence[Interval]) -> Plot:
    """Return how many requests were asked for, sent, and answered rightly."""
    measured = [one for one in among if not one.is_warmup]
    lines: list[tuple[str, Ink, float, list[float], Sequence[Interval]]] = []
    if run.asked:
        lines.append(("asked", Ink.ASKED, 4.5, [(one.asked or 0) / one.planned for one in among], among))
    lines += [
        ("sent", Ink.SENT, 1.6, [one.requests / one.measured for one in measured], measured),
        ("answered rightly", Ink.P50, 1.2, [(one.requests - one.failed) / one.measured for one in measured], measured),
    ]
    if any(one.dropped for one in among):
        lines.append(("dropped", Ink.FAILED, 1.6, [one.dropped / one.measured for one in measured], measured))

    def paint(axes: Axes) -> None:
        for _, ink, width, rates, intervals in lines:
            if rates:
                axes.stairs(rates, _edges(intervals), baseline=None, color=ink.value, linewidth=width)
        _warmup(axes, among)
        time_axis(axes, _end(among))
        count_axis(axes, "requests/s")

    return draw(
        paint,
        title=f"Rate asked and achieved, in {_each(among)}",
        about="Requests by the interval in which they were due: what the timetable asks for, what the generator sent, "
        "and what the server answered rightly.",
        alt=f"Rates over time. On average {rate_text(run.asked_rate)} requests/s were asked for and "
        f"{rate_text(run.achieved_rate)} sent; {sum(one.dropped for one in among):,} were dropped and "
        f"{sum(one.failed for one in among):,} failed.",
        legend=(*(Key(name, ink) for name, ink, *_ in lines), *_warmup_key(among)),
    )


def lateness(among: Sequence[Interval]) -> Plot:
    """Return how late the latest request of every interval left."""
    latest = [math.nan if one.latest_us is None else max(one.latest_us, 1.0) for one in among]
    known = _known(latest)

    def paint(axes: Axes) -> None:
        axes.plot(_middles(among), latest, color=Ink.SENT.value, linewidth=1.3, marker=_marker(known), markersize=2.6)
        _warmup(axes, among)
        time_axis(axes, _end(among))
        duration_axis(axes, "y", min(known), max(known), "lag")

    return draw(
        paint,
        title=f"How late the generator was: the latest request of {_each(among)}",
        about="Lag is from due to sent; it is part of latency. Where it is long, the generator is what was slow.",
        alt=f"Lag over time: the latest request of an interval left between {duration_text(min(known))} and "
        f"{duration_text(max(known))} late.",
        legend=(Key("latest request", Ink.SENT), *_warmup_key(among)),
        height=2.4,
    )


def failures(among: Sequence[Interval]) -> Plot:
    """Return how many requests failed, by code."""
    return _stacked(
        among,
        lambda one: one.codes,
        title=f"Failed requests over time, by code, in {_each(among)}",
        about="By the interval in which they were due. Codes are those of HTTP or gRPC, or what happened instead of an "
        "answer.",
        label="failed requests/s",
        inks=(Ink.FAILED, *KINDS[1:]),
    )


def versions(among: Sequence[Interval]) -> Plot:
    """Return how many requests were answered rightly, by the model version that answered."""
    return _stacked(
        among,
        lambda one: one.versions,
        title=f"Who answered: right answers over time, by model version, in {_each(among)}",
        about="The model_version that the answers bear.",
        label="right answers/s",
        inks=KINDS,
    )


def _stacked(
    among: Sequence[Interval],
    of: Callable[[Interval], Mapping[str, int]],
    *,
    title: str,
    about: str,
    label: str,
    inks: Sequence[Ink],
) -> Plot:
    totals = _names(of(one) for one in among)
    names: list[str | None] = list(totals)
    if len(names) > len(inks):
        names = [*names[: len(inks) - 1], None]
    shown = [name for name in names if name is not None]

    def rate(one: Interval, name: str | None) -> float:
        told = of(one)
        count = told.get(name, 0) if name is not None else sum(told.values()) - sum(told.get(each, 0) for each in shown)
        return count / one.measured

    def paint(axes: Axes) -> None:
        below = np.zeros(len(among))
        for name, ink in zip(names, inks, strict=False):
            above = below + [rate(one, name) for one in among]
            axes.stairs(above, _edges(among), baseline=below, fill=True, color=ink.value, linewidth=0)
            below = above
        _warmup(axes, among)
        time_axis(axes, _end(among))
        count_axis(axes, label)

    return draw(
        paint,
        title=title,
        about=about,
        alt=f"{title}: " + ", ".join(f"{count:,} {name or 'without'}" for name, count in totals.items()),
        legend=(
            *(
                Key("others" if name is None else name or "(none)", ink, "area")
                for name, ink in zip(names, inks, strict=False)
            ),
            *_warmup_key(among),
        ),
        height=2.6,
    )


def _warmup(axes: Axes, among: Sequence[Interval]) -> None:
    """Draw the time that is not measured, behind all else."""
    axes.axvspan(0, _warmup_end(among), color=Ink.GRID.value, alpha=0.6, linewidth=0, zorder=0)


def _warmup_key(among: Sequence[Interval]) -> tuple[Key, ...]:
    return (Key("warm-up, not measured", Ink.GRID, "area"),) if _warmup_end(among) else ()


def _warmup_end(among: Sequence[Interval]) -> int:
    return max((one.start + one.seconds for one in among if one.is_warmup), default=0)


def _line(among: Sequence[Interval], share: float) -> list[float]:
    return [one.latency.percentile(share) if one.latency.count else math.nan for one in among]


def _middles(among: Sequence[Interval]) -> list[float]:
    return [one.start + one.seconds / 2 for one in among]


def _edges(among: Sequence[Interval]) -> list[int]:
    return [*(one.start for one in among), among[-1].start + among[-1].seconds]


def _end(among: Sequence[Interval]) -> int:
    return among[-1].start + among[-1].seconds if among else 0


def _each(among: Sequence[Interval]) -> str:
    length = max((one.seconds for one in among), default=1)
    return "each second" if length == 1 else f"each {length} s"


def _names(counts: Iterable[Mapping[str, int]]) -> dict[str, int]:
    """Return how many there are in all, the most frequent first."""
    total: Counter[str] = Counter()
    for one in counts:
        total.update(one)
    return dict(sorted(total.items(), key=lambda item: (-item[1], item[0])))


def _range(values: Iterable[float]) -> str:
    known = _known(values)
    return f"{duration_text(min(known))} and {duration_text(max(known))}"


def _known(values: Iterable[float]) -> list[float]:
    return [value for value in values if not math.isnan(value)]


def _marker(points: Sequence[object]) -> str:
    return "o" if len(points) <= _FEW_POINTS else "None"
