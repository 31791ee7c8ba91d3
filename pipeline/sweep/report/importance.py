"""How much of the differences between trials each parameter explains, and a picture of it."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from pipeline.reports.drawing import COLOURS, figure_of, legend_below
from pipeline.sweep.report.axes import clipped, plain_axes, value_window
from pipeline.sweep.report.scales import Scale, View, params_of
from pipeline.sweep.study.records import TrialRecord

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from optuna import Study

FEWEST_TRIALS = 5
MOST_TRIALS = 300
"""Of more, so many are taken, evenly over the study: the time grows faster than their number."""


def with_importances(view: View) -> View:
    """The view with the importance of each parameter for each objective.

    Optuna's fANOVA (Hutter and others, 2014): a random forest learns the values from the
    parameters; a parameter's importance is the share of the forest's variance over the whole space
    that the parameter explains by itself. Here it sees the places on the axes of the pictures, so
    logarithmic ranges count by their logarithm (Optuna's own call takes them as linear), diverged
    values at the edge of the window, and parameters that a trial lacks in the middle of theirs
    (Optuna leaves them out for all trials).

    Nothing is known, and nothing is set, with fewer than five trials, fewer than two parameters
    that differ, or equal values.
    """
    trials = view.measured[:: math.ceil(len(view.measured) / MOST_TRIALS) or 1]
    names = [name for name in view.scales if name in view.varied(len(view.scales))]
    if len(trials) < FEWEST_TRIALS or len(names) < 2:
        return view
    found = [
        _importances(view, trials, names, place)
        for place in range(len(view.record.facts.objectives))
    ]
    return replace(view, importances=tuple(found)) if all(found) else view


def _importances(
    view: View, trials: list[TrialRecord], names: list[str], place: int
) -> dict[str, float]:
    """Shares that sum to one; empty where there is nothing to explain."""
    from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution
    from optuna.importance import FanovaImportanceEvaluator
    from optuna.trial import create_trial

    raw = [trial.values[place] for trial in trials]
    values = clipped(raw, value_window(raw, view.record.facts.objectives[place][1]))
    if max(values) == min(values):
        return {}
    scales = {name: view.scales[name] for name in names}
    space: dict[str, BaseDistribution] = {
        name: FloatDistribution(0, 1)
        if scale.labels is None
        else CategoricalDistribution(range(len(scale.labels)))
        for name, scale in scales.items()
    }
    study = _quiet_study()
    study.add_trials(
        create_trial(
            value=value,
            params={name: _coordinate(scale, trial, name) for name, scale in scales.items()},
            distributions=space,
        )
        for trial, value in zip(trials, values, strict=True)
    )
    found = FanovaImportanceEvaluator(seed=0).evaluate(study, params=names)
    total = sum(found.values())
    return {name: float(found[name]) / total for name in names} if total > 0 else {}


def _quiet_study() -> Study:
    """A study in memory, without the line that Optuna logs for each new one."""
    import optuna

    verbosity = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        return optuna.create_study(storage=optuna.storages.InMemoryStorage())
    finally:
        optuna.logging.set_verbosity(verbosity)


def _coordinate(scale: Scale, trial: TrialRecord, name: str) -> float | int:
    """A place from 0 to 1, or the number of a choice; the middle of all for a missing value."""
    place = scale.position(params_of(trial).get(name))
    known = 0.5 if math.isnan(place) else place
    return known if scale.labels is None else int(known * len(scale.labels))


def importances(view: View) -> Figure | str:
    """Bars of each parameter, for each objective."""
    if view.trouble:
        return view.trouble
    if not view.importances:
        return (
            f"it needs {FEWEST_TRIALS} trials with values"
            if len(view.measured) < FEWEST_TRIALS
            else "it needs values that differ, and two parameters that do"
        )
    order = sorted(view.importances[0], key=lambda name: view.importances[0][name])
    objectives = view.record.facts.objectives
    figure = figure_of(8.4, 1.2 + 0.3 * len(order) * (1 + len(objectives)) / 2)
    axes = figure.add_subplot(xlabel="importance (sums to one)")
    width = 0.8 / len(objectives)
    for place, ((metric, _), shares) in enumerate(zip(objectives, view.importances, strict=True)):
        heights = np.arange(len(order)) + ((len(objectives) - 1) / 2 - place) * width
        sizes = [shares[name] for name in order]
        axes.barh(heights, sizes, 0.9 * width, color=COLOURS[place % len(COLOURS)], label=metric)
        for height, size in zip(heights, sizes, strict=True):
            axes.text(size + 0.01, height, f"{size:.2f}", va="center", fontsize=9)
    axes.set_yticks(range(len(order)), order)
    axes.set(xlim=(0, 1.12 * max(max(shares.values()) for shares in view.importances)))
    plain_axes(axes)
    axes.grid(visible=False, axis="y")
    if len(objectives) > 1:
        legend_below(figure)
    return figure
