"""How many examples or seeds it would take to show the difference between two groups."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.power import TTestIndPower

from pipeline.statistics.arrays import FloatArray
from pipeline.statistics.groups import GroupSample, compare_groups
from pipeline.statistics.planning import more_examples, more_seeds
from pipeline.statistics.power import examples_needed
from pipeline.statistics.variance import Variance, caution

SHAPE = np.array([-1.0, 0.0, 1.0])


def groups(effect: float, spread: float, rest: float = 0.0) -> tuple[GroupSample, GroupSample]:
    """Three seeds each, with exactly this spread between them and this rest in the resamples."""
    strays = (
        rest * np.sqrt(400 - 1) * np.linalg.qr(np.random.default_rng(0).normal(size=(400, 7)))[0]
    )
    strays -= strays.mean(axis=0)

    def sample(values: FloatArray, first: int) -> GroupSample:
        return GroupSample(values, values + strays[:, first : first + 3])

    return sample(SHAPE * spread, 0), sample(SHAPE * spread + effect, 3)


@pytest.mark.parametrize("effect", [0.4, 0.8, 1.3])
def test_without_uncertain_examples_the_number_of_seeds_is_statsmodels(effect: float) -> None:
    found = compare_groups(*groups(effect, 1.0), confidence=0.95)
    expected = TTestIndPower().solve_power(effect, alpha=0.05, power=0.8)
    assert found.seeds_needed == math.ceil(expected)


def test_without_uncertain_seeds_the_number_of_examples_is_that_of_single_runs() -> None:
    variance = Variance(examples=0.01**2)
    found = more_examples(0.013, variance, 150, confidence=0.95)
    assert found == examples_needed(0.013, 0.01, 150, confidence=0.95)


def test_so_many_seeds_find_such_a_difference_in_four_of_five_cases() -> None:
    effect, spread, rest, shared = 0.02, 0.02, 0.012, 0.003**2
    pair = groups(effect, spread, rest)
    variance = Variance(shared + 2 * rest**2 / 3, 2 * spread**2 / 3, 2 * rest**2 / 3, 4, 1.25)
    seeds = more_seeds(effect, pair, variance, confidence=0.95)
    assert seeds is not None
    generator = np.random.default_rng(0)
    drawn = generator.normal(0, math.sqrt(shared), 4_000)
    both = generator.normal(0, spread, (2, 4_000, seeds))
    difference = effect + drawn + both[1].mean(axis=1) - both[0].mean(axis=1)
    between = both.var(axis=2, ddof=1).sum(axis=0) / seeds
    hits = 0
    for d, seen in zip(difference, between, strict=True):
        rests = 2 * rest**2 / seeds
        degrees = 2.0 * (seeds - 1)
        then = Variance(shared + rests, seen, rests, degrees, caution(degrees, spreads=2))
        hits += d / math.sqrt(then.total) > stats.t.ppf(0.975, then.total_degrees)
    assert hits / 4_000 == pytest.approx(0.8, abs=0.04)


def test_more_examples_do_not_help_where_seeds_differ_too_much_nor_more_seeds_the_reverse() -> None:
    lost_in_seeds = compare_groups(*groups(0.01, 0.05, 0.01), confidence=0.95, num_examples=150)
    assert lost_in_seeds.examples_needed is None
    assert lost_in_seeds.seeds_needed is not None
    shared = Variance(examples=0.02**2, seeds=1e-6, rest=0.0, degrees=4, caution=1.25)
    assert more_seeds(0.02, groups(0.02, 0.001), shared, confidence=0.95) is None
    assert more_examples(0.02, shared, 150, confidence=0.95) is not None


def test_a_hopelessly_small_difference_needs_more_than_there_are() -> None:
    found = compare_groups(*groups(1e-6, 0.05, 0.01), confidence=0.95, num_examples=150)
    assert (found.examples_needed, found.seeds_needed) == (None, None)


def test_without_the_number_of_examples_none_is_told() -> None:
    pair = groups(0.02, 0.004, 0.02)
    assert compare_groups(*pair, confidence=0.95).examples_needed is None
    assert compare_groups(*pair, confidence=0.95, num_examples=150).examples_needed is not None
