"""Approximate randomisation."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from pipeline.statistics import randomisation
from pipeline.statistics.arrays import BoolArray, FloatArray
from pipeline.statistics.randomisation import approximate_randomisation


class Pair:
    """Two systems that label rows 0 or 1; their F1 of label 1 is compared."""

    def __init__(self, references: BoolArray, first: BoolArray, second: BoolArray) -> None:
        found = first.astype(np.float64), second.astype(np.float64)
        self._wanted = float(references.sum())
        self._counts = [np.stack([one * references, one], axis=1) for one in found]
        self.observed = float(self.swapped(np.zeros((1, len(references)), dtype=np.bool_))[0])

    def swapped(self, exchanges: BoolArray) -> FloatArray:
        first, second = self._counts
        moved = exchanges.astype(np.float64) @ (second - first)
        return self._f1(second.sum(axis=0) - moved) - self._f1(first.sum(axis=0) + moved)

    def _f1(self, counts: FloatArray) -> FloatArray:
        found: FloatArray = 2 * counts[:, 0] / (counts[:, 1] + self._wanted)
        return found


def p_value(pair: Pair, num_rows: int, *, num_samples: int = 1_000, seed: int = 0) -> float:
    return approximate_randomisation(
        pair.swapped, pair.observed, num_rows, num_samples=num_samples, seed=seed
    )


def pair(num_rows: int, accuracy: tuple[float, float], seed: int) -> Pair:
    generator = np.random.default_rng(seed)
    references = generator.random(num_rows) < 0.3
    right = [generator.random(num_rows) < one for one in accuracy]
    return Pair(references, *(references == one for one in right))


def test_of_a_mean_it_is_scipys_permutation_test_of_pairs() -> None:
    generator = np.random.default_rng(3)
    first = generator.normal(0, 1, 12)
    second = first + generator.normal(0.4, 0.7, 12)
    differences = second - first
    exact = stats.permutation_test(
        (second, first),
        lambda a, b, axis: np.mean(a - b, axis=axis),
        permutation_type="samples",
        n_resamples=np.inf,
        vectorized=True,
    ).pvalue
    found = approximate_randomisation(
        lambda exchanges: np.where(exchanges, -differences, differences).mean(axis=1),
        float(differences.mean()),
        12,
        num_samples=40_000,
        seed=0,
    )
    assert 0.01 < exact < 0.2
    assert found == pytest.approx(exact, abs=4 * math.sqrt(exact / 40_000))


def test_where_nothing_differs_it_errs_at_most_at_its_level_on_f1() -> None:
    found = [
        p_value(pair(150, (0.8, 0.8), seed), 150, num_samples=400, seed=seed) < 0.05
        for seed in range(2_000)
    ]
    assert np.mean(found) <= 0.06
    assert np.mean(found) >= 0.035, "nor is it timid"


def test_a_clear_difference_has_the_smallest_p_value_there_is() -> None:
    assert p_value(pair(300, (0.6, 0.95), 0), 300, num_samples=999) == 1 / 1_000


def test_systems_that_predict_the_same_do_not_differ() -> None:
    labels = np.random.default_rng(0).random(50) < 0.5
    same = Pair(labels, ~labels | labels, ~labels | labels)
    assert p_value(same, 50) == 1.0


def test_the_same_seed_gives_the_same_p_value_and_another_seed_nearly_the_same() -> None:
    one = pair(150, (0.8, 0.88), 5)
    assert p_value(one, 150, seed=1) == p_value(one, 150, seed=1)
    assert p_value(one, 150, seed=1) == pytest.approx(p_value(one, 150, seed=2), abs=0.05)
    assert p_value(one, 150, seed=1) != p_value(one, 150, seed=2)


def test_exchanges_are_drawn_in_parts_that_fit_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(randomisation, "CELLS", 150 * 64)
    one = pair(150, (0.8, 0.88), 5)
    shapes = []

    def swapped(exchanges: BoolArray) -> FloatArray:
        shapes.append(exchanges.shape)
        return one.swapped(exchanges)

    found = approximate_randomisation(swapped, one.observed, 150, num_samples=1_000, seed=1)
    assert shapes == [(64, 150)] * 15 + [(40, 150)]
    assert found == pytest.approx(p_value(one, 150, num_samples=4_000), abs=0.05)


def test_an_undefined_metric_is_no_evidence() -> None:
    def never(exchanges: BoolArray) -> FloatArray:
        return np.full(len(exchanges), np.nan)

    assert approximate_randomisation(never, 0.3, 5, num_samples=10, seed=0) == 1.0
    assert math.isnan(approximate_randomisation(never, math.nan, 5, num_samples=10, seed=0))


def test_differences_equal_up_to_rounding_count() -> None:
    def almost(exchanges: BoolArray) -> FloatArray:
        return np.full(len(exchanges), 0.1 + 0.2 - 2e-16)

    assert approximate_randomisation(almost, 0.1 + 0.2, 5, num_samples=99, seed=0) == 1.0
