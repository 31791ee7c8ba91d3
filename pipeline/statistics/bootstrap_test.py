"""The paired bootstrap as a test."""

from __future__ import annotations

import math

import numpy as np

from pipeline.statistics.arrays import FloatArray


def bootstrap_p(resampled_differences: FloatArray, observed: float) -> float:
    """The two-sided p-value that the difference of two systems is zero.

    The resamples are shifted to a mean of zero, as if there were no difference, and those count
    that are then as far from zero as the difference that was seen. sacrebleu's paired bootstrap
    shifts the sizes of the differences instead and so looks at one tail only: its p-values are
    about half of these, and it errs in about 10 of 100 cases at a level of 5 %.

    Args:
        resampled_differences: In each resample of the examples, `[samples]`; those in which it is
            undefined (NaN) do not count.
        observed: The difference over all examples.

    Returns:
        Above 0, because the difference that was seen counts as one. NaN if that is NaN, or if no
        resample is defined.
    """
    defined = resampled_differences[~np.isnan(resampled_differences)]
    if math.isnan(observed) or not len(defined):
        return math.nan
    limit = abs(observed) - 1e-12 * max(1.0, abs(observed))
    as_far = int((np.abs(defined - defined.mean()) >= limit).sum())
    return (1 + as_far) / (1 + len(defined))
