"""Bias-corrected percentiles of a bootstrap (Efron and Tibshirani, 1993, section 14.3)."""

from __future__ import annotations

from statistics import NormalDist

import numpy as np

from pipeline.statistics.arrays import FloatArray


def bias_corrected(resamples: FloatArray, value: float, confidence: float) -> tuple[float, float]:
    """The interval of a value; without bias the plain percentiles.

    Args:
        resamples: The value in each resample, `[samples]`, at least one, none of them NaN.
        value: The value itself.
        confidence: Coverage, for example 0.95.
    """
    low, high = np.quantile(resamples, _levels(resamples, value, confidence))
    return float(low), float(high)


def _levels(resamples: FloatArray, value: float, confidence: float) -> tuple[float, float]:
    """Which percentiles bound the interval: moved by twice the bias, in standard deviations."""
    count = len(resamples)
    # A hair's breadth: equal fractions differ in the last bit when their sums are ordered anew.
    near = np.isclose(resamples, value, rtol=0.0, atol=1e-12)
    below = ((resamples < value) & ~near).sum() + near.sum() / 2
    normal = NormalDist()
    bias = normal.inv_cdf(float(np.clip(below / count, 0.5 / count, 1 - 0.5 / count)))
    reach = normal.inv_cdf((1 + confidence) / 2)
    return normal.cdf(2 * bias - reach), normal.cdf(2 * bias + reach)
