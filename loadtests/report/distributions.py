# SPDX-License-Identifier: Apache-2.0
"""Plots of how the durations of a whole run are distributed."""

from collections.abc import Sequence
from itertools import cycle
from typing import Final

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, NullFormatter, NullLocator

from loadtests.histogram import Counted
from loadtests.judging.objective import duration_text
from loadtests.report.drawing import DASHES, Ink, draw, duration_axis
from loadtests.report.limits import Limit
from reports.drawing import Key, Plot

#: Bars of a histogram, for each power of ten.
_BARS: Final = 20
#: Points of a curve of percentiles.
_POINTS: Final = 200


def latency_histogram(latency: Counted, failed: int, limits: Sequence[Limit]) -> Plot:
    """Return how many requests took how long, beside the limits of the SLO.

    Args:
        latency: Of those answered rightly.
        failed: How many were not.
        limits: Of the SLO.
    """
    edges, counts = _bars(latency)

    def paint(axes: Axes) -> None:
        floor = 0.7  # below a count of 1, which a logarithm would put on the axis
        axes.stairs(np.maximum(counts, floor), edges, baseline=floor, fill=True, color=Ink.FILL.value, linewidth=0)
        axes.set_yscale("log")
        axes.set_ylim(floor, counts.max() * 1.6)
        axes.yaxis.set_major_locator(LogLocator(10, numticks=6))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
        axes.yaxis.set_minor_locator(NullLocator())
        axes.set_ylabel("requests (logarithmic)")
        for limit, dashes in zip(limits, cycle(DASHES), strict=False):
            axes.axvline(limit.microseconds, color=limit.ink.value, linewidth=1.3, linestyle=dashes)
        seen = [limit.microseconds for limit in limits]
        duration_axis(axes, "x", min([edges[0], *seen]), max([edges[-1], *seen]), "latency, from due to a right answer")

    beyond = [
        f"{latency.count_above(round(limit.microseconds)):,} took longer than the {duration_text(limit.microseconds)} "
        f'of "{limit.label}"'
        for limit in limits
    ]
    without = f" The {failed:,} that failed have none, and are not in it." if failed else ""
    return draw(
        paint,
        title="How many requests took how long",
        about=f"{latency.count:,} requests answered rightly; both axes are logarithmic, so that a single slow request "
        f"shows.{without}",
        alt=f"Histogram of latency: {latency.count:,} requests between {duration_text(latency.value_at_rank(1))} and "
        f"{duration_text(latency.percentile(1.0))}, half of them within {duration_text(latency.percentile(0.5))}. "
        + "; ".join(beyond),
        legend=(
            Key("requests", Ink.FILL, "area"),
            *(Key(limit.label, limit.ink, "dashed") for limit in limits),
        ),
    )


def percentile_curves(latency: Counted, service: Counted, lag: Counted) -> Plot:
    """Return what share of the requests took at most how long: from due, from sent, and until sent.

    Args:
        latency: Of those answered rightly, from due to answered.
        service: Of the same, from sent to answered.
        lag: Of all, from due to sent.
    """
    curves = [
        ("latency: from due to answered", latency, Ink.P99, 2.6),
        ("service time: from sent to answered", service, Ink.P50, 1.3),
        ("lag: from due to sent", lag, Ink.MUTED, 1.3),
    ]
    points = [_curve(durations) for _, durations, _, _ in curves]
    least = 1 / max(latency.count, lag.count)

    def paint(axes: Axes) -> None:
        for (_, _, ink, width), (beyond, values) in zip(curves, points, strict=True):
            axes.plot(beyond, values, color=ink.value, linewidth=width)
        axes.set_xscale("log")
        axes.set_xlim(1, min(least * 0.4, 0.1))
        ticks = [0.5, *(10.0**-nines for nines in range(1, 9) if 10.0**-nines >= least)]
        axes.xaxis.set_major_locator(FixedLocator(ticks))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 - 100 * value:.6g} %"))
        axes.xaxis.set_minor_locator(NullLocator())
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.set_xlabel("share of requests that took at most so long")
        # Of the lag only what is not far below the others is of interest, and would take half of the axis.
        lowest = max(min(latency.value_at_rank(1), service.value_at_rank(1), lag.percentile(0.5)), 1)
        highest = max(float(values.max()) for _, values in points)
        duration_axis(axes, "y", lowest, highest, "duration")

    return draw(
        paint,
        title="From due, from sent: latency beside service time",
        about="Service time begins when a request is sent. Where the curve of latency lies above it, requests waited "
        "in the generator before they were sent, and service time alone would hide that. Latency and service time "
        "are of right answers, lag is of all requests.",
        alt="Percentiles. "
        + " ".join(
            f"{name}: p50 {duration_text(one.percentile(0.5))}, p99 {duration_text(one.percentile(0.99))}, longest "
            f"{duration_text(one.percentile(1.0))}."
            for name, one, _, _ in curves
        ),
        legend=tuple(Key(name, ink) for name, _, ink, _ in curves),
    )


def _bars(durations: Counted) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int64]]:
    """Return the edges in microseconds and the counts of a histogram with bars of equal width on a log axis."""
    longest, counts = durations.arrays()
    places = np.floor(np.log10(longest) * _BARS).astype(np.int64)
    first, last = int(places[0]), int(places[-1])
    heights = np.bincount(places - first, weights=counts).astype(np.int64)
    return 10.0 ** (np.arange(first, last + 2) / _BARS), heights


def _curve(durations: Counted) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return shares of the durations, and what all but that share took at most, in microseconds.

    A logarithm has no place for the longest, which none are beyond: it stands at half of a single one's share.
    """
    longest, counts = durations.arrays()
    up_to = np.cumsum(counts)
    count = int(up_to[-1])
    beyond = np.geomspace(1, 1 / count, _POINTS)
    ranks = np.clip(np.ceil(count * (1 - beyond)), 1, count)
    values = longest[np.searchsorted(up_to, ranks)]
    return np.append(beyond, 0.5 / count), np.append(values, longest[-1]).astype(np.float64)
