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

_POINTS: Final = 72
#: Around the axes, for their labels, in inches.
_LEFT, _RIGHT, _BOTTOM, _TOP = 0.82, 0.18, 0.52, 0.22


class Inks(StrEnum):
    """The colours of a page, each by the name of its CSS variable.

    A page's own enumeration extends this one, and has ``TEXT``, ``GRID`` and ``MUTED`` for the axes. A member's value
    is the colour that stands for the variable until the plot is drawn; no two may be the same.
    """

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
        form: A class of the page's style: line, dashed, area, dot or cross.
    """

    label: str
    ink: Inks
    form: str = "line"


@dataclass(frozen=True)
class Plot:
    """A plot, ready for the page.

    Attributes:
        title: What it shows.
        about: How it is to be read.
        alt: What it shows, in words and figures, for who cannot see it.
        legend: What is drawn how.
        drawings: The SVG, in each of the sizes that were asked for.
    """

    title: str
    about: str
    alt: str
    legend: tuple[Key, ...]
    drawings: tuple[Markup, ...]


def draw_svg(paint: Callable[[Axes], None], *, inks: type[Inks], width: float, height: float, salt: str) -> Markup:
    """Return a drawing.

    Args:
        paint: Draws on the axes it is given, in values of the inks.
        inks: The page's.
        width: In inches.
        height: In inches.
        salt: Tells the drawing's identifiers from those of the page's other drawings.
    """
    text, grid, muted = (inks[name].value for name in ("TEXT", "GRID", "MUTED"))
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(
            {
                "svg.fonttype": "none",
                "svg.hashsalt": salt,
                "text.parse_math": False,
                "font.size": 9.5,
                "text.color": text,
                "axes.edgecolor": muted,
                "axes.labelcolor": muted,
                "axes.labelsize": 9.5,
                "axes.facecolor": "none",
                "axes.spines.top": False,
                "axes.spines.right": False,
                "axes.grid": True,
                "axes.axisbelow": True,
                "grid.color": grid,
                "grid.linewidth": 0.8,
                "xtick.color": muted,
                "ytick.color": muted,
                "lines.linewidth": 1.6,
                "lines.solid_joinstyle": "round",
            }
        )
        figure = Figure(figsize=(width, height), facecolor="none")
        FigureCanvasSVG(figure)
        inner = (_LEFT / width, _BOTTOM / height, 1 - (_LEFT + _RIGHT) / width, 1 - (_BOTTOM + _TOP) / height)
        paint(figure.add_axes(inner))
        file = io.StringIO()
        figure.savefig(file, format="svg", metadata=dict.fromkeys(("Creator", "Date", "Format", "Type")))
    size = f"0 0 {width * _POINTS:g} {height * _POINTS:g}"
    inside = _inside(file.getvalue(), inks)
    return Markup(f'<svg viewBox="{size}" aria-hidden="true">{inside}</svg>')  # noqa: S704 (drawn here)


def _inside(svg: str, inks: type[Inks]) -> str:
    """Return what stands between the tags of an SVG document, in the colours of the page."""
    inner = svg[svg.index(">", svg.index("<svg")) + 1 : svg.rindex("</svg>")]
    inner = re.sub(r"<!--.*?-->|<metadata>.*?</metadata>|<style.*?</style>", "", inner, flags=re.DOTALL)
    # Groups are named by their order, in every plot alike; nothing refers to them. What is referred to is hashed with
    # the salt, and the font is the page's.
    inner = re.sub(r'<g id="[^"]*">', "<g>", inner)
    inner = re.sub(r" font-family: [^;]*;", "", inner)
    inner = inner.replace("xlink:href", "href")
    for ink in inks:
        inner = inner.replace(ink.value, ink.variable)
    return re.sub(r"\n\s*", "\n", inner).strip()
