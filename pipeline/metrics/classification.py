"""Metrics of single-label classification, for many resamples of the rows at once."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pipeline.metrics.ranking import ranking_metrics
from pipeline.metrics.weighting import (
    FloatArray,
    IntArray,
    grouped_sums,
    mean_of_defined,
    ratio,
    row_weights,
    weighted_sums,
)

NUM_CALIBRATION_BINS = 15


def classification_metrics(
    references: IntArray,
    predicted: IntArray,
    scores: FloatArray,
    label_names: Sequence[str],
    weights: IntArray | None = None,
) -> dict[str, FloatArray]:
    """All metrics of single-label classification.

    Values equal scikit-learn's where both are defined. What a sample leaves undefined is NaN: the
    precision of a class never predicted, the recall of a class without rows. Averages over classes
    leave undefined classes out.

    Args:
        references: The right label ids, `[rows]`.
        predicted: The predicted label ids, `[rows]`.
        scores: Probabilities, `[rows, labels]`. Of two classes, the second is the positive one.
        label_names: Names by label id.
        weights: How often each row counts, `[samples, rows]`; by default each counts once.

    Returns:
        `[samples]` each: accuracy, averages of F1, Matthews' correlation, ROC-AUC and average
        precision (of more than two classes: mean of each against the rest), expected calibration
        error, log loss, and precision, recall and F1 of each class as `f1/<label>`.
    """
    rows_weights = row_weights(weights, len(references))
    hits = references == predicted
    total = rows_weights.sum(axis=1).astype(np.float64)
    counts = label_counts(references, predicted, len(label_names), rows_weights)
    rankings = [
        ranking_metrics(scores[:, label], references == label, rows_weights)
        for label in ([1] if len(label_names) == 2 else range(len(label_names)))
    ]
    confidence = scores[np.arange(len(predicted)), predicted]
    found = {
        **averages(*counts, total),
        "roc_auc": mean_of_defined(np.stack([ranking[0] for ranking in rankings], axis=-1)),
        "average_precision": mean_of_defined(
            np.stack([ranking[1] for ranking in rankings], axis=-1)
        ),
        "expected_calibration_error": expected_calibration_error(hits, confidence, rows_weights),
        "log_loss": ratio(weighted_sums(rows_weights, log_losses(references, scores)), total),
    }
    for name, values in per_class(*counts).items():
        for label, label_name in enumerate(label_names):
            found[f"{name}/{label_name}"] = values[:, label]
    return found


def label_counts(
    references: IntArray, predicted: IntArray, num_labels: int, weights: IntArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Right predictions, predictions and references of each label, each `[samples, labels]`."""
    right = np.where(references == predicted, references, -1)
    return (
        grouped_sums(weights, right, num_labels),
        grouped_sums(weights, predicted, num_labels),
        grouped_sums(weights, references, num_labels),
    )


def per_class(
    right: FloatArray, predicted: FloatArray, references: FloatArray
) -> dict[str, FloatArray]:
    """Precision, recall and F1 of each class, from counts of any shape."""
    return {
        "precision": ratio(right, predicted),
        "recall": ratio(right, references),
        "f1": ratio(2 * right, predicted + references),
    }


def averages(
    right: FloatArray, predicted: FloatArray, references: FloatArray, total: FloatArray
) -> dict[str, FloatArray]:
    """Accuracy, F1 averaged over classes and Matthews' correlation, `[samples]`.

    Args:
        right: Right predictions of each class, `[samples, labels]`.
        predicted: Predictions of each class, `[samples, labels]`.
        references: Rows of each class, `[samples, labels]`.
        total: Rows, `[samples]`.
    """
    f1 = per_class(right, predicted, references)["f1"]
    accuracy = ratio(right.sum(axis=-1), total)
    # Gorodkin (2004), as scikit-learn has it.
    covariance = right.sum(axis=-1) * total - (predicted * references).sum(axis=-1)
    spread = (total**2 - (predicted**2).sum(axis=-1)) * (total**2 - (references**2).sum(axis=-1))
    return {
        "accuracy": accuracy,
        "f1_macro": mean_of_defined(f1),
        "f1_micro": accuracy.copy(),
        "f1_weighted": ratio((np.nan_to_num(f1) * references).sum(axis=-1), total),
        "mcc": ratio(covariance, np.sqrt(spread)),
    }


def log_losses(references: IntArray, scores: FloatArray) -> FloatArray:
    """The negative log probability of each row's right label, `[rows]`, never infinite."""
    right = scores[np.arange(len(references)), references]
    return -np.log(np.clip(right, np.finfo(np.float64).eps, 1.0))


def expected_calibration_error(
    hits: np.typing.NDArray[np.bool_],
    confidence: FloatArray,
    weights: IntArray | None = None,
    *,
    num_bins: int = NUM_CALIBRATION_BINS,
) -> FloatArray:
    """How far confidence is from accuracy on average (Naeini et al., 2015; Guo et al., 2017).

    Args:
        hits: Whether the prediction is right, `[rows]`.
        confidence: The predicted label's probability, `[rows]`.
        weights: How often each row counts, `[samples, rows]`; by default each counts once.
        num_bins: Number of bins of equal width; a bin holds its lower edge, the last one also 1.

    Returns:
        `[samples]`.
    """
    rows_weights = row_weights(weights, len(hits))
    bins = calibration_bins(confidence, num_bins)
    gaps = grouped_sums(rows_weights, bins, num_bins, hits - confidence)
    return ratio(np.abs(gaps).sum(axis=-1), rows_weights.sum(axis=1).astype(np.float64))


def calibration_bins(confidence: FloatArray, num_bins: int) -> IntArray:
    """The bin of each probability, of `num_bins` of equal width; the last one holds 1 too."""
    return np.minimum((confidence * num_bins).astype(np.int64), num_bins - 1)
