"""Metrics of predicted numbers, for many resamples of the rows at once."""

from __future__ import annotations

import numpy as np

from pipeline.metrics.weighting import (
    FloatArray,
    IntArray,
    grouped_sums,
    ratio,
    row_weights,
    sample_chunks,
    weighted_sums,
)

_NOTHING = 1e-12
"""Share of the mean square below which a variance is rounding: all numbers are the same."""


def regression_metrics(
    references: FloatArray, predicted: FloatArray, weights: IntArray | None = None
) -> dict[str, FloatArray]:
    """All metrics of predicted numbers.

    All but the rank correlation are made of sums over rows. Values equal scikit-learn's and scipy's
    on rows repeated as often as they count. What a sample leaves undefined is NaN: R² where all
    right numbers are the same, correlations where all numbers of one side are.

    Args:
        references: The right numbers, `[rows]`.
        predicted: The predicted ones, `[rows]`.
        weights: How often each row counts, `[samples, rows]`; by default each counts once.

    Returns:
        `[samples]` each: `mse` and `rmse`, the mean squared error and its root; `mae`, the mean
        absolute error; `r2`, the share of the variance that is explained, below 0 where the mean
        would be better; `pearson`; and `spearman`, where equal numbers share the mean of their
        ranks, as they do more often in a resample than in its rows.
    """
    rows_weights = row_weights(weights, len(references))
    total = rows_weights.sum(axis=1).astype(np.float64)
    errors = predicted - references
    absolute = np.abs(errors)
    # Sums of squares lose their digits where numbers are far from zero.
    right, given = _centred(references), _centred(predicted)
    products = np.stack(
        [errors**2, absolute, right, given, right**2, given**2, right * given], axis=1
    )
    means = ratio(weighted_sums(rows_weights, products), total[:, np.newaxis])
    mse = means[:, 0]
    right_variance = _variance(means[:, 2], means[:, 4])
    given_variance = _variance(means[:, 3], means[:, 5])
    covariance = means[:, 6] - means[:, 2] * means[:, 3]
    return {
        "mse": mse,
        "rmse": np.sqrt(mse),
        "mae": means[:, 1],
        "r2": 1.0 - ratio(mse, right_variance),
        "pearson": _correlation(covariance, right_variance, given_variance),
        "spearman": _spearman(references, predicted, rows_weights),
    }


def closeness(references: FloatArray, predicted: FloatArray, scale: float) -> FloatArray:
    """How near predictions are, from 0 to 1: `1 / (1 + |error| / scale)`, `[rows]`.

    Args:
        references: The right numbers, `[rows]`.
        predicted: The predicted ones, `[rows]`.
        scale: The error whose closeness is one half.
    """
    return 1.0 / (1.0 + np.abs(predicted - references) / scale)


def _centred(numbers: FloatArray) -> FloatArray:
    return numbers - numbers.mean() if len(numbers) else numbers


def _variance(mean: FloatArray, mean_square: FloatArray) -> FloatArray:
    """Variances, exactly zero where they are nothing but rounding."""
    variance = mean_square - mean**2
    return np.where(variance <= _NOTHING * mean_square, 0.0, variance)


def _correlation(covariance: FloatArray, one: FloatArray, other: FloatArray) -> FloatArray:
    return np.clip(ratio(covariance, np.sqrt(one) * np.sqrt(other)), -1.0, 1.0)


def _spearman(references: FloatArray, predicted: FloatArray, weights: IntArray) -> FloatArray:
    """Pearson's correlation of the ranks that each sample gives its rows, `[samples]`."""
    found = np.empty(len(weights))
    groups = [np.unique(numbers, return_inverse=True)[1] for numbers in (references, predicted)]
    for part in sample_chunks(weights):
        cells = weights[part].astype(np.float64)
        total = cells.sum(axis=1, keepdims=True)
        right, given = (_centred_ranks(weights[part], group, total) for group in groups)
        sums = [
            ratio((cells * one * other).sum(axis=1), total[:, 0])
            for one, other in ((right, given), (right, right), (given, given))
        ]
        found[part] = _correlation(*sums)
    return found


def _centred_ranks(weights: IntArray, groups: IntArray, total: FloatArray) -> FloatArray:
    """Ranks minus their mean, `[samples, rows]`; equal numbers share the mean of their ranks.

    They are halves of whole numbers, so that the variance of ranks that are all equal is zero.
    """
    count = int(groups.max(initial=-1)) + 1
    tied = grouped_sums(weights, groups, count)
    below = np.cumsum(tied, axis=1) - tied
    ranks: FloatArray = (below + (tied + 1) / 2)[:, groups] - (total + 1) / 2
    return ranks
