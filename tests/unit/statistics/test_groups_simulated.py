"""How often the comparison of groups errs, where the truth is known."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.statistics.groups import compare_groups, group_interval
from tests.unit.statistics.simulated_groups import World

SAME = World()
SMALL_SEED = World(seed=(0.1, 0.1))
LARGE_SEED = World(seed=(0.4, 0.4))
OTHER_MISTAKES = World(config=1.0, noise=0.5)
OTHER_AND_SEED = World(config=1.0, noise=0.5, seed=(0.3, 0.3))
REPEATABLE = World(config=1.0, noise=0.05)
UNEQUAL = World(config=0.5, noise=0.5, seed=(0.3, 0.6))
"""The other's seeds differ twice as much."""

SETTINGS = [
    (SAME, 0.7, (2, 2), 150),
    (SAME, 0.97, (5, 5), 150),
    (SMALL_SEED, 0.9, (3, 3), 1_000),
    (LARGE_SEED, 0.7, (2, 2), 150),
    (LARGE_SEED, 0.7, (3, 3), 1_000),
    (LARGE_SEED, 0.9, (10, 10), 150),
    (LARGE_SEED, 0.97, (5, 5), 150),
    (LARGE_SEED, 0.7, (2, 5), 150),
    (LARGE_SEED, 0.9, (10, 3), 150),
    (LARGE_SEED, 0.7, (1, 2), 150),
    (LARGE_SEED, 0.9, (1, 5), 150),
    (OTHER_MISTAKES, 0.9, (3, 3), 150),
    (OTHER_AND_SEED, 0.9, (2, 2), 150),
    (OTHER_AND_SEED, 0.7, (5, 5), 1_000),
    (OTHER_AND_SEED, 0.7, (3, 1), 150),
    (REPEATABLE, 0.7, (5, 5), 150),
    (REPEATABLE, 0.97, (2, 3), 150),
    (UNEQUAL, 0.7, (3, 3), 150),
    (UNEQUAL, 0.9, (5, 10), 150),
]


@pytest.mark.parametrize(("world", "accuracy", "seeds", "num_examples"), SETTINGS)
def test_at_most_six_of_a_hundred_find_what_is_not_there(
    world: World, accuracy: float, seeds: tuple[int, int], num_examples: int
) -> None:
    count = 2_000 if num_examples < 1_000 else 1_000
    pairs = world.pairs((accuracy, accuracy), seeds, num_examples, count, stream=11)
    found = [compare_groups(*pair, confidence=0.95).p_value for pair in pairs]
    assert np.mean([p is None or p < 0.05 for p in found]) <= 0.06


@pytest.mark.parametrize("world", [LARGE_SEED, OTHER_MISTAKES, OTHER_AND_SEED, REPEATABLE])
def test_ninety_five_of_a_hundred_intervals_hold_the_true_difference(world: World) -> None:
    pairs = world.pairs((0.75, 0.8), (5, 5), 150, 2_000, stream=5)
    found = [compare_groups(*pair, confidence=0.95) for pair in pairs]
    held = np.mean([one.low <= 0.05 <= one.high for one in found])
    assert held == pytest.approx(0.95, abs=0.015)


@pytest.mark.parametrize(("seeds", "most"), [((2, 2), 0.995), ((5, 5), 0.99), ((10, 10), 0.98)])
def test_where_seeds_hardly_differ_intervals_are_wider_than_need_be(
    seeds: tuple[int, int], most: float
) -> None:
    """So few seeds cannot say that they do not differ."""
    pairs = SAME.pairs((0.75, 0.8), seeds, 150, 1_000, stream=6)
    found = [compare_groups(*pair, confidence=0.95) for pair in pairs]
    held = np.mean([one.low <= 0.05 <= one.high for one in found])
    assert 0.95 < held <= most


def test_ten_seeds_see_what_counting_the_rest_twice_would_miss() -> None:
    pairs = SAME.pairs((0.85, 0.88), (10, 10), 150, 1_000, stream=7)
    found = [compare_groups(*pair, confidence=0.95) for pair in pairs]
    variances = [(one.variance.examples + one.variance.seeds, one.difference) for one in found]
    naive = np.mean([abs(d) > 1.96 * np.sqrt(v) for v, d in variances])
    ours = np.mean([one.p_value is not None and one.p_value < 0.05 for one in found])
    assert ours > naive + 0.1


@pytest.mark.parametrize("seeds", [2, 3, 5, 10])
@pytest.mark.parametrize(
    ("world", "accuracy"), [(SMALL_SEED, 0.7), (SMALL_SEED, 0.9), (World(seed=(0.3, 0.3)), 0.8)]
)
def test_ninety_five_of_a_hundred_intervals_hold_a_groups_true_mean(
    world: World, accuracy: float, seeds: int
) -> None:
    """Two seeds know their spread so badly that up to 99 do."""
    pairs = world.pairs((accuracy, accuracy), (seeds, 1), 150, 2_000, stream=8)
    found = [group_interval(group, 0.95) for group, _ in pairs]
    held = np.mean([low <= accuracy <= high for low, high in found])
    assert 0.935 <= held <= (0.965 if seeds > 3 else 0.99)


@pytest.mark.parametrize(("accuracy", "least"), [(0.95, 0.92), (0.97, 0.9)])
def test_near_its_limit_a_groups_true_mean_is_held_less_often(
    accuracy: float, least: float
) -> None:
    """Of 150 examples only a few are wrong, so that the spread over examples is hardly known."""
    pairs = SMALL_SEED.pairs((accuracy, accuracy), (5, 1), 150, 2_000, stream=8)
    found = [group_interval(group, 0.95) for group, _ in pairs]
    assert least < np.mean([low <= accuracy <= high for low, high in found]) < 0.965
