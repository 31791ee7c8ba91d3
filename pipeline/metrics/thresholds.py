"""Thresholds on scores that give the highest F1."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from pipeline.metrics.weighting import FloatArray

BoolArray = npt.NDArray[np.bool_]

DEFAULT = 0.5
"""The threshold where nothing is known to tune it by."""
FEWEST_POSITIVES = 5
"""A label with fewer positive rows takes the threshold that suits all labels together."""


def best_threshold(scores: FloatArray, wanted: BoolArray) -> float:
    """The threshold with the highest F1, where candidates from it upwards count as found.

    It lies halfway between two neighbouring scores, so that neither is decided by rounding; of
    several that are equally good it is the one nearest to one half.

    Args:
        scores: Probabilities, `[candidates]`.
        wanted: Whether each should be found, `[candidates]`.

    Returns:
        `DEFAULT` where nothing should be found: then no threshold has an F1 above zero.
    """
    positives = int(wanted.sum())
    if not positives:
        return DEFAULT
    order = np.argsort(-scores, kind="stable")
    ranked = scores[order]
    ends = np.append(np.flatnonzero(np.diff(ranked)), len(ranked) - 1)
    f1 = 2 * np.cumsum(wanted[order])[ends] / (ends + 1 + positives)
    below = np.append(ranked[ends[:-1] + 1], 0.0)
    thresholds = (ranked[ends] + below) / 2
    best = thresholds[f1 >= f1.max() - 1e-12]
    return float(best[np.abs(best - DEFAULT).argmin()])


def best_thresholds(scores: FloatArray, wanted: BoolArray) -> FloatArray:
    """For each label the threshold with the highest F1, where that is more than chance.

    A threshold that few positive rows chose is chance. So a label takes that of all labels
    together, the one with the highest micro F1, if fewer than `FEWEST_POSITIVES` rows have it or if
    its own is better by less than one standard error: that of a share as large as its F1, among as
    many rows as have the label (with a success and a failure added, so that it is never zero).

    Args:
        scores: Probabilities, `[rows, labels]`.
        wanted: Whether a row has a label, `[rows, labels]`.

    Returns:
        `[labels]`.
    """
    shared = best_threshold(scores.ravel(), wanted.ravel())
    found = np.full(scores.shape[1], shared)
    for label, positives in enumerate(wanted.sum(axis=0)):
        if positives < FEWEST_POSITIVES:
            continue
        own = best_threshold(scores[:, label], wanted[:, label])
        best = _f1(scores[:, label] >= own, wanted[:, label])
        share = (best * positives + 1) / (positives + 2)
        error = np.sqrt(share * (1 - share) / positives)
        if best - _f1(scores[:, label] >= shared, wanted[:, label]) > error:
            found[label] = own
    return found


def _f1(found: BoolArray, wanted: BoolArray) -> float:
    return 2 * float((found & wanted).sum()) / float(found.sum() + wanted.sum())
