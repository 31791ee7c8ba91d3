from __future__ import annotations

from collections.abc import Mapping
from statistics import NormalDist

import numpy as np
import pytest

from pipeline.evaluation.bootstrap import (
    Interval,
    Measure,
    differences,
    intervals,
    resample,
    weights_in_chunks,
)
from pipeline.tasks.base import FloatArray, IntArray


def mean_of(values: FloatArray) -> Measure:
    def measure(weights: IntArray | None) -> Mapping[str, FloatArray]:
        if weights is None:
            return {"mean": np.array([values.mean()])}
        return {"mean": weights @ values / weights.sum(axis=1)}

    return measure


def interval(values: FloatArray, *, seed: int = 0, samples: int = 2_000) -> Interval:
    resamples = resample(mean_of(values), len(values), num_samples=samples, seed=seed)
    return intervals({"mean": float(values.mean())}, resamples, 0.95)["mean"]


def test_each_resample_draws_as_many_rows_as_there_are() -> None:
    weights = np.concatenate(list(weights_in_chunks(13, 500, seed=1)))
    assert weights.shape == (500, 13)
    assert (weights.sum(axis=1) == 13).all()
    assert weights.min() == 0
    assert weights.mean(axis=0) == pytest.approx(np.ones(13), abs=0.2)
    assert weights.var() == pytest.approx(12 / 13, rel=0.1), "as multinomial counts vary"


