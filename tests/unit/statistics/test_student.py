"""Student's t over seeds."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from pipeline.statistics.student import mean, mean_interval, paired_p, seeds_needed


def test_an_interval_holds_the_truth_as_often_as_it_says() -> None:
    generator = np.random.default_rng(0)
    draws, truth = 2000, 0.4
    inside = 0
    for differences in generator.normal(truth, 0.7, (draws, 5)):
        interval = mean_interval(differences.tolist(), 0.95)
        assert interval is not None
        inside += interval[0] <= truth <= interval[1]
    assert inside / draws == pytest.approx(0.95, abs=0.015)


@pytest.mark.parametrize(("effect", "seeds"), [(0.5, 34), (0.2, 199), (0.8, 15)])
def test_the_number_of_seeds_is_that_of_the_power_tables(effect: float, seeds: int) -> None:
    # Two-sided paired t-test, level 0.05, power 0.8: the values that G*Power gives.
    shape = np.array([-1.0, 0.0, 1.0])
    assert seeds_needed(list(shape / shape.std(ddof=1) + effect), 0.95) == seeds


def test_so_many_seeds_find_such_a_difference_in_four_of_five_cases() -> None:
    differences = [0.5, -0.2, 0.9, 0.1, 0.45]
    needed = seeds_needed(differences, 0.95)
    assert needed is not None
    generator = np.random.default_rng(1)
    drawn = generator.normal(np.mean(differences), np.std(differences, ddof=1), (4000, needed))
    found = stats.ttest_1samp(drawn, 0.0, axis=1).pvalue < 0.05
    assert found.mean() == pytest.approx(0.8, abs=0.06)


def test_a_mean_of_fewer_than_two_values_has_no_interval() -> None:
    assert mean_interval([], 0.95) is None
    assert mean_interval([1.0], 0.95) is None
    assert mean_interval([1.0, 1.0], 0.95) == (1.0, 1.0)


def test_the_paired_test_is_scipys() -> None:
    ours, theirs = [0.91, 0.93, 0.92, 0.935], [0.90, 0.91, 0.93, 0.915]
    differences = [a - b for a, b in zip(ours, theirs, strict=True)]
    assert paired_p(differences) == pytest.approx(stats.ttest_rel(ours, theirs).pvalue, rel=1e-9)


def test_where_nothing_differs_the_paired_test_errs_at_its_level() -> None:
    drawn = np.random.default_rng(2).normal(0, 1, (4000, 4))
    found = [paired_p(differences.tolist()) for differences in drawn]
    assert np.mean([p is not None and p < 0.05 for p in found]) <= 0.06


def test_without_two_seeds_or_without_spread_there_is_no_paired_test() -> None:
    assert [paired_p(values) for values in ([], [0.5], [0.5, 0.5])] == [None, None, None]
    assert [seeds_needed(values, 0.95) for values in ([], [0.5], [0.5, 0.5])] == [None, None, None]


def test_a_mean_is_not_rounded_on_the_way() -> None:
    assert mean([0.1] * 10) == 0.1
    assert mean([]) is None
