"""The paired bootstrap as a test."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from pipeline.statistics.arrays import FloatArray
from pipeline.statistics.bootstrap_test import bootstrap_p


def weights(num_rows: int, num_samples: int) -> FloatArray:
    drawn = np.random.default_rng(9).multinomial(
        num_rows, np.full(num_rows, 1 / num_rows), num_samples
    )
    return drawn / num_rows


def test_of_a_mean_over_many_rows_it_is_the_paired_test_of_scipy() -> None:
    generator = np.random.default_rng(0)
    first = generator.random(400)
    second = first + generator.normal(0.03, 0.3, 400)
    differences = second - first
    found = bootstrap_p(weights(400, 10_000) @ differences, float(differences.mean()))
    expected = stats.ttest_rel(second, first).pvalue
    assert 0.01 < expected < 0.2
    assert found == pytest.approx(expected, abs=0.015)


@pytest.mark.parametrize("kind", ["right or wrong", "log loss", "heavy tails"])
def test_where_nothing_differs_it_errs_at_most_at_its_level(kind: str) -> None:
    generator = np.random.default_rng(1)
    shape = (2_000, 150)
    if kind == "right or wrong":
        first, second = (generator.random((2, *shape)) < 0.85).astype(np.float64)
    elif kind == "log loss":
        common = generator.exponential(0.4, shape)
        first, second = common * generator.lognormal(0, 0.5, (2, *shape))
    else:
        first, second = generator.standard_t(4, (2, *shape))
    differences = second - first
    resampled = weights(150, 1_000) @ differences.T
    observed = differences.mean(axis=1)
    found = [bootstrap_p(resampled[:, i], float(observed[i])) < 0.05 for i in range(shape[0])]
    assert np.mean(found) <= 0.06
    assert np.mean(found) >= 0.035, "nor is it timid"


def test_both_tails_count_and_so_does_what_was_seen() -> None:
    resampled = np.array([-2.0, -1.0, 0.0, 1.0, 2.0]) + 0.7
    assert bootstrap_p(resampled, 2.0) == 3 / 6
    assert bootstrap_p(resampled, -2.0) == 3 / 6
    assert bootstrap_p(resampled, 3.0) == 1 / 6
    assert bootstrap_p(resampled, 0.0) == 1.0


def test_resamples_in_which_the_difference_is_undefined_do_not_count() -> None:
    resampled = np.array([-2.0, np.nan, -1.0, 0.0, 1.0, 2.0, np.nan])
    assert bootstrap_p(resampled, 2.0) == 3 / 6
    assert math.isnan(bootstrap_p(np.full(4, np.nan), 1.0))
    assert math.isnan(bootstrap_p(resampled, math.nan))


def test_systems_that_are_the_same_do_not_differ() -> None:
    assert bootstrap_p(np.zeros(100), 0.0) == 1.0
