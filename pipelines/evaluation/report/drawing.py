# SPDX-License-Identifier: Apache-2.0
"""The page's colours, the size of its plots, and their axes."""

from collections.abc import Callable
from typing import Final

from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, FuncFormatter

from reports.drawing import Inks, Key, Plot, draw_svg

#: Of a plot, in inches: two of them stand side by side on a screen, one below the other on a telephone.
_WIDTH: Final = 4.6
_HEIGHT: Final = 3.5

#: Of a line that is compared with.
DASHES: Final = (0, (4, 4))


class Ink(Inks):
    """The colours of the page; see ``Inks``."""

    TEXT = "#000001"
    GRID = "#000002"
    MUTED = "#000003"
    LINE = "#000004"
    MARK = "#000005"
    BARS = "#000006"
    OTHER = "#000007"


def draw(paint: Callable[[Axes], None], *, title: str, about: str, alt: str, legend: tuple[Key, ...]) -> Plot:
    """Return a plot of what ``paint`` draws on the axes it is given; the other arguments are those of ``Plot``."""
    drawing = draw_svg(paint, inks=Ink, width=_WIDTH, height=_HEIGHT, salt=title)
    return Plot(title, about, alt, legend, (drawing,))


def share_axis(axes: Axes, which: str, label: str) -> None:
    """Let the axis "x" or "y" go from 0 to 1."""
    axis = axes.xaxis if which == "x" else axes.yaxis
    (axes.set_xlim if which == "x" else axes.set_ylim)(-0.01, 1.01)
    axis.set_major_locator(FixedLocator([0, 0.2, 0.4, 0.6, 0.8, 1]))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_label_text(label)
