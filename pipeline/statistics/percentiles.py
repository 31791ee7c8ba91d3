"""Bias-corrected percentiles of a bootstrap (Efron and Tibshirani, 1993, chapters 10 and 14)."""

from __future__ import annotations

from statistics import NormalDist

import numpy as np

from pipeline.statistics.arrays import FloatArray

_MATERIAL = 0.25
"""A bias above this share of the standard error is no detail (ibid., section 10.3)."""


def bias_corrected(resamples: FloatArray, value: float, confidence: float) -> tuple[float, float]:
    """The interval of a value; without bias the plain percentiles.

    A small bias moves the levels of the percentiles. A larger one, such as a calibration error's,
    would move them to the very end of the resamples, where nothing is left of their width: then the
    percentiles themselves are moved, by the bias of the resamples and that of the value. They end
    at 0 where neither the value nor a resample is below.

    Args:
        resamples: The value in each resample, `[samples]`, at least one, none of them NaN.
        value: The value itself.
        confidence: Coverage, for example 0.95.
    """
    bias = float(resamples.mean()) - value
    if abs(bias) > _MATERIAL * float(resamples.std()):
        plain = np.quantile(resamples, [(1 - confidence) / 2, (1 + confidence) / 2])
        floor = 0.0 if min(value, float(resamples.min())) >= 0 else -np.inf
        low, high = np.maximum(plain - 2 * bias, floor)
    else:
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
