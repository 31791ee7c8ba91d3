"""A task's metrics over predictions, with their uncertainty."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pyarrow as pa

from pipeline.evaluation.bootstrap import Interval, Resamples, differences, intervals, resample
from pipeline.tasks.base import Task


@dataclass(frozen=True)
class Measured:
    """Metrics of one model on one split.

    Attributes:
        values: Every metric over all rows; NaN where undefined.
        intervals: The metrics that are defined, with their bounds.
        resamples: Every metric in each bootstrap resample.
        confidence: Coverage of the bounds.
    """

    values: dict[str, float]
    intervals: dict[str, Interval]
    resamples: Resamples
    confidence: float

    def above(self, other: Measured) -> dict[str, Interval]:
        """How much each metric is above another model's on the same rows (paired bootstrap)."""
        return differences(
            (self.values, other.values), (self.resamples, other.resamples), self.confidence
        )


def metric_values(
    task: Task, predictions: pa.Table, rows: pa.Table, label_names: Sequence[str]
) -> dict[str, float]:
    """Every metric over all rows, without intervals; NaN where undefined."""
    found = task.metrics(predictions, rows, label_names)
    return {name: float(samples[0]) for name, samples in found.items()}


def measure(
    task: Task,
    predictions: pa.Table,
    rows: pa.Table,
    label_names: Sequence[str],
    *,
    num_samples: int,
    confidence: float,
    seed: int,
    on_samples: Callable[[int], None] = lambda _: None,
) -> Measured:
    """Computes every metric with its bootstrap interval.

    Args:
        task: Knows the metrics.
        predictions: One row for each row, in order.
        rows: The rows with their references.
        label_names: Names by label id.
        num_samples: Bootstrap resamples.
        confidence: Coverage of the intervals.
        seed: Seed of the resampling; models to be compared need the same.
        on_samples: Told how many further resamples are done.
    """
    values = metric_values(task, predictions, rows, label_names)
    resamples = resample(
        lambda weights: task.metrics(predictions, rows, label_names, weights),
        rows.num_rows,
        num_samples=num_samples,
        seed=seed,
        units=task.units(rows),
        on_samples=on_samples,
    )
    return Measured(values, intervals(values, resamples, confidence), resamples, confidence)
