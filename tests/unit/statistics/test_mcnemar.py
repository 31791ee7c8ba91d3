"""McNemar's test on the examples that only one of two classifiers gets right."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import special, stats
from statsmodels.stats.contingency_tables import mcnemar

from pipeline.statistics.mcnemar import mcnemar_examples_needed, mcnemar_p


@pytest.mark.parametrize(
    ("only_a", "only_b"), [(0, 1), (5, 0), (3, 9), (12, 4), (40, 61), (0, 200)]
)
def test_the_mid_p_value_is_the_exact_one_less_half_of_what_was_seen(
    only_a: int, only_b: int
) -> None:
    table = [[50, only_a], [only_b, 7]]
    seen = stats.binom.pmf(only_a, only_a + only_b, 0.5)
    expected = mcnemar(table, exact=True).pvalue - seen
    assert mcnemar_p(only_a, only_b) == pytest.approx(expected, rel=1e-9)
    assert mcnemar_p(only_b, only_a) == pytest.approx(expected, rel=1e-9)


def test_of_many_examples_it_is_the_chi_squared_test() -> None:
    expected = mcnemar([[0, 4_900], [5_100, 0]], exact=False, correction=False).pvalue
    assert mcnemar_p(4_900, 5_100) == pytest.approx(expected, rel=1e-3)


@pytest.mark.parametrize("number", [0, 1, 17])
def test_equal_numbers_are_no_difference(number: int) -> None:
    assert mcnemar_p(number, number) == 1.0


@pytest.mark.parametrize("share", [0.01, 0.03, 0.1, 0.3])
@pytest.mark.parametrize("num_examples", [150, 1_000])
def test_where_both_are_right_as_often_it_errs_at_most_at_its_level(
    num_examples: int, share: float
) -> None:
    """Not simulated: the chance of every outcome is known."""
    numbers = np.arange(num_examples + 1)
    chance = stats.binom.pmf(numbers, num_examples, share)
    found = 0.0
    for both in numbers[chance > 1e-6]:
        outcomes = np.arange(both + 1)
        wrong = sum(mcnemar_p(int(a), int(both - a)) < 0.05 for a in outcomes[: both // 2 + 1])
        found += chance[both] * 2 * special.bdtr(wrong - 1, both, 0.5) if wrong else 0.0
    assert found <= 0.06


@pytest.mark.parametrize(("only_a", "only_b", "num"), [(6, 2, 150), (14, 22, 300), (9, 1, 500)])
def test_so_many_examples_find_such_a_difference_in_four_of_five_cases(
    only_a: int, only_b: int, num: int
) -> None:
    needed = mcnemar_examples_needed(only_a, only_b, num, confidence=0.95)
    assert needed is not None
    shares = [only_a / num, only_b / num, 1 - (only_a + only_b) / num]
    drawn = np.random.default_rng(0).multinomial(needed, shares, 2_000)
    found = [mcnemar_p(int(a), int(b)) < 0.05 for a, b, _ in drawn]
    assert np.mean(found) == pytest.approx(0.8, abs=0.06)


def test_no_number_of_examples_shows_what_is_not_there() -> None:
    assert mcnemar_examples_needed(0, 0, 150, confidence=0.95) is None
    assert mcnemar_examples_needed(9, 9, 150, confidence=0.95) is None
    assert mcnemar_examples_needed(100_001, 100_000, 10**6, confidence=0.95) is None
    assert mcnemar_examples_needed(12, 4, 150, confidence=0.95) is not None
