"""Correction for comparing several things at once."""

from __future__ import annotations

import math
from collections.abc import Sequence


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """Adjusts p-values so that the chance of any false finding among them stays at the level.

    Holm, S. (1979), A simple sequentially rejective multiple test procedure. Scandinavian Journal
    of Statistics 6:65-70. It holds whatever the tests have to do with each other.

    Args:
        p_values: One for each test; None or NaN where there is no test, which does not count.

    Returns:
        Adjusted p-values in the same order, at most 1; None where there is no test.
    """
    tested = [(p, place) for place, p in enumerate(p_values) if p is not None and not math.isnan(p)]
    adjusted: list[float | None] = [None] * len(p_values)
    largest = 0.0
    for rank, (p, place) in enumerate(sorted(tested)):
        largest = max(largest, min(1.0, p * (len(tested) - rank)))
        adjusted[place] = largest
    return adjusted
