"""How many examples, or seeds of each group, would show a difference of the size that was seen.

The variance is taken apart as in `pipeline.statistics.variance`: with more examples all but the
seeds' own spread falls, with more seeds all but the examples' own. Estimates, as all such numbers:
the difference and its variance are themselves known from few seeds and examples.
"""

from __future__ import annotations

import math
from dataclasses import replace

from pipeline.statistics.power import MOST_EXAMPLES, MOST_SEEDS, POWER, smallest, t_power
from pipeline.statistics.variance import (
    GroupSample,
    Variance,
    caution,
    rest_of_one,
    spread_of_one,
    welch,
)


def more_examples(
    difference: float,
    variance: Variance,
    num_examples: int,
    *,
    confidence: float,
    power: float = POWER,
) -> int | None:
    """How many examples would show it, with the same seeds.

    Args:
        difference: What was seen, of either sign.
        variance: Of that difference over `num_examples`.
        num_examples: Examples that gave it.
        confidence: One minus the level of the two-sided test.
        power: Chance to find it.

    Returns:
        None if it is above 10,000,000 or no number does.
    """
    spread = max(variance.seeds - variance.rest, 0.0)

    def enough(count: int) -> bool:
        share = num_examples / count
        then = replace(
            variance,
            examples=variance.examples * share,
            seeds=spread + (variance.seeds - spread) * share,
            rest=variance.rest * share,
        )
        return _power(difference, then, confidence) >= power

    return smallest(enough, at_least=2, at_most=MOST_EXAMPLES)


def more_seeds(
    difference: float,
    groups: tuple[GroupSample, GroupSample],
    variance: Variance,
    *,
    confidence: float,
    power: float = POWER,
) -> int | None:
    """How many seeds of each group would show it, on the same examples.

    Args:
        difference: What was seen, of either sign.
        groups: What was compared.
        variance: Of that difference.
        confidence: One minus the level of the two-sided test.
        power: Chance to find it.

    Returns:
        At least 2; None if it is above 10,000 or no number does, and for single runs.
    """
    known = [group for group in groups if len(group.values) > 1]
    if not known:
        return None
    spreads = spread_of_one(known[0]), spread_of_one(known[-1])
    rest = rest_of_one(known[0]) + rest_of_one(known[-1])
    shared = max(variance.examples - variance.rest, 0.0)

    def enough(count: int) -> bool:
        seeds, degrees = welch(spreads, (count, count))
        then = Variance(
            shared + rest / count, seeds, rest / count, degrees, caution(degrees, spreads=2)
        )
        return _power(difference, then, confidence) >= power

    return smallest(enough, at_least=2, at_most=MOST_SEEDS)


def _power(difference: float, variance: Variance, confidence: float) -> float:
    """Chance to find a true difference of this size with the right sign."""
    if variance.total <= 0:
        return 1.0 if difference else 0.0
    return t_power(abs(difference) / math.sqrt(variance.total), variance.total_degrees, confidence)
