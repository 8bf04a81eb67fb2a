# SPDX-License-Identifier: Apache-2.0
"""Plots as SVG inside a page: the colours are the page's, text stays text, and the same plot gives the same bytes."""

import io
import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import matplotlib as mpl
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter

#: Of a plot, in inches: two of them stand side by side on a screen, one below the other on a telephone.
_WIDTH: Final = 4.6
_HEIGHT: Final = 3.5
_POINTS: Final = 72

#: Of a line that is compared with.
DASHES: Final = (0, (4, 4))


class Ink(StrEnum):
    """A colour of the page, by the name of its CSS variable; the value stands for it until the plot is drawn."""

    TEXT = "#000001"
    GRID = "#000002"
    MUTED = "#000003"
    LINE = "#000004"
    MARK = "#000005"
    BARS = "#000006"
    OTHER = "#000007"

    @property
    def variable(self) -> str:
        """How CSS refers to it."""
        return f"var(--{self.name.lower()})"


@dataclass(frozen=True)
class Key:
    """An entry of a plot's legend.

    Attributes:
        label: What is drawn so.
        ink: In which colour.
        form: A class of the page's style: line, dashed, area or dot.
    """

    label: str
    ink: Ink
    form: str = "line"


@dataclass(frozen=True)
class Plot:
    """A plot, ready for the page.

    Attributes:
        title: What it shows.
        about: How it is to be read.
        alt: What it shows, in words and figures, for who cannot see it.
        legend: What is drawn how.
        svg: The drawing.
    """

    title: str
    about: str
    alt: str
    legend: tuple[Key, ...]
    svg: Markup


def draw(paint: Callable[[Axes], None], *, title: str, about: str, alt: str, legend: tuple[Key, ...]) -> Plot:
    """Return a plot of what ``paint`` draws on the axes it is given; the other arguments are those of ``Plot``."""
    return Plot(title, about, alt, legend, _svg(paint, salt=title))


def share_axis(axes: Axes, which: str, label: str) -> None:
    """Let the axis "x" or "y" go from 0 to 1."""
    axis = axes.xaxis if which == "x" else axes.yaxis
    (axes.set_xlim if which == "x" else axes.set_ylim)(-0.01, 1.01)
    axis.set_major_locator(FixedLocator([0, 0.2, 0.4, 0.6, 0.8, 1]))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_label_text(label)


def _svg(paint: Callable[[Axes], None], salt: str) -> Markup:
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(
            {
                "svg.fonttype": "none",
                "svg.hashsalt": salt,
                "text.parse_math": False,
                "font.size": 9.5,
                "text.color": Ink.TEXT.value,
                "axes.edgecolor": Ink.MUTED.value,
                "axes.labelcolor": Ink.MUTED.value,
                "axes.labelsize": 9.5,
                "axes.facecolor": "none",
                "axes.spines.top": False,
                "axes.spines.right": False,
                "axes.grid": True,
                "axes.axisbelow": True,
                "grid.color": Ink.GRID.value,
                "grid.linewidth": 0.8,
                "xtick.color": Ink.MUTED.value,
                "ytick.color": Ink.MUTED.value,
                "lines.linewidth": 1.7,
                "lines.solid_joinstyle": "round",
            }
        )
        figure = Figure(figsize=(_WIDTH, _HEIGHT), facecolor="none")
        FigureCanvasSVG(figure)
        left, right, bottom, top = 0.74, 0.16, 0.52, 0.24
        paint(
            figure.add_axes(
                (left / _WIDTH, bottom / _HEIGHT, 1 - (left + right) / _WIDTH, 1 - (bottom + top) / _HEIGHT)
            )
        )
        file = io.StringIO()
        figure.savefig(file, format="svg", metadata=dict.fromkeys(("Creator", "Date", "Format", "Type")))
    return _for_a_page(file.getvalue())


def _for_a_page(svg: str) -> Markup:
    """Return the drawing without what belongs to a document of its own, in the colours of the page."""
    inner = svg[svg.index(">", svg.index("<svg")) + 1 : svg.rindex("</svg>")]
    inner = re.sub(r"<!--.*?-->|<metadata>.*?</metadata>|<style.*?</style>", "", inner, flags=re.DOTALL)
    # Groups are named by their order, in every plot alike; nothing refers to them. What is referred to is hashed with
    # the plot's title, and the font is the page's.
    inner = re.sub(r'<g id="[^"]*">', "<g>", inner)
    inner = re.sub(r" font-family: [^;]*;", "", inner)
    inner = inner.replace("xlink:href", "href")
    for ink in Ink:
        inner = inner.replace(ink.value, ink.variable)
    inner = re.sub(r"\n\s*", "\n", inner).strip()
    size = f"0 0 {_WIDTH * _POINTS:g} {_HEIGHT * _POINTS:g}"
    return Markup(f'<svg viewBox="{size}" aria-hidden="true">{inner}</svg>')  # noqa: S704 (drawn here)
