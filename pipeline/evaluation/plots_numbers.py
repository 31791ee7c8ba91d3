"""Pictures of predicted numbers: against the right ones, and what is left over."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.evaluation.plots import save_figures, styled
from pipeline.reports.drawing import COLOURS, FAINT, INK, figure_of
from pipeline.reports.typeface import font_families
from pipeline.tasks.base import FloatArray

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST_POINTS = 5_000
"""Rows drawn, evenly spread over the split; more hide each other."""
FEWEST_APART = 20
"""Right numbers that take fewer values than this are drawn side by side, not on one line."""


def draw_number_plots(
    directory: Path, actual: FloatArray, predicted: FloatArray, *, title: str
) -> None:
    """Draws `numbers.png`, predicted against actual, and `residuals.png`.

    Args:
        directory: Where to.
        actual: The right numbers, `[rows]`.
        predicted: The predicted ones, `[rows]`.
        title: What was evaluated.
    """
    families, names = font_families([title])
    with styled(families):
        figures = {
            "numbers": _against(actual, predicted),
            "residuals": _residuals(actual, predicted),
        }
        save_figures(directory, figures, names[title])


def _against(actual: FloatArray, predicted: FloatArray) -> Figure:
    """A point for each row; on the diagonal, prediction and truth are the same."""
    figure = figure_of(6.4, 6.0)
    axes = figure.add_subplot(title="Predicted numbers", xlabel="actual", ylabel="predicted")
    low, high = (
        float(end([actual.min(), predicted.min(), actual.max(), predicted.max()]))
        for end in (np.min, np.max)
    )
    axes.plot([low, high], [low, high], color=FAINT, linestyle="--", label="no error")
    axes.axhline(actual.mean(), color=FAINT, linestyle=":", label="mean of the actual numbers")
    axes.scatter(*_points(_apart(actual), predicted), **_marks(len(actual)), label="a row")
    axes.grid()
    figure.legend(loc="outside lower center", ncols=3)
    return figure


def _residuals(actual: FloatArray, predicted: FloatArray) -> Figure:
    """Errors over what was predicted, and how often each size of error occurs."""
    errors = predicted - actual
    figure = figure_of(8.6, 4.6)
    points, counts = figure.subplots(1, 2, width_ratios=[3, 1], sharey=True)
    points.axhline(0, color=FAINT, linestyle="--")
    points.scatter(*_points(predicted, errors), **_marks(len(actual)))
    points.set(title="Errors", xlabel="predicted", ylabel="predicted − actual")
    counts.hist(errors, bins=30, orientation="horizontal", color=COLOURS[0])
    counts.axhline(errors.mean(), color=INK, linewidth=1.5)
    counts.set_xlabel("rows\n(line: mean error)")
    for axes in (points, counts):
        axes.grid()
    return figure


def _points(*numbers: FloatArray) -> list[FloatArray]:
    step = -(-len(numbers[0]) // MOST_POINTS)
    return [one[::step] for one in numbers]


def _marks(count: int) -> dict[str, Any]:
    return {
        "s": 16 if count > 500 else 26,
        "alpha": 0.35 if count > 500 else 0.6,
        "color": COLOURS[0],
        "linewidths": 0,
    }


def _apart(numbers: FloatArray) -> FloatArray:
    """Few different values are moved by up to a fifth of their distance, so that none hides."""
    values = np.unique(numbers)
    if not 1 < len(values) < FEWEST_APART:
        return numbers
    room = float(np.diff(values).min()) / 5
    shifts: FloatArray = np.random.default_rng(0).uniform(-room, room, len(numbers))
    return numbers + shifts
