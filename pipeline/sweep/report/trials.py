"""Pictures of trials: history, learning curves, Pareto front, the best beside the default."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from pipeline.reports.drawing import FAINT, INK, figure_of, legend_below
from pipeline.statistics.student import Interval
from pipeline.sweep.comparison import Comparison
from pipeline.sweep.report.axes import (
    BEST,
    INFEASIBLE,
    MARKS,
    PRUNED,
    USUAL,
    Window,
    beyond_note,
    clipped,
    plain_axes,
    scatter_trials,
    value_window,
)
from pipeline.sweep.report.scales import View
from pipeline.sweep.report.words import better
from pipeline.sweep.study.records import TrialRecord

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def history(view: View) -> Figure | str:
    """Each objective by trial, and the best so far."""
    objectives = view.record.facts.objectives
    if not view.measured and not any(_last(trial) is not None for trial in view.record.trials):
        return "no trial has a value"
    figure = figure_of(9.4, 1.0 + 3.4 * len(objectives))
    panels = figure.subplots(len(objectives), 1, squeeze=False, sharex=True).flat
    for place, axes in enumerate(panels):
        _history(axes, view, place)
    panels[-1].set_xlabel("trial")
    legend_below(figure)
    return figure


def _history(axes: Axes, view: View, place: int) -> None:
    metric, direction = view.record.facts.objectives[place]
    pruned = [t for t in view.record.of("pruned") if place == 0 and _last(t) is not None]
    shown = [*view.measured, *pruned]
    values = [_last(t) or 0.0 if t.outcome == "pruned" else t.values[place] for t in shown]
    failed = view.record.of("failed")
    if values:
        window = value_window(values, direction)
        numbers = [float(trial.number) for trial in shown]
        feasible = [t for t in view.measured if t.outcome == "complete"]
        if feasible:
            choose = np.maximum if direction == "maximize" else np.minimum
            best = choose.accumulate([trial.values[place] for trial in feasible])
            ends = [*(t.number for t in feasible), view.record.trials[-1].number]
            axes.step(
                ends,
                clipped([*best, best[-1]], window),
                where="post",
                color=INK,
                linewidth=1.4,
                label="best so far",
            )
        scatter_trials(axes, view, shown, numbers, clipped(values, window))
        axes.set_ylim(window)
        beyond_note(axes, (values, window))
    if failed:
        axes.scatter(
            [trial.number for trial in failed],
            [0.02] * len(failed),
            transform=axes.get_xaxis_transform(),
            label="failed",
            **MARKS["failed"],
        )
    axes.set_ylabel(f"{metric}\n({better(direction)})")
    axes.set_xlim(-0.6, view.record.trials[-1].number + 0.6)
    _whole_steps(axes)
    plain_axes(axes)


def _whole_steps(axes: Axes) -> None:
    from matplotlib.ticker import MaxNLocator

    axes.xaxis.set_major_locator(MaxNLocator("auto", integer=True, steps=[1, 2, 5, 10]))


def _last(trial: TrialRecord) -> float | None:
    """The last finite value a trial reported."""
    known = [v for _, v in sorted((trial.reported or {}).items()) if math.isfinite(v)]
    return known[-1] if known else None


def intermediate(view: View) -> Figure | str:
    """Values by validation, or by seed where seeds are what the pruner compares."""
    trials = [trial for trial in view.record.trials if _last(trial) is not None]
    if not trials:
        return "no trial reported values while it trained"
    metric, direction = view.record.primary
    over_seeds = view.record.facts.settings.compares_seeds
    steps = sorted({step for trial in trials for step in trial.reported or {}})
    places = {step: place if over_seeds else step for place, step in enumerate(steps)}
    curves = {
        trial.number: [
            (places[s], v) for s, v in sorted((trial.reported or {}).items()) if math.isfinite(v)
        ]
        for trial in trials
    }
    every = [value for curve in curves.values() for _, value in curve]
    window = value_window(every, direction)
    figure = figure_of(9.4, 4.6)
    axes = figure.add_subplot(xlabel="seed" if over_seeds else "validation")
    crowd = max(0.25, min(0.8, 12 / len(trials)))
    for trial in sorted(trials, key=lambda trial: trial.number in view.chosen):
        x = [place for place, _ in curves[trial.number]]
        y = clipped([value for _, value in curves[trial.number]], window)
        chosen, kind = trial.number in view.chosen, trial.outcome
        colour = (
            BEST
            if chosen
            else {"pruned": PRUNED, "infeasible": INFEASIBLE, "failed": FAINT}.get(kind, USUAL)
        )
        axes.plot(
            x,
            y,
            color=colour,
            linewidth=2.4 if chosen else 1.1,
            alpha=1.0 if chosen else crowd,
            marker="o" if len(steps) < 12 or len(x) == 1 else "",
            markersize=4.5 if chosen else 3,
            label=view.best_label() if chosen else kind,
        )
        if kind == "pruned":
            axes.scatter(x[-1], y[-1], zorder=4, **MARKS["pruned"])
    if over_seeds:
        axes.set_xticks(range(len(steps)), [str(step) for step in steps])
    else:
        _whole_steps(axes)
    axes.set_ylim(window)
    axes.set_ylabel(f"{metric} ({better(direction)})")
    beyond_note(axes, (every, window))
    plain_axes(axes)
    legend_below(figure)
    return figure


def pareto(view: View) -> Figure | str:
    """Two or three objectives, by pairs."""
    objectives = view.record.facts.objectives
    if len(objectives) not in (2, 3):
        return "it needs two or three objectives"
    if not view.measured:
        return "no trial has values"
    pairs = list(itertools.combinations(range(len(objectives)), 2))
    figure = figure_of(*((8.4, 5.4) if len(pairs) == 1 else (11.0, 4.6)))
    for axes, (a, b) in zip(figure.subplots(1, len(pairs), squeeze=False).flat, pairs, strict=True):
        _front(axes, view, a, b)
    legend_below(figure)
    return figure


def _front(axes: Axes, view: View, a: int, b: int) -> None:
    objectives = view.record.facts.objectives
    raw = [[trial.values[place] for trial in view.measured] for place in (a, b)]
    chosen = [trial.number in view.chosen for trial in view.measured]
    windows = [
        value_window(values, objectives[place][1], keep=list(itertools.compress(values, chosen)))
        for values, place in zip(raw, (a, b), strict=True)
    ]
    x, y = (clipped(values, window) for values, window in zip(raw, windows, strict=True))
    numbers = [trial.number for trial in view.measured]
    front = sorted(itertools.compress(zip(x, y, numbers, strict=True), chosen))
    if len(objectives) == 2:
        axes.step(
            [left for left, _, _ in front],
            [height for _, height, _ in front],
            where="post" if objectives[0][1] == "minimize" else "pre",
            color=BEST,
        )
    scatter_trials(axes, view, view.measured, x, y)
    _number(axes, front, windows)
    axes.set(xlim=windows[0], ylim=windows[1])
    axes.set_xlabel(f"{objectives[a][0]} ({better(objectives[a][1])})")
    axes.set_ylabel(f"{objectives[b][0]} ({better(objectives[b][1])})")
    beyond_note(axes, *zip(raw, windows, strict=True))
    plain_axes(axes)


def _number(
    axes: Axes, points: Sequence[tuple[float, float, int]], windows: Sequence[Window]
) -> None:
    """Writes trials' numbers beside their points, where no other number stands."""
    taken: list[tuple[float, float]] = []
    for x, y, number in points:
        place = tuple(
            (value - low) / (high - low) for value, (low, high) in zip((x, y), windows, strict=True)
        )
        if all(abs(place[0] - a) > 0.06 or abs(place[1] - b) > 0.05 for a, b in taken):
            taken.append((place[0], place[1]))
            axes.annotate(
                str(number), (x, y), (6, 6), textcoords="offset points", fontsize=9, zorder=6
            )


