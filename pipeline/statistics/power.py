"""How much it takes to show a difference of the size that was seen.

All such numbers are estimates: the difference and its spread are themselves known from few seeds
and examples.
"""

from __future__ import annotations

import math
from collections.abc import Callable

POWER = 0.8
"""Chance to find a difference of the observed size with the numbers that are called needed."""
MOST_SEEDS = 10_000
"""Where the search for a number of seeds ends."""
MOST_EXAMPLES = 10_000_000
"""Where the search for a number of examples ends."""

_PARTS = 400


def t_power(shift: float, degrees: float, confidence: float) -> float:
    """Chance of a significant result of the right sign in a two-sided t-test.

    The noncentral t distribution as a mean over the estimated spread: scipy's own is NaN in places.

    Args:
        shift: The true difference in standard errors, at least 0.
        degrees: Degrees of freedom of the standard error, above 0; infinite where it is known.
        confidence: One minus the level.
    """
    import numpy as np
    from scipy import stats

    critical = stats.t.ppf((1 + confidence) / 2, degrees)
    if math.isinf(degrees):
        return float(stats.norm.cdf(shift - critical))
    middles = (np.arange(_PARTS) + 0.5) / _PARTS
    spreads = np.sqrt(stats.chi2.ppf(middles, degrees) / degrees)
    return float(stats.norm.cdf(shift - critical * spreads).mean())


def examples_needed(
    difference: float,
    standard_error: float,
    num_examples: int,
    *,
    confidence: float,
    power: float = POWER,
) -> int | None:
    """How many test examples would show a difference of this size, by the normal distribution.

    The standard error falls with the square root of the examples (Cohen, 1988, chapter 2).

    Args:
        difference: What was seen, of either sign.
        standard_error: Of that difference over `num_examples`.
        num_examples: Examples that gave it, at least 1.
        confidence: One minus the level of the two-sided test.
        power: Chance to find it.

    Returns:
        None if it is above 10,000,000 or no number does; also where there is no spread.
    """
    size = abs(difference)
    if not (size > 0 and standard_error > 0 and math.isfinite(size + standard_error)):
        return None
    spread = standard_error * math.sqrt(num_examples)
    return smallest(
        lambda count: t_power(size * math.sqrt(count) / spread, math.inf, confidence) >= power,
        at_least=1,
        at_most=MOST_EXAMPLES,
    )


def smallest(enough: Callable[[int], bool], *, at_least: int, at_most: int) -> int | None:
    """The smallest number that is enough, by bisection.

    Args:
        enough: Must stay true once it is.
        at_least: Where the search starts.
        at_most: Where it ends.

    Returns:
        None where even `at_most` is not enough.
    """
    if not enough(at_most):
        return None
    low, high = at_least - 1, at_most
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high
