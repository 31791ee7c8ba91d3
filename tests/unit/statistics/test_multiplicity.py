"""Holm's correction."""

from __future__ import annotations

import math

import numpy as np
import pytest
from statsmodels.stats.multitest import multipletests

from pipeline.statistics.multiplicity import holm


@pytest.mark.parametrize("count", [1, 2, 3, 10, 40])
def test_the_correction_is_statsmodels(count: int) -> None:
    p_values = np.random.default_rng(count).beta(0.4, 2, count).tolist()
    expected = multipletests(p_values, method="holm")[1]
    assert holm(p_values) == pytest.approx(expected, rel=1e-12)


def test_equal_p_values_stay_equal_and_none_is_above_one() -> None:
    assert holm([0.02, 0.02, 0.02]) == pytest.approx([0.06, 0.06, 0.06])
    assert holm([0.9, 0.6, 0.7]) == [1.0, 1.0, 1.0]


def test_what_is_not_tested_costs_the_others_nothing() -> None:
    assert holm([None, 0.01, math.nan, 0.04]) == [None, 0.02, None, 0.04]
    assert holm([None]) == [None]
    assert holm([]) == []


def test_of_many_tests_without_a_difference_seldom_any_finds_one() -> None:
    drawn = np.random.default_rng(0).random((4_000, 6))
    found = [min(p for p in holm(line.tolist()) if p is not None) < 0.05 for line in drawn]
    assert np.mean(found) <= 0.06
