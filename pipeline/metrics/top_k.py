"""Whether the right label is among those that a classifier finds likeliest."""

from __future__ import annotations

import numpy as np

from pipeline.metrics.weighting import FloatArray, IntArray, ratio, row_weights, weighted_sums


def top_k_accuracy(
    labels: IntArray, scores: FloatArray, k: int, weights: IntArray | None = None
) -> FloatArray:
    """The share of rows whose label is among the k of highest score.

    Of equal scores the label of the lower id comes first, as for a single prediction.

    Args:
        labels: Label ids, `[rows]`.
        scores: `[rows, labels]`.
        k: How many labels count as found.
        weights: How often each row counts, `[samples, rows]`; by default each counts once.

    Returns:
        `[samples]`; NaN without rows, and where there are no more than k labels, which any
        prediction would hit.
    """
    counts = row_weights(weights, len(labels))
    if scores.shape[1] <= k:
        return np.full(len(counts), np.nan)
    own = scores[np.arange(len(labels)), labels][:, np.newaxis]
    before = np.arange(scores.shape[1]) < labels[:, np.newaxis]
    rank = ((scores > own) | ((scores == own) & before)).sum(axis=1)
    return ratio(weighted_sums(counts, rank < k), counts.sum(axis=1).astype(np.float64))
