"""Metrics of sets of labels, for many resamples of the rows at once."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from pipeline.metrics.classification import per_class
from pipeline.metrics.ranking import ranking_metrics
from pipeline.metrics.weighting import (
    FloatArray,
    IntArray,
    mean_of_defined,
    ratio,
    row_weights,
    weighted_sums,
)

BoolArray = npt.NDArray[np.bool_]


def multi_label_metrics(
    references: BoolArray,
    predicted: BoolArray,
    scores: FloatArray,
    label_names: Sequence[str],
    weights: IntArray | None = None,
) -> dict[str, FloatArray]:
    """All metrics of multi-label classification.

    Values equal scikit-learn's where both are defined. What a sample leaves undefined is NaN: the
    precision of a label never predicted, the recall of a label that no row has. Averages over
    labels leave undefined labels out.

    Args:
        references: Whether a row has a label, `[rows, labels]`.
        predicted: Whether it is predicted, `[rows, labels]`.
        scores: Probabilities, `[rows, labels]`.
        label_names: Names by label id.
        weights: How often each row counts, `[samples, rows]`; by default each counts once.

    Returns:
        `[samples]` each: F1, precision and recall over all labels of all rows (micro), F1 as the
        mean over labels (macro) and over rows (samples), the share of rows whose set is right
        (subset accuracy), the mean over labels of average precision, the log loss of a label of a
        row, and precision, recall and F1 of each label as `f1/<label>`.
    """
    rows_weights = row_weights(weights, len(references))
    total = rows_weights.sum(axis=1).astype(np.float64)
    counts = weighted_sums(
        rows_weights, np.stack([references & predicted, predicted, references], axis=1)
    )
    right, given, wanted = counts[:, 0], counts[:, 1], counts[:, 2]
    by_label = per_class(right, given, wanted)
    micro = per_class(*(part.sum(axis=-1) for part in (right, given, wanted)))
    rows = np.stack(
        [
            row_f1(references, predicted),
            (references == predicted).all(axis=1),
            log_losses(references, scores),
        ],
        axis=1,
    )
    means = ratio(weighted_sums(rows_weights, rows), total[:, np.newaxis])
    rankings = [
        ranking_metrics(scores[:, label], references[:, label], rows_weights)[1]
        for label in range(len(label_names))
    ]
    found = {
        "f1_micro": micro["f1"],
        "f1_macro": mean_of_defined(by_label["f1"]),
        "f1_samples": means[:, 0],
        "precision_micro": micro["precision"],
        "recall_micro": micro["recall"],
        "subset_accuracy": means[:, 1],
        "mean_average_precision": mean_of_defined(np.stack(rankings, axis=-1)),
        "log_loss": means[:, 2],
    }
    for name, values in by_label.items():
        for label, label_name in enumerate(label_names):
            found[f"{name}/{label_name}"] = values[:, label]
    return found


def row_f1(references: BoolArray, predicted: BoolArray) -> FloatArray:
    """F1 of each row's set, 1 where none is expected and none given, `[rows]`."""
    total = (references.sum(axis=1) + predicted.sum(axis=1)).astype(np.float64)
    hits = (references & predicted).sum(axis=1)
    return np.where(total == 0, 1.0, 2 * hits / np.maximum(total, 1.0))


def log_losses(references: BoolArray, scores: FloatArray) -> FloatArray:
    """The mean over labels of each row's negative log probability, `[rows]`, never infinite."""
    right = np.where(references, scores, 1.0 - scores)
    return -np.log(np.clip(right, np.finfo(np.float64).eps, 1.0)).mean(axis=1)  # type: ignore[no-any-return]
