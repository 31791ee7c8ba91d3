"""Student's t over seeds: the interval of a mean, the paired test, and how many seeds it takes."""

from __future__ import annotations

import math
from collections.abc import Sequence

from pipeline.statistics.power import MOST_SEEDS, POWER, smallest, t_power

Interval = tuple[float, float]


def mean(values: Sequence[float]) -> float | None:
    """The mean without rounding on the way; None of no values."""
    return math.fsum(values) / len(values) if values else None


def mean_interval(values: Sequence[float], confidence: float) -> Interval | None:
    """Student's interval of the mean; None for fewer than two values, no width without spread."""
    if len(values) < 2:
        return None
    from scipy import stats

    middle, error = _mean_and_error(values)
    half = float(stats.t.ppf((1 + confidence) / 2, len(values) - 1)) * error
    return middle - half, middle + half


def paired_p(differences: Sequence[float]) -> float | None:
    """The two-sided p-value of the paired t-test; None for fewer than two differences.

    Differences without any spread have no test either and give None. Spread that is only the
    rounding of the values they were taken from is for the caller to see, who knows these values.
    """
    if len(differences) < 2:
        return None
    from scipy import stats

    middle, error = _mean_and_error(differences)
    if error == 0:
        return None
    return float(2 * stats.t.sf(abs(middle) / error, len(differences) - 1))


def seeds_needed(
    differences: Sequence[float], confidence: float, power: float = POWER
) -> int | None:
    """How many seeds would find the observed mean difference, given its observed spread.

    The power of the two-sided paired t-test, from the noncentral t distribution (Cohen, 1988,
    section 2.5). An estimate: mean and spread are themselves known from few seeds.

    Returns:
        The smallest number of seeds, at least 2; None if it is above 10,000 or no number does.
    """
    if len(differences) < 2:
        return None
    middle, error = _mean_and_error(differences)
    spread = error * math.sqrt(len(differences))
    if middle == 0 or spread == 0:
        return None
    effect = abs(middle) / spread
    return smallest(
        lambda seeds: t_power(effect * math.sqrt(seeds), seeds - 1, confidence) >= power,
        at_least=2,
        at_most=MOST_SEEDS,
    )


def _mean_and_error(values: Sequence[float]) -> tuple[float, float]:
    """Mean and its standard error."""
    middle = math.fsum(values) / len(values)
    variance = math.fsum((value - middle) ** 2 for value in values) / (len(values) - 1)
    return middle, math.sqrt(variance / len(values))
