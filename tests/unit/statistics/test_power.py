"""How much it takes to show a difference."""

from __future__ import annotations

import math
import operator
from functools import partial

import numpy as np
import pytest
from statsmodels.stats.power import NormalIndPower, TTestPower

from pipeline.statistics.power import examples_needed, smallest, t_power


@pytest.mark.parametrize("degrees", [1, 2, 4, 30])
@pytest.mark.parametrize("shift", [0.5, 2.0, 4.0])
def test_the_power_of_the_t_test_is_statsmodels(shift: float, degrees: int) -> None:
    effect = shift / math.sqrt(degrees + 1)
    two_sided = TTestPower().power(effect, degrees + 1, 0.05, df=degrees)
    wrong_sign = t_power(-shift, degrees, 0.95)
    assert t_power(shift, degrees, 0.95) + wrong_sign == pytest.approx(two_sided, abs=1e-3)


@pytest.mark.parametrize(("difference", "error"), [(0.012, 0.008), (-0.012, 0.008), (0.003, 0.02)])
def test_the_number_of_examples_is_statsmodels(difference: float, error: float) -> None:
    effect = abs(difference) / (error * math.sqrt(150))
    expected = NormalIndPower(ddof=0).solve_power(effect, alpha=0.05, power=0.8, ratio=0)
    assert examples_needed(difference, error, 150, confidence=0.95) == math.ceil(expected)


def test_so_many_examples_find_such_a_difference_in_four_of_five_cases() -> None:
    generator = np.random.default_rng(0)
    needed = examples_needed(0.05, 0.04, 100, confidence=0.95)
    assert needed is not None
    drawn = generator.normal(0.05, 0.4, (4000, needed))
    z = drawn.mean(axis=1) / (drawn.std(axis=1) / math.sqrt(needed))
    assert (z > 1.96).mean() == pytest.approx(0.8, abs=0.02)


def test_no_number_of_examples_shows_what_is_not_there() -> None:
    assert examples_needed(0.0, 0.01, 150, confidence=0.95) is None
    assert examples_needed(1e-7, 0.04, 150, confidence=0.95) is None, "more than ten million"
    for difference, error in ((0.1, 0.0), (math.nan, 0.1), (0.1, math.nan)):
        assert examples_needed(difference, error, 150, confidence=0.95) is None


@pytest.mark.parametrize("limit", [1, 2, 7, 100])
def test_bisection_finds_each_number(limit: int) -> None:
    for number in range(1, limit + 1):
        found = smallest(partial(operator.le, number), at_least=1, at_most=limit)
        assert found == number
    assert smallest(lambda n: n > limit, at_least=1, at_most=limit) is None
