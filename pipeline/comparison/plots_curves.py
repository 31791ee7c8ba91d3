"""Learning curves of all runs in one picture."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from pipeline.comparison.plots import colour, dash, group_names, is_narrow, mark, places
from pipeline.comparison.result import Comparison, Curve
from pipeline.reports.drawing import figure_of
from pipeline.reports.svg import drawable

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_POINTS = 200
"""Points of a drawn curve; each is a mean over neighbours where there are more."""
MOST_MARKED = 25
"""Points of a curve up to which each is marked."""
_PANEL = 2.5


def drawn_metrics(comparison: Comparison) -> list[str]:
    """Metrics with a curve of at least one known value, as they come."""
    known = [curve for curve in comparison.curves if any(map(math.isfinite, curve.values))]
    return list(dict.fromkeys(curve.metric for curve in known))


def curves_picture(comparison: Comparison, metrics: Sequence[str], width: float) -> Figure:
    """A panel for each metric with the curves of all runs.

    Args:
        comparison: The comparison.
        metrics: At least one.
        width: Of the picture in inches.
    """
    columns = 1 if is_narrow(width) else min(len(metrics), 3)
    lines = math.ceil(len(metrics) / columns)
    legend = 0.25 * math.ceil(len(comparison.groups) / (2 if is_narrow(width) else 3)) + 0.25
    figure = figure_of(width, lines * _PANEL + legend)
    panels = list(figure.subplots(lines, columns, squeeze=False).flat)
    for axes, metric in zip(panels, metrics, strict=False):
        _draw(axes, comparison, [one for one in comparison.curves if one.metric == metric])
        axes.set_title(drawable(metric))
    for axes in panels[len(metrics) :]:
        axes.set_visible(False)
    for axes in panels[max(len(metrics) - columns, 0) : len(metrics)]:
        axes.set_xlabel("optimizer step")
    _legend(figure, comparison, width)
    return figure


def thinned(curve: Curve) -> tuple[list[float], list[float]]:
    """Steps and values of a curve, means over neighbours where it has very many points."""
    count = len(curve.values)
    if count <= MOST_POINTS:
        return list(map(float, curve.steps)), list(curve.values)
    parts = np.array_split(np.arange(count), MOST_POINTS)
    steps, values = np.asarray(curve.steps, np.float64), np.asarray(curve.values, np.float64)
    return [float(steps[p].mean()) for p in parts], [float(values[p].mean()) for p in parts]


def mean_curve(curves: Sequence[Curve]) -> Curve | None:
    """The mean over seeds at the steps that all have; None where there are none."""
    tables = [dict(zip(curve.steps, curve.values, strict=True)) for curve in curves]
    steps = tuple(step for step in curves[0].steps if all(step in table for table in tables))
    if not steps:
        return None
    values = tuple(sum(table[step] for table in tables) / len(tables) for step in steps)
    return replace(curves[0], steps=steps, values=values)


def _draw(axes: Axes, comparison: Comparison, curves: Sequence[Curve]) -> None:
    for label, place in places(comparison).items():
        own = [curve for curve in curves if curve.label == label]
        if len(own) == 1:
            _line(axes, own[0], place)
            continue
        for curve in own:
            axes.plot(*thinned(curve), color=colour(place), linewidth=0.7, alpha=0.35, zorder=2)
        if own and (mean := mean_curve(own)):
            _line(axes, mean, place)
    axes.grid(True)


def _line(axes: Axes, curve: Curve, place: int) -> None:
    axes.plot(
        *thinned(curve),
        color=colour(place),
        linestyle=dash(place),
        linewidth=1.8,
        marker=mark(place) if len(curve.steps) <= MOST_MARKED else None,
        markersize=3.5,
        zorder=3,
    )


def _legend(figure: Figure, comparison: Comparison, width: float) -> None:
    from matplotlib.lines import Line2D

    place = places(comparison)
    with_curve = {curve.label for curve in comparison.curves}
    handles = [
        Line2D(
            [],
            [],
            color=colour(place[label]),
            linestyle=dash(place[label]),
            linewidth=1.8,
            label=name,
        )
        for label, name in group_names(comparison).items()
        if label in with_curve
    ]
    figure.legend(
        handles=handles,
        loc="outside lower center",
        ncols=min(len(handles), 1 if is_narrow(width) else 3),
        fontsize=9.5,
        handlelength=3.2,
    )
