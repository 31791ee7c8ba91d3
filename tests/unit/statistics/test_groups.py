"""Two configurations with several seeds, on the same examples."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from pipeline.statistics.arrays import FloatArray
from pipeline.statistics.groups import GroupDifference, GroupSample, compare_groups, group_interval
from pipeline.statistics.percentiles import bias_corrected

OURS = np.array([0.91, 0.93, 0.92, 0.935, 0.915])
THEIRS = np.array([0.90, 0.91, 0.905, 0.915, 0.89])


def group(
    values: FloatArray, *, examples: float = 0.0, rest: float = 0.0, stream: int = 0
) -> GroupSample:
    """Resamples around the values, with these standard deviations, drawn alike for all groups."""
    common = np.random.default_rng(99).normal(0, examples, (400, 1))
    own = np.random.default_rng(stream).normal(0, rest, (400, len(values)))
    return GroupSample(values, values + common + own)


def compared(reference: GroupSample, other: GroupSample) -> GroupDifference:
    return compare_groups(reference, other, confidence=0.95, num_examples=150)


def test_without_uncertain_examples_it_is_welchs_test() -> None:
    found = compared(group(THEIRS), group(OURS))
    expected = stats.ttest_ind(OURS, THEIRS, equal_var=False)
    interval = expected.confidence_interval(0.95)
    assert found.difference == pytest.approx(0.018)
    assert found.p_value == pytest.approx(expected.pvalue, rel=1e-9)
    assert (found.low, found.high) == pytest.approx((interval.low, interval.high), rel=1e-9)
    assert found.degrees == pytest.approx(expected.df)
    assert found.variance_seeds == pytest.approx(found.variance.total)


@pytest.mark.parametrize("few", [[0.91, 0.93], [0.915, 0.9151], [0.88, 0.96]])
def test_with_unequal_numbers_of_seeds_it_is_no_bolder_than_welchs_and_students(
    few: list[float],
) -> None:
    found = compared(group(THEIRS), group(np.array(few)))
    for equal_var in (True, False):
        other = stats.ttest_ind(few, THEIRS, equal_var=equal_var)
        interval = other.confidence_interval(0.95)
        assert found.p_value is not None
        assert found.p_value >= other.pvalue * (1 - 1e-9)
        assert found.high - found.low >= (interval.high - interval.low) * (1 - 1e-9)


def test_single_runs_have_the_spread_of_their_resamples() -> None:
    reference, other = group(THEIRS[:1], rest=0.02), group(OURS[:1], rest=0.02, stream=1)
    found = compared(reference, other)
    error = (other.resamples - reference.resamples).std(ddof=1)
    assert math.isinf(found.degrees)
    assert found.variance_examples == pytest.approx(error**2)
    assert found.variance_seeds == 0
    assert found.p_value == pytest.approx(2 * stats.norm.sf(0.01 / error))
    assert found.low == pytest.approx(0.01 - stats.norm.ppf(0.975) * error)
    assert found.seeds_needed is None


def test_what_examples_do_to_both_groups_alike_is_no_uncertainty() -> None:
    found = compared(group(THEIRS, examples=0.05), group(OURS, examples=0.05))
    assert found.variance_examples == pytest.approx(0, abs=1e-30)
    assert found.p_value == pytest.approx(stats.ttest_ind(OURS, THEIRS, equal_var=False).pvalue)


def test_a_single_run_is_taken_to_spread_as_the_other_group_does() -> None:
    alone = GroupSample(np.array([0.96]), np.full((400, 1), 0.96))
    found = compared(group(THEIRS), alone)
    variance = THEIRS.var(ddof=1) * (1 + 1 / 5)
    assert found.variance_seeds == pytest.approx(variance)
    assert found.degrees == pytest.approx(4)
    assert found.p_value == pytest.approx(
        2 * stats.t.sf(found.difference / math.sqrt(variance), 4), rel=1e-9
    )
    turned = compared(alone, group(THEIRS))
    assert (turned.difference, turned.p_value) == (-found.difference, found.p_value)


def test_the_rest_is_not_counted_twice() -> None:
    """Seeds that differ by what their examples do to them alone: its variance, once."""
    generator = np.random.default_rng(0)
    groups = []
    for stream in (1, 2):
        values = generator.normal(0.9, 0.01, 200)
        groups.append(group(values, rest=0.01, stream=stream))
    found = compared(*groups)
    assert found.variance.total == pytest.approx(2 * 0.01**2 / 200, rel=0.25)
    assert found.variance.examples + found.variance.seeds > 1.7 * found.variance.total


@given(st.integers(0, 2**32 - 1), st.integers(1, 4), st.integers(1, 4))
def test_interval_and_test_agree_and_seeds_never_narrow(stream: int, k: int, m: int) -> None:
    generator = np.random.default_rng(stream)
    spread, rest = generator.exponential(0.02, 2)
    reference = group(generator.normal(0.9, spread, k), rest=rest, stream=stream)
    other = group(generator.normal(0.92, spread, m), rest=rest, stream=stream + 1)
    found = compared(reference, other)
    assert found.p_value is not None
    assert (found.p_value < 0.05) == (not found.low <= 0 <= found.high)
    assert found.low <= found.difference <= found.high
    error = math.sqrt(found.variance_examples)
    assert found.high - found.low >= 2 * 1.9599 * error
    turned = compared(other, reference)
    assert turned.p_value == pytest.approx(found.p_value, rel=1e-9)
    assert (turned.low, turned.high) == pytest.approx((-found.high, -found.low))


def test_seeds_without_a_value_are_left_out() -> None:
    values = np.insert(OURS, 2, np.nan)
    resamples = np.insert(group(OURS, rest=0.01, stream=1).resamples, 2, np.nan, axis=1)
    reference = group(THEIRS, rest=0.01, stream=2)
    found = compared(reference, GroupSample(values, resamples))
    expected = compared(reference, group(OURS, rest=0.01, stream=1))
    assert (found.p_value, found.low, found.high) == (
        expected.p_value,
        expected.low,
        expected.high,
    )


def test_resamples_in_which_one_run_has_no_value_are_left_out_of_all() -> None:
    reference, other = group(THEIRS, rest=0.01), group(OURS, rest=0.01, stream=1)
    holes = other.resamples.copy()
    holes[::4, 1] = np.nan
    found = compared(reference, GroupSample(OURS, holes))
    keep = np.arange(400) % 4 != 0
    kept = (GroupSample(g.values, g.resamples[keep]) for g in (reference, other))
    assert found.p_value == compared(*kept).p_value
    bounds = group_interval(GroupSample(OURS, holes), 0.95)
    assert bounds == group_interval(GroupSample(OURS, other.resamples[keep]), 0.95)


def test_what_is_undefined_has_no_interval_and_no_test() -> None:
    nothing = GroupSample(np.array([np.nan, np.nan]), np.full((400, 2), np.nan))
    found = compared(group(OURS), nothing)
    assert math.isnan(found.difference)
    assert math.isnan(found.low)
    assert found.p_value is None
    assert (found.examples_needed, found.seeds_needed) == (None, None)
    assert all(math.isnan(bound) for bound in group_interval(nothing, 0.95))
    unsampled = GroupSample(OURS, np.full((400, 5), np.nan))
    found = compared(group(THEIRS), unsampled)
    assert found.difference == pytest.approx(0.018)
    assert math.isnan(found.high)
    assert found.p_value is None
    assert all(math.isnan(bound) for bound in group_interval(unsampled, 0.95))


def test_without_any_variance_equal_is_equal_and_different_is_not_tested() -> None:
    same = group(np.full(3, 0.1 + 0.2))
    found = compared(same, group(np.full(2, 0.3)))
    assert found.p_value == 1.0
    assert found.high - found.low < 1e-12
    other = compared(same, group(np.full(2, 0.4)))
    assert other.p_value is None
    assert (other.low, other.high) == (other.difference, other.difference)
    assert (other.examples_needed, other.seeds_needed) == (None, None)


def test_seeds_that_are_equal_by_chance_do_not_make_it_certain() -> None:
    reference = group(np.full(2, 0.90), rest=0.02, stream=1)
    found = compared(reference, group(np.full(2, 0.93), rest=0.02, stream=2))
    assert found.variance.total == pytest.approx(found.variance_examples)
    assert found.p_value is not None
    assert found.p_value > 0.05


def test_the_interval_of_one_run_is_that_of_its_bootstrap() -> None:
    sample = group(OURS[:1], rest=0.02)
    assert group_interval(sample, 0.9) == bias_corrected(sample.resamples[:, 0], 0.91, 0.9)


def test_the_interval_of_a_group_without_uncertain_examples_is_students() -> None:
    expected = stats.t.interval(0.95, 4, OURS.mean(), stats.sem(OURS))
    assert group_interval(group(OURS), 0.95) == pytest.approx(expected)
