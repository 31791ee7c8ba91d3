"""Marks of differences, their legend and their axis."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from pipeline.comparison.plots import Bar, colour, group_names, is_narrow, mark
from pipeline.comparison.result import Comparison, Difference, Estimate
from pipeline.reports.drawing import FAINT

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

AXIS = 0.62
"""Inches below rows."""
HIGHEST = 9.0
"""Inches of rows in a picture, unless what belongs together needs more."""


def mark_legend(figure: Figure, comparison: Comparison, width: float) -> None:
    """Says below a picture which mark is which group's; the reference has none."""
    from matplotlib.lines import Line2D

    names = list(group_names(comparison).values())
    handles = [
        Line2D([], [], color=colour(p), marker=mark(p), markersize=7, linewidth=2.0, label=names[p])
        for p in range(1, len(names))
    ]
    figure.legend(
        handles=handles,
        loc="outside lower center",
        ncols=_columns(width),
        fontsize=9.5,
        columnspacing=1.4,
    )


def _columns(width: float) -> int:
    return 1 if is_narrow(width) else 3


def legend_height(comparison: Comparison, width: float) -> float:
    """Inches of that legend; none for two groups, whose picture has one kind of mark."""
    count = len(comparison.groups) - 1
    return 0.12 + 0.21 * math.ceil(count / _columns(width)) if count > 1 else 0.0


def bar_of(difference: Difference | None, place: int) -> Bar:
    """A difference, solid where the test shows it; unknown where there is none."""
    if difference is None:
        return Bar(place, Estimate(math.nan))
    return Bar(place, difference.estimate, solid=difference.significant)


def say_which_way(axes: Axes, *, higher_is_better: bool) -> None:
    """Says below an axis which way is better."""
    word = "better →" if higher_is_better else "← better"
    axes.set_xlabel(word, color=FAINT, loc="right" if higher_is_better else "left")
