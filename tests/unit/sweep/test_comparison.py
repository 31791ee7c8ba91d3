"""The best trial beside the default configuration."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from pipeline.sweep.comparison import Comparison, compare

BEST = {1: 0.91, 2: 0.93, 3: 0.92, 4: 0.935, 5: 0.915}
DEFAULT = {1: 0.90, 2: 0.91, 3: 0.91, 4: 0.915, 5: 0.91}


def values(*numbers: float) -> dict[int, float]:
    return dict(enumerate(numbers))


def test_the_test_is_scipys_paired_t_test() -> None:
    found = compare("accuracy", "maximize", BEST, DEFAULT, 0.95)
    reference = stats.ttest_rel(list(BEST.values()), list(DEFAULT.values()))
    bounds = reference.confidence_interval(0.95)
    assert found.p_value == pytest.approx(reference.pvalue, rel=1e-9)
    assert found.difference_interval == pytest.approx((bounds.low, bounds.high), rel=1e-9)
    assert found.difference == pytest.approx(0.013)
    assert found.n == 5
    assert found.significant


def test_each_mean_has_students_interval() -> None:
    found = compare("accuracy", "maximize", BEST, DEFAULT, 0.9)
    numbers = list(BEST.values())
    expected = stats.t.interval(0.9, 4, np.mean(numbers), stats.sem(numbers))
    assert found.best_interval == pytest.approx(expected)
    assert found.best_mean == pytest.approx(np.mean(numbers))
    assert found.default_mean == pytest.approx(np.mean(list(DEFAULT.values())))


def test_a_gain_is_positive_whichever_way_is_better() -> None:
    lower = compare("loss", "minimize", DEFAULT, BEST, 0.95, trial=3)
    assert lower.difference == pytest.approx(0.013)
    assert lower.differences[1] == pytest.approx(0.01)
    assert lower.verdict.startswith("trial 3 is better than the default by 0.013 loss (95 %")
    worse = compare("loss", "minimize", BEST, DEFAULT, 0.95, trial=3)
    assert worse.difference == pytest.approx(-0.013)
    assert worse.significant
    assert worse.verdict.startswith("trial 3 is worse than the default by 0.013 loss")


def test_seeds_are_paired_by_their_numbers_not_by_their_order() -> None:
    shuffled = {seed: DEFAULT[seed] for seed in (4, 2, 5, 1, 3)}
    assert compare("accuracy", "maximize", BEST, shuffled, 0.95) == compare(
        "accuracy", "maximize", BEST, DEFAULT, 0.95
    )


def test_the_test_errs_as_often_as_its_level_says_where_nothing_differs() -> None:
    generator = np.random.default_rng(2)
    draws = 200
    wrong = 0
    for _ in range(draws):
        best, default = generator.normal(0, 1, (2, 4))
        wrong += compare("f1", "maximize", values(*best), values(*default), 0.8).significant
    assert wrong / draws == pytest.approx(0.2, abs=0.07)


def test_a_difference_lost_in_noise_says_how_many_seeds_would_show_it() -> None:
    found = compare(
        "accuracy", "maximize", values(0.90, 0.93, 0.91), values(0.91, 0.90, 0.905), 0.95, trial=7
    )
    assert not found.significant
    assert found.seeds_needed is not None
    assert found.seeds_needed > 3
    assert found.verdict.startswith(
        f"no difference that 3 seeds can show; about {found.seeds_needed} would be needed"
    )


def test_a_hopelessly_small_difference_needs_more_than_ten_thousand_seeds() -> None:
    found = compare("accuracy", "maximize", values(1.0, 0.0001), values(0.0, 1.0), 0.95)
    assert found.seeds_needed is None
    assert "more than 10,000 would be needed" in found.verdict


def test_equal_means_are_not_better_with_more_seeds() -> None:
    found = compare("accuracy", "maximize", values(1.0, 2.0), values(2.0, 1.0), 0.95)
    assert found.p_value == 1
    assert found.seeds_needed is None
    assert found.verdict.startswith("no difference: the means of 2 seeds are equal")


def test_equal_differences_have_no_spread_to_test_against() -> None:
    default = {seed: value - 0.01 for seed, value in BEST.items()}
    found = compare("accuracy", "maximize", BEST, default, 0.95, trial=2)
    assert found.difference == pytest.approx(0.01)
    assert (found.p_value, found.difference_interval, found.seeds_needed) == (None, None, None)
    assert not found.significant
    assert "by 0.010 accuracy on each of 5 seeds; without any spread" in found.verdict


def test_the_same_values_are_no_difference() -> None:
    found = compare("accuracy", "maximize", BEST, BEST, 0.95, trial=2)
    assert found.verdict == (
        "no difference: trial 2 and the default have the same accuracy on 5 seeds"
    )


def test_one_seed_allows_no_interval_and_no_test() -> None:
    found = compare("accuracy", "maximize", values(0.9), values(0.8), 0.95, trial=1)
    assert (found.n, found.best_interval, found.p_value) == (1, None, None)
    assert found.difference == pytest.approx(0.1)
    assert "one seed allows no interval and no test" in found.verdict


def test_seeds_without_a_defined_value_of_both_are_left_out_and_counted() -> None:
    best = {1: 0.9, 2: 0.92, 3: math.nan, 4: 0.95}
    default = {1: 0.8, 2: 0.85, 3: 0.9, 5: 0.9}
    found = compare("f1", "maximize", best, default, 0.95)
    assert list(found.best) == list(found.default) == [1, 2]
    assert found.left_out == (3, 4, 5)
    assert found.verdict.endswith("; 3 seeds without a value of both left out")


def test_nothing_in_common_cannot_be_compared() -> None:
    found = compare("f1", "maximize", {1: 0.9}, {1: math.inf}, 0.95, trial=4)
    assert (found.n, found.best_mean, found.difference) == (0, None, None)
    assert found.verdict == (
        "trial 4 cannot be compared with the default: no seed has a value of both"
        "; 1 seed without a value of both left out"
    )


def test_a_best_trial_that_is_the_default_did_not_beat_it() -> None:
    for known in (BEST, {}):
        found = compare("accuracy", "maximize", known, known, 0.95, trial=0, is_default=True)
        assert found.verdict == (
            "trial 0 is the default configuration itself: the default was not beaten"
        )
        assert not found.significant


def test_the_level_of_the_test_is_one_minus_the_confidence() -> None:
    strict = compare("accuracy", "maximize", BEST, DEFAULT, 0.999)
    assert strict.p_value is not None
    assert 0.001 < strict.p_value < 0.05
    assert not strict.significant
    assert "99.9 % interval" in strict.verdict


def test_a_cost_is_told_with_its_unit() -> None:
    found = compare(
        "latency_ms", "minimize", values(10.0, 11.0, 12.0), values(14.0, 14.5, 15.6), 0.95, trial=9
    )
    assert "better than the default by 3.7 ms (latency_ms)" in found.verdict


def test_a_comparison_survives_its_file() -> None:
    for known in (DEFAULT, {}, {1: 0.9}):
        found = compare("accuracy", "maximize", BEST, known, 0.95, trial=1)
        assert Comparison.model_validate_json(found.model_dump_json()) == found
