"""McNemar's test: two classifiers on the same examples, by those that only one gets right.

Fagerland, M. W., Lydersen, S. and Laake, P. (2013), The McNemar test for binary matched-pairs data:
mid-p and asymptotic are better than exact conditional. BMC Medical Research Methodology 13:91.
"""

from __future__ import annotations

import math
from statistics import NormalDist

from pipeline.statistics.power import MOST_EXAMPLES, POWER


def mcnemar_p(only_a: int, only_b: int) -> float:
    """The two-sided mid-p-value that both are right equally often.

    The exact binomial p-value counts the outcome that was seen in full and so errs far less often
    than its level; the mid-p-value counts half of it.

    Args:
        only_a: Examples that only the first gets right, at least 0.
        only_b: Examples that only the second gets right, at least 0.

    Returns:
        Above 0; 1 where both numbers are equal.
    """
    if only_a == only_b:
        return 1.0
    from scipy import special

    less, both = min(only_a, only_b), only_a + only_b
    fewer = float(special.bdtr(less - 1, both, 0.5)) if less else 0.0
    return float(special.bdtr(less, both, 0.5)) + fewer


def mcnemar_examples_needed(
    only_a: int,
    only_b: int,
    num_examples: int,
    *,
    confidence: float,
    power: float = POWER,
) -> int | None:
    """How many examples would show such a difference, if the shares stay what they are.

    Connor, R. J. (1987), Sample size for testing differences in proportions for the paired-sample
    design. Biometrics 43:207-211.

    Args:
        only_a: Examples that only the first gets right.
        only_b: Examples that only the second gets right.
        num_examples: All examples, at least 1.
        confidence: One minus the level of the test.
        power: Chance to find it.

    Returns:
        None if it is above 10,000,000 or no number does.
    """
    if only_a == only_b:
        return None
    differing = (only_a + only_b) / num_examples
    difference = (only_a - only_b) / num_examples
    normal = NormalDist()
    reach = normal.inv_cdf((1 + confidence) / 2) * math.sqrt(differing)
    reach += normal.inv_cdf(power) * math.sqrt(differing - difference**2)
    needed = math.ceil((reach / difference) ** 2)
    return needed if needed <= MOST_EXAMPLES else None