def compared(comparison: Comparison | None) -> Figure | str:
    """Values of both by seed with means and intervals, and their differences."""
    if comparison is None:
        return "the best trial was not compared with the default"
    if comparison.is_default:
        return "the best trial is the default configuration itself"
    if not comparison.n:
        return "no seed has a value of both"
    figure = figure_of(9.4, 3.9)
    left, right = figure.subplots(1, 2, width_ratios=[1.4, 1])
    name = "best trial" if comparison.trial is None else f"trial {comparison.trial}"
    sides = (
        (comparison.best, comparison.best_mean, comparison.best_interval, BEST),
        (comparison.default, comparison.default_mean, comparison.default_interval, USUAL),
    )
    for seed in comparison.best:
        left.plot(
            [0.14, 0.86],
            [comparison.best[seed], comparison.default[seed]],
            color=FAINT,
            linewidth=0.8,
        )
    for place, (values, mean, interval, colour) in enumerate(sides):
        side = 0.14 if place == 0 else 0.86
        left.scatter([side] * len(values), list(values.values()), s=22, color=colour, alpha=0.7)
        _diamond(left, place, mean, interval, colour)
    left.set_xticks([0, 1], [name, "default"])
    left.set(xlim=(-0.4, 1.4))
    left.set_ylabel(f"{comparison.metric}\n({better(comparison.direction)})")
    gains = comparison.differences
    right.axhline(0, color=INK, linewidth=1)
    right.scatter([0.2] * len(gains), list(gains.values()), s=22, color=INK, alpha=0.6)
    for seed, gain in gains.items() if len(gains) <= 10 else ():
        right.annotate(f"seed {seed}", (0.2, gain), (7, -3), textcoords="offset points", fontsize=8)
    _diamond(right, 0, comparison.difference, comparison.difference_interval, INK)
    right.set_xticks([])
    right.set(xlim=(-0.5, 0.9), ylabel=f"difference\n(above zero: {name} is better)")
    for axes in (left, right):
        plain_axes(axes)
        axes.grid(visible=False, axis="x")
    return figure


def _diamond(
    axes: Axes, place: float, mean: float | None, interval: Interval | None, colour: str
) -> None:
    """A mean and its interval."""
    if mean is None:
        return
    reach = None if interval is None else [[mean - interval[0]], [interval[1] - mean]]
    axes.errorbar(
        [place], [mean], yerr=reach, fmt="D", color=colour, capsize=5, markersize=7, linewidth=1.8
    )
