"""How much each parameter decides whether a trial is among the best, and a picture of it."""

from __future__ import annotations

import math
import warnings
from typing import TYPE_CHECKING

import numpy as np

from pipeline.evaluation.plots import COLOURS
from pipeline.sweep.report_axes import figure_of, legend_below, plain_axes
from pipeline.sweep.report_scales import View

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from optuna import Study

FEWEST_TRIALS = 5


def importances_of(study: Study, num_objectives: int) -> tuple[dict[str, float], ...]:
    """How much each parameter decides whether a trial is among the best, for each objective.

    PED-ANOVA (Watanabe and others, 2023), which also rates parameters that exist only in some
    trials. The best five trials, or a tenth if that is more, are set against all.

    Returns:
        Shares by parameter that sum to one, one mapping an objective; nothing where fewer than
        five trials have values, or values or parameters do not differ.
    """
    from optuna.importance import PedAnovaImportanceEvaluator
    from optuna.study import StudyDirection
    from optuna.trial import FrozenTrial, TrialState

    trials = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    finite = [trial for trial in trials if all(map(math.isfinite, trial.values))]
    names = sorted({name for trial in finite for name in trial.params})
    if len(finite) < FEWEST_TRIALS or not names:
        return ()
    quantile = min(max(0.1, 5 / len(finite)), 0.5)
    found: list[dict[str, float]] = []
    for place in range(num_objectives):
        sign = 1.0 if study.directions[place] == StudyDirection.MINIMIZE else -1.0

        def loss(trial: FrozenTrial, place: int = place, sign: float = sign) -> float:
            return sign * float(trial.values[place])

        if len({loss(trial) for trial in finite}) < 2:
            return ()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about few trials, and that the target is minimised
            evaluator = PedAnovaImportanceEvaluator(target_quantile=quantile)
            raw = evaluator.evaluate(study, params=names, target=loss)
        total = sum(raw.values())
        if not total > 0:
            return ()
        found.append({name: float(raw[name]) / total for name in names})
    return tuple(found)


def importances(view: View) -> Figure | str:
    """Bars of `importances_of`."""
    if not view.importances:
        return (
            f"it needs {FEWEST_TRIALS} trials with values, and values that differ"
            if len(view.measured) < FEWEST_TRIALS
            else "neither the values nor the parameters of the trials differ enough"
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
    axes.set(xlim=(0, min(1.12 * max(max(s.values()) for s in view.importances) + 0.04, 1.12)))
    plain_axes(axes)
    axes.grid(visible=False, axis="y")
    if len(objectives) > 1:
        legend_below(figure)
    return figure
