"""The look of all figures: small panels, one ink, colours that read on light and on dark paper."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap, to_hex
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

INK = "#0d0e10"
"""Colour of text and axes; pages replace it by the colour of their text."""
BLUE, ORANGE, GREEN = "#4c86c6", "#d9822b", "#3f9e6e"
PURPLE, RED, GREY = "#9067c6", "#cf5c5c", "#8a8f98"
CYCLE = (BLUE, ORANGE, GREEN, PURPLE, RED, GREY)
_RAMP = LinearSegmentedColormap.from_list("ramp", ["#2a9d8f", "#4c86c6", "#9067c6", "#cf5c97"])
WIDTH, HEIGHT = 4.6, 3.0
"""Inches of one panel: text keeps its size where a page is as narrow as a telephone."""

RC: Any = {
    "font.size": 9,
    "axes.titlesize": 9.5,
    "axes.titleweight": "bold",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.8,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "legend.frameon": False,
    "legend.fontsize": 8,
    "lines.linewidth": 1.6,
    "lines.markersize": 4,
    "svg.fonttype": "none",
}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Drawing:
    """A figure with what a page needs to show it to everybody.

    Parameters
    ----------
    name : str
        File name without ending; unique on a page.
    title : str
        Short heading.
    text : str
        What is seen, for those who do not see it.
    figure : Figure
    hovers : dict of str to sequence of str
        Text of every marker of the artist with this gid, in the order of its points.
    """

    name: str
    title: str
    text: str
    figure: Figure
    hovers: dict[str, Sequence[str]] = field(default_factory=dict)


def panels(
    columns: int = 1, rows: int = 1, *, width: float = WIDTH, height: float = HEIGHT, sharey: bool = False
) -> tuple[Figure, list[Axes]]:
    """Make a figure of equal panels, of one vertical scale where they are to be compared."""
    figure = Figure(figsize=(width * columns, height * rows), layout="constrained")
    axes = list(figure.subplots(rows, columns, squeeze=False, sharey=sharey).flat)
    for axis in axes:
        axis.set_prop_cycle(color=CYCLE)
        axis.set_axisbelow(True)
        axis.grid(visible=True, color=GREY, alpha=0.25, linewidth=0.6)
    return figure, axes


def shades(count: int) -> list[str]:
    """Return `count` colours in order, for a quantity that grows."""
    return [to_hex(_RAMP(index / max(1, count - 1))) for index in range(count)]


styled = rc_context(RC)
"""Decorator of functions that draw: legends and titles take their look when they are made."""


def plain_log(axes: Axes, axis: str = "y") -> None:
    """Make an axis logarithmic, with plain numbers at 1, 2 and 5 (at 1 alone over more than three decades)."""
    (axes.set_xscale if axis == "x" else axes.set_yscale)("log")
    shown = axes.xaxis if axis == "x" else axes.yaxis
    low, high = shown.get_view_interval()
    wide = math.log10(high / low) > 3
    shown.set_major_locator(LogLocator(subs=(1.0,) if wide else (1.0, 2.0, 5.0)))
    shown.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    shown.set_minor_formatter(NullFormatter())


def plain_log_ticks(axes: Axes, axis: str, values: Sequence[float]) -> None:
    """Label a logarithmic axis with these plain numbers."""
    shown = axes.xaxis if axis == "x" else axes.yaxis
    shown.set_ticks(list(values), [f"{value:g}" for value in values])
    shown.set_ticks([], minor=True)
