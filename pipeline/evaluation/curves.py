"""Confusion, precision-recall and reliability as plain tables."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from pipeline.evaluation.decisions import Decisions, Ranking
from pipeline.metrics.classification import calibration_bins
from pipeline.tasks.base import FloatArray, IntArray

MAX_POINTS = 400
"""Most points of a curve; more make files large and nobody sees them."""


def confusion_counts(found: Decisions) -> IntArray:
    """How often each right answer (lines) met each decision (columns), `[names, names]`."""
    size = len(found.names)
    return np.bincount(found.actual * size + found.predicted, minlength=size**2).reshape(size, size)


def precision_recall(ranking: Ranking) -> pa.Table:
    """Precision and recall when only candidates from a score upwards count.

    Returns:
        `recall`, `precision`, `threshold`, from the highest score to the lowest; candidates of
        equal score come together. Empty where there is nothing to find or no candidate.
    """
    order = np.argsort(-ranking.scores, kind="stable")
    scores, hits = ranking.scores[order], ranking.hits[order]
    if not len(scores) or not ranking.positives:
        return _curve(np.zeros(0), np.zeros(0), np.zeros(0))
    last = np.append(np.flatnonzero(np.diff(scores)), len(scores) - 1)
    right = np.cumsum(hits)[last]
    if len(last) > MAX_POINTS:
        kept = np.unique(np.linspace(0, len(last) - 1, MAX_POINTS).round().astype(np.int64))
        last, right = last[kept], right[kept]
    return _curve(right / ranking.positives, right / (last + 1), scores[last])


def reliability(found: Decisions, num_bins: int) -> pa.Table:
    """How often decisions of a confidence are right, in bins of equal width.

    Returns:
        `low`, `high` (the bin's bounds), `confidence` and `accuracy` (means over its decisions),
        `count`; one row for each bin that is not empty. Missed entities are no decisions here.
    """
    made = ~np.isnan(found.confidence)
    confidence, hits = found.confidence[made], found.hits[made]
    bins = calibration_bins(confidence, num_bins)
    count = np.bincount(bins, minlength=num_bins)
    filled = count > 0
    edges = np.arange(num_bins + 1) / num_bins
    return pa.table(
        {
            "low": edges[:-1][filled],
            "high": edges[1:][filled],
            "confidence": np.bincount(bins, confidence, num_bins)[filled] / count[filled],
            "accuracy": np.bincount(bins, hits, num_bins)[filled] / count[filled],
            "count": count[filled],
        }
    )


def average_precision(ranking: Ranking) -> float:
    """The area under the precision-recall steps; NaN where there is nothing to find."""
    if not ranking.positives:
        return float("nan")
    order = np.argsort(-ranking.scores, kind="stable")
    scores, hits = ranking.scores[order], ranking.hits[order]
    last = np.append(np.flatnonzero(np.diff(scores)), len(scores) - 1)[: len(scores)]
    right = np.cumsum(hits)[last]
    return float((np.diff(right, prepend=0) * right / (last + 1)).sum() / ranking.positives)


def wilson(share: FloatArray, count: IntArray) -> tuple[FloatArray, FloatArray]:
    """95 % bounds of shares (Wilson, 1927), `[bins]` each; they also hold for few cases."""
    z = 1.959964
    middle = (share + z**2 / (2 * count)) / (1 + z**2 / count)
    spread = z / (1 + z**2 / count) * np.sqrt(share * (1 - share) / count + (z / (2 * count)) ** 2)
    return middle - spread, middle + spread


def _curve(recall: FloatArray, precision: FloatArray, threshold: FloatArray) -> pa.Table:
    return pa.table({"recall": recall, "precision": precision, "threshold": threshold})
