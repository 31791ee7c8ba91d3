"""Area under the ROC curve and average precision, for many resamples of the rows at once."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from pipeline.metrics.weighting import FloatArray, IntArray, ratio, row_weights, sample_chunks


def ranking_metrics(
    scores: FloatArray, positive: npt.NDArray[np.bool_], weights: IntArray | None = None
) -> tuple[FloatArray, FloatArray]:
    """ROC-AUC and average precision of one class against the rest.

    Rows are sorted once for all samples; equal scores count as one threshold. Both values equal
    scikit-learn's `roc_auc_score` and `average_precision_score`.

    Args:
        scores: The higher, the likelier positive, `[rows]`.
        positive: Whether a row is positive, `[rows]`.
        weights: How often each row counts, `[samples, rows]`; by default each counts once.

    Returns:
        Both `[samples]`; ROC-AUC is NaN without a positive or a negative row, average precision
        without a positive row.
    """
    rows_weights = row_weights(weights, len(scores))
    order = np.argsort(-scores, kind="stable")
    ranked = scores[order]
    is_positive = positive[order]
    # Of each positive row: the first row of equal score and the one behind the last, from the top.
    first = np.searchsorted(-ranked, -ranked[is_positive], side="left")
    behind = np.searchsorted(-ranked, -ranked[is_positive], side="right")
    positives_behind = np.concatenate(([0], np.cumsum(is_positive)))[behind]

    area = np.empty(rows_weights.shape[0])
    precision = np.empty(rows_weights.shape[0])
    for part in sample_chunks(rows_weights):
        # One line a row, one column a sample, so that running sums add whole lines.
        sorted_weights = np.ascontiguousarray(rows_weights[part].T)[order]
        above = _running_sums(sorted_weights)
        positive_weights = sorted_weights[is_positive]
        hits = _running_sums(positive_weights)
        total, num_positive = above[-1], hits[-1]
        # A positive row outranks all rows below it and half of its equals. Summed over the
        # positive rows, their own half of each other makes num_positive² / 2.
        outranked = total - (above[first] + above[behind]) / 2
        won = np.einsum("rs,rs->s", positive_weights, outranked) - num_positive**2 / 2
        area[part] = ratio(won, num_positive * (total - num_positive))
        precisions = hits[positives_behind] / np.maximum(above[behind], 1.0)
        precision[part] = ratio(
            np.einsum("rs,rs->s", positive_weights, precisions), num_positive.astype(np.float64)
        )
    return area, precision


def _running_sums(lines: IntArray) -> FloatArray:
    """Sums of the first 0, 1, … lines: `[lines, samples]` to `[lines + 1, samples]`."""
    sums = np.zeros((lines.shape[0] + 1, lines.shape[1]))
    np.cumsum(lines, axis=0, out=sums[1:])
    return sums
