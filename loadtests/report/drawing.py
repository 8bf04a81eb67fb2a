# SPDX-License-Identifier: Apache-2.0
"""The page's colours, the sizes of its plots, and their axes."""

import math
from collections.abc import Callable
from typing import Final

from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, MultipleLocator, NullFormatter, NullLocator

from loadtests.judging.objective import duration_text
from reports.drawing import Inks, Key, Plot, draw_svg

#: Widths of a plot, in inches: on a screen and on paper, and on a telephone.
_WIDE: Final = 9.6
_NARROW: Final = 4.2
#: Up to that many decades, an axis of durations has labels between the powers of ten.
_FEW_DECADES: Final = 2.2
_LONG_SECONDS: Final = 600
#: From one label of a long axis of time to the next one, in seconds.
_STEPS: Final = (120, 300, 600, 1_200, 1_800, 3_600, 7_200, 14_400, 86_400)
_MOST_LABELS: Final = 8


class Ink(Inks):
    """The colours of the page; see ``Inks``."""

    TEXT = "#000001"
    GRID = "#000002"
    MUTED = "#000003"
    P50 = "#000004"
    P95 = "#000005"
    P99 = "#000006"
    MAX = "#000007"
    FAILED = "#000008"
    ASKED = "#000009"
    SENT = "#00000a"
    FILL = "#00000b"
    KIND1 = "#00000c"
    KIND2 = "#00000d"
    KIND3 = "#00000e"
    KIND4 = "#00000f"
    KIND5 = "#000010"
    KIND6 = "#000011"


#: The lines of limits, in turn: of two that are equal, each shows in the gaps of the other.
DASHES: Final = ((0, (4, 4)), (4, (4, 4)))

KINDS: Final = (Ink.KIND1, Ink.KIND2, Ink.KIND3, Ink.KIND4, Ink.KIND5, Ink.KIND6)


def draw(
    paint: Callable[[Axes], None], *, title: str, about: str, alt: str, legend: tuple[Key, ...], height: float = 3.2
) -> Plot:
    """Return a plot.

    Args:
        paint: Draws on the axes it is given; called for each width.
        title: As in ``Plot``.
        about: As in ``Plot``.
        alt: As in ``Plot``.
        legend: As in ``Plot``.
        height: In inches.
    """
    drawings = tuple(
        draw_svg(paint, inks=Ink, width=width, height=height, salt=f"{title} {width}") for width in (_WIDE, _NARROW)
    )
    return Plot(title, about, alt, legend, drawings)


def time_axis(axes: Axes, seconds: float) -> None:
    """Let the x axis, in seconds from the start, go from 0 to ``seconds``; a long one is labelled in minutes."""
    axes.set_xlim(0, max(seconds, 1))
    if seconds > _LONG_SECONDS:
        step = next((one for one in _STEPS if seconds <= one * _MOST_LABELS), _STEPS[-1])
        axes.xaxis.set_major_locator(MultipleLocator(step))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value / 60:g}"))
        axes.set_xlabel("time from the start (minutes)")
    else:
        axes.xaxis.set_major_locator(MaxNLocator(7, integer=True))
        axes.set_xlabel("time from the start (seconds)")


def count_axis(axes: Axes, label: str) -> None:
    """Let the y axis begin at zero."""
    axes.set_ylim(bottom=0)
    axes.yaxis.set_major_locator(MaxNLocator(5))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.4g}"))
    axes.set_ylabel(label)


def duration_axis(axes: Axes, which: str, shortest_us: float, longest_us: float, label: str) -> None:
    """Let an axis be logarithmic, from a duration to another one in microseconds, with labels such as 10 ms.

    Args:
        axes: Whose.
        which: "x" or "y".
        shortest_us: To be seen, above 0.
        longest_us: To be seen.
        label: What the durations are.
    """
    low, high = shortest_us / 1.25, longest_us * 1.35
    if high < low * 10:
        middle = math.sqrt(low * high)
        low, high = middle / math.sqrt(10), middle * math.sqrt(10)
    axis = axes.xaxis if which == "x" else axes.yaxis
    (axes.set_xscale if which == "x" else axes.set_yscale)("log")
    (axes.set_xlim if which == "x" else axes.set_ylim)(low, high)
    (axes.set_xlabel if which == "x" else axes.set_ylabel)(f"{label} (logarithmic)")
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    steps = (1, 2, 5) if math.log10(high / low) <= _FEW_DECADES else (1,)
    places = [step * 10.0**decade for decade in decades for step in steps]
    axis.set_major_locator(FixedLocator([place for place in places if low <= place <= high]))
    axis.set_major_formatter(FuncFormatter(lambda value, _: duration_text(value)))
    axis.set_minor_locator(NullLocator())
    axis.set_minor_formatter(NullFormatter())
