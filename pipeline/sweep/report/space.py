"""Pictures of the searched space: parallel coordinates, and a slice along each parameter."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from pipeline.reports.drawing import FAINT, figure_of, legend_below
from pipeline.sweep.report.axes import (
    BEST,
    beyond_note,
    broken,
    clipped,
    colours_of,
    plain_axes,
    scatter_trials,
    set_axis,
    value_window,
)
from pipeline.sweep.report.scales import Scale, View, has, params_of
from pipeline.sweep.report.words import better
from pipeline.sweep.study.records import TrialRecord

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_AXES = 9
MOST_SLICES = 12
MOST_SLICES_OF_SEVERAL = 6
"""The same with several objectives, each of which has its own lines."""


def parallel(view: View) -> Figure | str:
    """A line a trial through its parameters' values to its objectives."""
    names = set(view.varied(MOST_AXES - len(view.record.facts.objectives)))
    if len(view.measured) < 2 or not names:
        return "it needs two trials with values and a parameter in which they differ"
    objectives = view.record.facts.objectives
    scales = [view.scales[name] for name in view.scales if name in names]
    labels = [name for name in view.scales if name in names]
    windows = [
        value_window([trial.values[place] for trial in view.measured], direction)
        for place, (_, direction) in enumerate(objectives)
    ]
    scales += [Scale("linear", *window) for window in windows]
    labels += [metric for metric, _ in objectives]
    paint = colours_of([trial.values[0] for trial in view.measured], objectives[0][1])
    figure = figure_of(max(6.0, min(1.3 * len(scales) + 1.6, 10.5)), 5.0)
    axes = figure.add_subplot()

    def heights(trial: TrialRecord) -> list[float]:
        values = [params_of(trial).get(label) for label in labels[: -len(objectives)]]
        ends = [clipped([v], w)[0] for v, w in zip(trial.values, windows, strict=True)]
        places = [s.position(v) for s, v in zip(scales, [*values, *ends], strict=True)]
        return [-0.14 if math.isnan(place) else place for place in places]

    drawn = sorted(view.measured, key=lambda trial: trial.number in view.chosen)
    for trial in drawn:
        chosen = trial.number in view.chosen
        infeasible = trial.outcome == "infeasible"
        axes.plot(
            range(len(scales)),
            heights(trial),
            color=BEST if chosen else paint.to_rgba(np.array([trial.values[0]]))[0],
            linewidth=2.6 if chosen else 1.1,
            linestyle=":" if infeasible else "-",
            alpha=1.0 if chosen else 0.75,
            label=view.best_label() if chosen and trial is drawn[-1] else None,
        )
    _upright_axes(axes, labels, scales)
    bar = figure.colorbar(paint, ax=axes, pad=0.02, fraction=0.04)
    bar.set_label(f"{objectives[0][0]} ({better(objectives[0][1])})")
    bar.outline.set_visible(False)
    if view.chosen:
        figure.legend(loc="outside upper right")
    return figure


def _upright_axes(axes: Axes, labels: list[str], scales: list[Scale]) -> None:
    """An upright line a parameter, with its values beside it and its name below."""
    for place, scale in enumerate(scales):
        axes.plot([place, place], [0, 1], color=FAINT, linewidth=1, zorder=1)
        for height, text in scale.ticks():
            axes.plot([place - 0.03, place], [height, height], color=FAINT, linewidth=1)
            axes.text(
                place + 0.04,
                height,
                text,
                fontsize=9,
                va="center",
                bbox={"facecolor": "white", "alpha": 0.8, "pad": 0.8, "linewidth": 0},
                zorder=5,
            )
    lines = [height for line in axes.lines for height in np.atleast_1d(line.get_ydata())]
    missing = min(lines) < -0.1
    axes.set_xticks(range(len(labels)), [broken(label, 12) for label in labels])
    for number_, label in enumerate(axes.get_xticklabels()):
        label.set(fontsize=9, va="top")
        if len(labels) > 6 and number_ % 2:
            label.set_y(-0.08)
    axes.set_yticks([-0.14] if missing else [], ["not set"] if missing else [])
    axes.set(xlim=(-0.15, len(labels) - 0.55), ylim=(-0.2 if missing else -0.05, 1.05))
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)


def slices(view: View) -> Figure | str:
    """Each objective against each parameter."""
    names = view.varied(MOST_SLICES_OF_SEVERAL if view.record.is_multi_objective else MOST_SLICES)
    if len(view.measured) < 2 or not names:
        return "it needs two trials with values and a parameter in which they differ"
    objectives = view.record.facts.objectives
    columns = min(len(names), 3)
    lines = math.ceil(len(names) / columns)
    width, height = {1: (6.4, 3.4), 2: (8.4, 3.1), 3: (10.1, 2.7)}[columns]
    figure = figure_of(width, height * lines * len(objectives) + 0.6)
    grid = figure.subplots(lines * len(objectives), columns, squeeze=False)
    for spare in grid.flat:
        spare.set_visible(False)
    for place, (metric, direction) in enumerate(objectives):
        window = value_window([trial.values[place] for trial in view.measured], direction)
        for count, name in enumerate(names):
            axes = grid[place * lines + count // columns, count % columns]
            axes.set_visible(True)
            _slice(axes, view, name, place, window)
            if count % columns == 0:
                axes.set_ylabel(metric)
            else:
                axes.tick_params(labelleft=False)
    legend_below(figure)
    return figure


def _slice(axes: Axes, view: View, name: str, place: int, window: tuple[float, float]) -> None:
    with_it = [trial for trial in view.measured if has(trial, name)]
    values = [trial.values[place] for trial in with_it]
    scale = view.scales[name]
    scatter_trials(
        axes,
        view,
        with_it,
        [scale.jittered(params_of(trial)[name], trial.number) for trial in with_it],
        clipped(values, window),
    )
    plain_axes(axes)
    set_axis(axes, "x", name, scale)
    axes.set(ylim=window)
    beyond_note(axes, (values, window))
