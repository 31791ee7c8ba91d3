"""Pictures of an objective over two parameters at once."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from pipeline.reports.drawing import INK, LINE, figure_of, legend_below
from pipeline.sweep.report.axes import colours_of, scatter_trials, set_axis
from pipeline.sweep.report.scales import GOLDEN, SILVER, Scale, View, has, params_of
from pipeline.sweep.report.words import better
from pipeline.tasks.base import FloatArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.cm import ScalarMappable
    from matplotlib.figure import Figure

FEWEST_TRIALS = 4
MOST_PARAMETERS = 4
MOST_PARAMETERS_OF_SEVERAL = 3
"""The same with several objectives, each of which has a column."""
GRID = 150
"""Cells along each axis."""
NEAR = 2.0
"""How far from a trial the surface goes, in widths of the Gaussian."""
SHARPER = 8
"""So high a power of the weights tells how far the nearest trial is, however many there are."""


def contours(view: View) -> Figure | str:
    """The objectives over pairs of the most important parameters."""
    objectives = view.record.facts.objectives
    several = len(objectives) > 1
    names = view.varied(MOST_PARAMETERS_OF_SEVERAL if several else MOST_PARAMETERS)
    pairs = [
        (a, b)
        for a, b in itertools.combinations(names, 2)
        if sum(has(trial, a, b) for trial in view.measured) >= FEWEST_TRIALS
    ]
    if not pairs:
        return f"it needs {FEWEST_TRIALS} trials with values that share two differing parameters"
    columns = len(objectives) if several else min(len(pairs), 2)
    lines = len(pairs) if several else math.ceil(len(pairs) / columns)
    figure = figure_of(min(max(4.3 * columns, 6.0), 10.5), 3.4 * lines + 0.8 * several)
    grid = figure.subplots(lines, columns, squeeze=False)
    panels = [(pair, place) for pair in pairs for place in range(len(objectives))]
    paints = [
        colours_of([trial.values[place] for trial in view.measured], direction)
        for place, (_, direction) in enumerate(objectives)
    ]
    for axes, panel in itertools.zip_longest(grid.flat, panels):
        if panel is None:
            axes.set_visible(False)
            continue
        pair, place = panel
        _contour(axes, view, pair, place, paints[place])
        if several and place:
            axes.set(yticks=[], ylabel="")
    for place, paint in enumerate(paints):
        beside = list(grid[:, place] if several else grid.flat)
        where = "top" if several else "right"
        bar = figure.colorbar(paint, ax=beside, location=where, pad=0.02, aspect=40, shrink=0.8)
        bar.set_label(f"{objectives[place][0]} ({better(objectives[place][1])})")
        bar.outline.set_visible(False)
    legend_below(figure)
    return figure


def _contour(
    axes: Axes, view: View, pair: tuple[str, str], place: int, paint: ScalarMappable
) -> None:
    with_both = [t for t in view.measured if has(t, *pair)]
    scales = [view.scales[name] for name in pair]
    low, high = paint.get_clim()
    values = np.clip([trial.values[place] for trial in with_both], low, high)
    points = np.array(
        [
            [s.position(params_of(t)[n]) for t in with_both]
            for s, n in zip(scales, pair, strict=True)
        ]
    )
    surface = smoothed(points, values, scales)
    centres = (np.arange(GRID) + 0.5) / GRID
    axes.set_facecolor(LINE)
    axes.pcolormesh(centres, centres, surface, cmap=paint.cmap, vmin=low, vmax=high)
    if np.nanmax(surface) > np.nanmin(surface) and not any(s.labels for s in scales):
        levels = np.linspace(low, high, 9)[1:-1]
        axes.contour(centres, centres, surface, levels, colors="white", linewidths=0.6)
    spread = [
        [scale.jittered(params_of(t)[name], t.number, ratio) for t in with_both]
        for scale, name, ratio in zip(scales, pair, (GOLDEN, SILVER), strict=True)
    ]
    pale = {"color": "white", "edgecolors": INK, "linewidths": 0.8, "s": 22}
    scatter_trials(
        axes,
        view,
        with_both,
        spread[0],
        spread[1],
        complete=pale,
        infeasible={"facecolors": "white"},
    )
    set_axis(axes, "x", pair[0], scales[0])
    set_axis(axes, "y", pair[1], scales[1])
    axes.tick_params(labelsize=9)


def smoothed(points: FloatArray, values: FloatArray, scales: Sequence[Scale]) -> FloatArray:
    """Means of the values of near trials, weighted by a Gaussian of the distance.

    Choices are not near each other: a cell of a choice knows only trials with that choice.

    Args:
        points: Places of trials, `[2, trials]`, from 0 to 1.
        values: Their values, `[trials]`.
        scales: Of the two axes.

    Returns:
        `[GRID, GRID]`, the second axis of `points` first; NaN where no trial is near.
    """
    width = 0.25 * len(values) ** (-1 / 6)
    centres = (np.arange(GRID) + 0.5)[:, None] / GRID
    weights = []
    for scale, place in zip(scales, points, strict=True):
        if scale.labels is None:
            weights.append(np.exp(-0.5 * ((centres - place) / width) ** 2))
        else:
            cells = len(scale.labels)
            weights.append((np.floor(centres * cells) == np.floor(place * cells)).astype(float))
    total = weights[1] @ weights[0].T
    near = weights[1] ** SHARPER @ (weights[0] ** SHARPER).T > np.exp(-0.5 * SHARPER * NEAR**2)
    sums = (weights[1] * values) @ weights[0].T
    return np.where(near, sums / np.where(near, total, 1.0), np.nan)