@pytest.mark.parametrize("cells", [1, 20, 13 * 7])
def test_the_draws_do_not_depend_on_how_they_are_cut(cells: int) -> None:
    whole = np.concatenate(list(weights_in_chunks(13, 50, seed=3)))
    chunks = list(weights_in_chunks(13, 50, seed=3, cells=cells))
    assert len(chunks) == -(-50 // max(1, cells // 13))
    assert np.array_equal(np.concatenate(chunks), whole)


def test_rows_of_a_unit_are_drawn_together() -> None:
    units = np.array([2, 0, 1, 0, 2, 2, 3])
    weights = np.concatenate(list(weights_in_chunks(7, 500, seed=1, units=units)))
    assert np.array_equal(weights[:, [1, 0, 0]], weights[:, [3, 4, 5]])
    of_units = weights[:, [1, 2, 0, 6]]
    assert (of_units.sum(axis=1) == 4).all()
    assert of_units.mean(axis=0) == pytest.approx(np.ones(4), abs=0.2)
    cut = list(weights_in_chunks(7, 500, seed=1, units=units, cells=21))
    assert len(cut) > 1
    assert np.array_equal(np.concatenate(cut), weights)


def test_the_interval_of_equal_rows_is_that_of_their_units() -> None:
    values = np.random.default_rng(0).random(40)
    units = np.repeat(np.arange(40), 5)
    resamples = resample(mean_of(values[units]), 200, num_samples=2_000, seed=0, units=units)
    found = intervals({"mean": float(values.mean())}, resamples, 0.95)["mean"]
    assert found.as_json() == pytest.approx(interval(values).as_json())


def test_the_same_seed_gives_the_same_interval_and_another_seed_another() -> None:
    values = np.random.default_rng(0).random(40)
    assert interval(values) == interval(values)
    assert interval(values) != interval(values, seed=1)


def test_the_interval_of_a_mean_is_that_of_the_normal_distribution() -> None:
    values = np.random.default_rng(0).normal(5.0, 2.0, 400)
    found = interval(values, samples=20_000)
    reach = 1.96 * values.std() / np.sqrt(400)
    assert found.value == pytest.approx(values.mean(), abs=1e-6)
    assert found.low == pytest.approx(values.mean() - reach, abs=0.01)
    assert found.high == pytest.approx(values.mean() + reach, abs=0.01)


def test_ninety_five_of_a_hundred_intervals_hold_the_true_accuracy() -> None:
    generator = np.random.default_rng(0)
    held = 0
    for seed in range(300):
        hits = (generator.random(150) < 0.9).astype(np.float64)
        found = interval(hits, seed=seed, samples=500)
        held += found.low <= 0.9 <= found.high
    assert 0.92 <= held / 300 <= 0.98


def test_without_bias_the_bounds_are_the_plain_percentiles() -> None:
    resamples = np.arange(1_001) / 1_000
    found = intervals({"x": 0.5}, {"x": resamples}, 0.9)["x"]
    assert (found.low, found.high) == pytest.approx((0.05, 0.95), abs=1e-6)


def test_resamples_above_the_value_move_the_bounds_down() -> None:
    """By hand: 45 of 100 are below, so z = -0.12566 and the levels are Φ(2z ± 1.96)."""
    resamples = np.arange(10_001) / 10_000
    found = intervals({"x": 0.45}, {"x": resamples}, 0.95)["x"]
    normal = NormalDist()
    assert found.low == pytest.approx(normal.cdf(2 * -0.12566 - 1.95996), abs=2e-4)
    assert found.high == pytest.approx(normal.cdf(2 * -0.12566 + 1.95996), abs=2e-4)


@pytest.mark.parametrize(("shift", "floor"), [(0.0, 0.0), (-1.0, -np.inf)])
def test_a_large_bias_moves_the_bounds_and_leaves_their_width(shift: float, floor: float) -> None:
    """All resamples are above the value, as they are of a calibration error."""
    resamples = 0.3 + shift + np.arange(10_001) / 10_000
    found = intervals({"x": 0.25 + shift}, {"x": resamples}, 0.9)["x"]
    bias = 0.8 - 0.25
    assert found.low == pytest.approx(max(0.35 + shift - 2 * bias, floor))
    assert found.high == pytest.approx(1.25 + shift - 2 * bias)


def test_resamples_in_which_a_metric_is_undefined_do_not_count() -> None:
    some = np.concatenate([np.full(1_000, np.nan), np.arange(1_001) / 1_000])
    found = intervals(
        {"some": 0.5, "none": 1.0, "undefined": float("nan")},
        {"some": some, "none": np.full(5, np.nan), "undefined": np.ones(5)},
        0.95,
    )
    assert found.keys() == {"some"}
    assert found["some"].low == pytest.approx(0.025, abs=1e-3)


@pytest.mark.parametrize("count", [1, 2, 30])
def test_rows_that_all_agree_give_an_interval_of_no_width(count: int) -> None:
    assert interval(np.ones(count)) == Interval(1.0, 1.0, 1.0)


def test_two_rows_have_the_three_means_that_can_be_drawn() -> None:
    assert interval(np.array([0.0, 1.0])) == Interval(0.5, 0.0, 1.0)


def test_models_that_err_on_the_same_rows_differ_with_certainty() -> None:
    """Paired: where one is right whenever the other is, no resample turns the order around."""
    worse = np.array([1.0] * 60 + [0.0] * 40)
    better = np.array([1.0] * 70 + [0.0] * 30)
    values = [{"mean": float(one.mean())} for one in (better, worse)]
    drawn = [resample(mean_of(one), 100, num_samples=2_000, seed=0) for one in (better, worse)]
    found = differences((values[0], values[1]), (drawn[0], drawn[1]), 0.95)["mean"]
    assert found.value == pytest.approx(0.1)
    assert 0.03 < found.low < 0.07
    unpaired = resample(mean_of(worse), 100, num_samples=2_000, seed=1)
    wide = differences((values[0], values[1]), (drawn[0], unpaired), 0.95)["mean"]
    assert wide.low < 0, "unpaired, the same difference is not certain"


def test_metrics_that_one_model_lacks_are_not_compared() -> None:
    drawn = {"f1": np.zeros(3), "auc": np.zeros(3)}
    found = differences(({"f1": 1.0, "auc": 1.0}, {"f1": 1.0}), (drawn, {"f1": np.zeros(3)}), 0.9)
    assert found.keys() == {"f1"}
