"""What an evaluation writes of the test split for people: tables, pictures, mistakes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from pipeline.artifacts import write_text
from pipeline.config.schema import EvaluationConfig
from pipeline.evaluation.context import Context
from pipeline.evaluation.decisions import decisions, set_decisions
from pipeline.evaluation.measure import Measured
from pipeline.evaluation.mistakes import mistakes_page
from pipeline.evaluation.plots import draw_plots
from pipeline.evaluation.plots_numbers import draw_number_plots
from pipeline.evaluation.tables import (
    per_class,
    readable_predictions,
    write_csv,
    write_decision_tables,
)
from pipeline.metrics.thresholds import DEFAULT
from pipeline.tasks.base import Kind
from pipeline.tasks.label_sets import as_matrix

MISTAKES = "mistakes.html"
PER_CLASS = "per_class.csv"
THRESHOLDS = "thresholds.csv"
NUMBERS = "numbers.csv"


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
    title: str,
    settings: EvaluationConfig,
) -> None:
    """Writes whatever tables and pictures suit the target's kind, and the page of mistakes.

    Args:
        directory: Where to.
        rows: The encoded test split with its references.
        predictions: One row for each, in order.
        measured: Their metrics.
        context: The task's columns, label names and state.
        title: What was evaluated, in words.
        settings: The section `evaluation` of the config.

    Raises:
        EnvironmentProblem: If the machine refuses.
    """
    classes = per_class(measured, rows)
    if classes.num_rows:
        write_csv(directory / PER_CLASS, classes)
    details = None if context.target is None else DETAILS.get(context.target.kind)
    if details is not None:
        details(directory, Tested(rows, predictions, measured, classes, context, title, settings))
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
    draw_plots(directory, found, tested.classes, title=tested.title, num_bins=num_bins)


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
        directory,
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
    draw_number_plots(directory, actual, predicted, title=tested.title)


DETAILS: Mapping[Kind, Callable[[Path, Tested], None]] = {
    "label": write_decisions,
    "labels": write_sets,
    "number": write_numbers,
    "entities": write_decisions,
}
"""By kind of target what writes its tables and pictures."""
