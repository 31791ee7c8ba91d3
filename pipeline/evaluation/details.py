"""What an evaluation writes of the test split for people: tables, pictures, mistakes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from pipeline.artifacts import write_text
from pipeline.config.schema import EvaluationConfig
from pipeline.evaluation.charts import (
    NUMBERS,
    PICTURES,
    RANKS,
    SCORES,
    score_shares,
    write_other_charts,
)
from pipeline.evaluation.context import Context
from pipeline.evaluation.decisions import decisions, set_decisions
from pipeline.evaluation.measure import Measured
from pipeline.evaluation.mistakes import mistakes_page
from pipeline.evaluation.plots import draw_plots
from pipeline.evaluation.plots_numbers import draw_number_plots
from pipeline.evaluation.plots_scores import draw_ranks, draw_scores
from pipeline.evaluation.tables import (
    per_class,
    readable_predictions,
    write_csv,
    write_decision_tables,
)
from pipeline.metrics.ranking_lists import first_places
from pipeline.metrics.thresholds import DEFAULT
from pipeline.tasks.base import FloatArray, Kind
from pipeline.tasks.label_sets import as_matrix

MISTAKES = "mistakes.html"
PER_CLASS = "per_class.csv"
THRESHOLDS = "thresholds.csv"


@dataclass(frozen=True)
class Tested:
    """The test split and what a model made of it.

    Attributes:
        rows: Encoded rows with their references.
        predictions: One row for each, in order.
        measured: Their metrics.
        classes: From `tables.per_class`; without lines where the task has no classes.
        context: The task's columns, label names and state.
        title: What was evaluated, in words.
        settings: The section `evaluation` of the config.
    """

    rows: pa.Table
    predictions: pa.Table
    measured: Measured
    classes: pa.Table
    context: Context
    title: str
    settings: EvaluationConfig


def write_details(
    directory: Path,
    rows: pa.Table,
    predictions: pa.Table,
    measured: Measured,
    context: Context,
    *,
    scores: FloatArray,
    title: str,
    settings: EvaluationConfig,
) -> None:
    """Writes how right the rows are, what else suits the target's kind, and the page of mistakes.

    Tables lie in the directory, pictures in its `plots/`.

    Args:
        directory: Where to.
        rows: The encoded test split with its references.
        predictions: One row for each, in order.
        measured: Their metrics.
        context: The task's columns, label names and state.
        scores: How right each row is, as `Task.example_scores` gives it.
        title: What was evaluated, in words.
        settings: The section `evaluation` of the config.

    Raises:
        EnvironmentProblem: If the machine refuses.
    """
    classes = per_class(measured, rows)
    if classes.num_rows:
        write_csv(directory / PER_CLASS, classes)
    pictures = directory / PICTURES
    pictures.mkdir()
    shares = score_shares(scores)
    write_csv(directory / SCORES, shares)
    draw_scores(pictures, shares, float(scores.mean()), title=title)
    details = details_of(context)
    if details is not None:
        details(directory, Tested(rows, predictions, measured, classes, context, title, settings))
    write_other_charts(directory)
    page = mistakes_page(
        readable_predictions(rows, predictions),
        context,
        title=title,
        most=settings.num_mistakes,
        encoded=rows,
    )
    if page is not None:
        write_text(directory / MISTAKES, page)


def write_decisions(directory: Path, tested: Tested) -> None:
    """Confusion, precision and recall, reliability and metrics by class, as tables and pictures."""
    found = decisions(tested.predictions, tested.rows, tested.context.label_names)
    if found is None:
        return
    num_bins = tested.settings.num_calibration_bins
    write_decision_tables(directory, found, num_bins)
    draw_plots(directory / PICTURES, found, tested.classes, title=tested.title, num_bins=num_bins)


def write_sets(directory: Path, tested: Tested) -> None:
    """Precision and recall, reliability, metrics by label, and thresholds."""
    context = tested.context
    if context.target is None or "scores" not in tested.predictions.column_names:
        return
    references = tested.rows[context.target.name]
    found = set_decisions(tested.predictions, references, context.label_names)
    num_bins = tested.settings.num_calibration_bins
    write_decision_tables(directory, found, num_bins, confusion=False)
    draw_plots(
        directory / PICTURES,
        found,
        tested.classes,
        title=tested.title,
        num_bins=num_bins,
        confusion=False,
    )
    names = context.label_names
    write_csv(
        directory / THRESHOLDS,
        pa.table(
            {
                "label": list(names),
                "threshold": context.state.get("thresholds") or [DEFAULT] * len(names),
                "rows": as_matrix(references, names).sum(axis=0),
                "predicted": as_matrix(tested.predictions["prediction"], names).sum(axis=0),
            }
        ),
    )


def write_numbers(directory: Path, tested: Tested) -> None:
    """Right and predicted numbers, as a table, and drawn against each other."""
    target = tested.context.target
    if target is None or "prediction" not in tested.predictions.column_names:
        return
    actual, predicted = (
        column.to_numpy().astype(np.float64)
        for column in (tested.rows[target.name], tested.predictions["prediction"])
    )
    write_csv(
        directory / NUMBERS,
        pa.table({"actual": actual, "predicted": predicted, "error": predicted - actual}),
    )
    draw_number_plots(directory / PICTURES, actual, predicted, title=tested.title)


def write_rankings(directory: Path, tested: Tested) -> None:
    """How far up the first relevant item of each query stands."""
    context = tested.context
    assert context.target is not None
    assert context.units is not None
    relevance, scores = (
        column.to_numpy().astype(np.float64)
        for column in (tested.rows[context.target.name], tested.predictions["prediction"])
    )
    found, chance = (
        first_places(relevance, one, context.units) for one in (scores, np.zeros_like(scores))
    )
    places = np.arange(1, len(found) + 1)
    ranks = pa.table({"place": places, "share": found, "by_chance": chance})
    write_csv(directory / RANKS, ranks)
    draw_ranks(directory / PICTURES, ranks, title=tested.title)


DETAILS: Mapping[Kind, Callable[[Path, Tested], None]] = {
    "label": write_decisions,
    "labels": write_sets,
    "number": write_numbers,
    "entities": write_decisions,
}
"""By kind of target what writes its tables and pictures."""


def details_of(context: Context) -> Callable[[Path, Tested], None] | None:
    """What writes tables and pictures of a model; None where nothing is known of its target."""
    if context.is_ranking:
        return write_rankings
    return None if context.target is None else DETAILS.get(context.target.kind)
