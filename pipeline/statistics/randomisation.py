"""Approximate randomisation: a paired test of any metric over a corpus.

Noreen, E. W. (1989), Computer-Intensive Methods for Testing Hypotheses. Riezler, S. and Maxwell,
J. T. (2005), On some pitfalls in automatic evaluation and significance testing for MT.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from pipeline.statistics.arrays import BoolArray, FloatArray

CELLS = 2**21
"""Exchanges held at once; a metric needs a few arrays of this size."""


def approximate_randomisation(
    swapped: Callable[[BoolArray], FloatArray],
    observed: float,
    num_rows: int,
    *,
    num_samples: int,
    seed: int,
) -> float:
    """The two-sided p-value that it does not matter which of two systems made which prediction.

    Args:
        swapped: Difference of the two systems' metrics, `[samples]`, when they exchange their
            predictions of the rows that are true, `[samples, rows]`.
        observed: The difference as it is, without exchanges.
        num_rows: Rows, at least 1.
        num_samples: How many random exchanges are tried.
        seed: Seed of the exchanges.

    Returns:
        The share of exchanges whose difference is as large in size, counting the one that was
        observed, so above 0. Equal up to rounding counts, and so does an exchange under which the
        metric is undefined (NaN). NaN if the observed difference is.
    """
    if math.isnan(observed):
        return math.nan
    generator = np.random.default_rng(seed)
    step = max(1, CELLS // num_rows)
    limit = abs(observed) - 1e-12 * max(1.0, abs(observed))
    as_large = 1
    for first in range(0, num_samples, step):
        count = min(step, num_samples - first)
        exchanges = generator.integers(0, 2, (count, num_rows), dtype=np.bool_)
        as_large += count - int((np.abs(swapped(exchanges)) < limit).sum())
    return as_large / (1 + num_samples)
