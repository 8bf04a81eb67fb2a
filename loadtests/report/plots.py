# SPDX-License-Identifier: Apache-2.0
"""The plots of a run: those that have something to show, in the order of the page."""

from collections.abc import Iterator
from typing import Final

from loadtests.judging.verdict import Verdict
from loadtests.report.distributions import latency_histogram, percentile_curves
from loadtests.report.limits import limits
from loadtests.report.over_time import failures, latency_over_time, lateness, rates, versions
from loadtests.report.timeline import interval_length, intervals
from loadtests.run import Run
from reports.drawing import Plot

#: More intervals than these cannot be told apart in a plot.
_MOST_INTERVALS: Final = 240


def plots(run: Run, verdict: Verdict) -> Iterator[Plot]:
    """Yield the plots of a run that was judged."""
    measurements, stated = run.measurements, limits(verdict)
    among = intervals(run, interval_length(run, _MOST_INTERVALS))
    right = measurements.tallies(lambda key: key.ok).get(True)
    if right is not None:
        yield latency_over_time(among, stated)
        yield latency_histogram(right.latency, measurements.total.failed, stated)
        yield percentile_curves(right.latency, right.service, measurements.lag)
    if among:
        yield rates(run, among)
    if measurements.latest:
        yield lateness(among)
    if measurements.total.failed:
        yield failures(among)
    if len({version for one in among for version in one.versions}) > 1:
        yield versions(among)
