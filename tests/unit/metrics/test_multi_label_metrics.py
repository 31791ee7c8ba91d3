from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pipeline.metrics.multi_label import multi_label_metrics, row_f1
from pipeline.metrics.thresholds import best_threshold, best_thresholds

NAMES = ("a", "b", "c", "none")


def made(seed: int, rows: int = 60) -> tuple[Any, Any, Any]:
    """References, decisions and scores; no row has the last label, and some scores are equal."""
    generator = np.random.default_rng(seed)
    wanted = generator.random((rows, 4)) < [0.3, 0.6, 0.1, 0.0]
    scores = np.clip(generator.normal(0.3 + 0.3 * wanted, 0.2).round(2), 0.01, 0.99)
    return wanted, scores >= 0.5, scores


def test_values_are_those_of_scikit_learn() -> None:
    from sklearn import metrics

    for seed in range(5):
        wanted, given, scores = made(seed)
        found = multi_label_metrics(wanted, given, scores, NAMES)
        some = slice(0, 3)
        expected = {
            "f1_micro": metrics.f1_score(wanted, given, average="micro"),
            "precision_micro": metrics.precision_score(wanted, given, average="micro"),
            "recall_micro": metrics.recall_score(wanted, given, average="micro"),
            "f1_samples": metrics.f1_score(wanted, given, average="samples", zero_division=1),
            "subset_accuracy": metrics.accuracy_score(wanted, given),
            "mean_average_precision": metrics.average_precision_score(
                wanted[:, some], scores[:, some]
            ),
            "log_loss": np.mean(
                [metrics.log_loss(wanted[:, i], scores[:, i], labels=[0, 1]) for i in range(4)]
            ),
        }
        by_label = metrics.f1_score(wanted, given, average=None, zero_division=np.nan)
        expected |= {f"f1/{name}": value for name, value in zip(NAMES, by_label, strict=True)}
        expected["f1_macro"] = np.nanmean(by_label)
        for name, value in expected.items():
            assert found[name][0] == pytest.approx(value, nan_ok=True), name


def test_weights_are_repeated_rows() -> None:
    wanted, given, scores = made(0)
    weights = np.random.default_rng(1).multinomial(60, [1 / 60] * 60, size=8)
    together = multi_label_metrics(wanted, given, scores, NAMES, weights)
    for sample, row in enumerate(weights):
        places = np.repeat(np.arange(60), row)
        alone = multi_label_metrics(wanted[places], given[places], scores[places], NAMES)
        for name, values in alone.items():
            np.testing.assert_allclose(together[name][sample], values[0], err_msg=name)


def test_what_is_undefined_is_not_zero() -> None:
    nothing = np.zeros((3, 2), bool)
    found = multi_label_metrics(nothing, nothing, np.full((3, 2), 0.2), ("a", "b"))
    for name in ("f1_micro", "precision_micro", "recall_micro", "f1_macro", "f1/a"):
        assert np.isnan(found[name][0]), name
    assert np.isnan(found["mean_average_precision"][0])
    assert found["subset_accuracy"][0] == found["f1_samples"][0] == 1.0
    assert found["log_loss"][0] == pytest.approx(-np.log(0.8))


def test_a_certain_mistake_has_a_finite_loss() -> None:
    found = multi_label_metrics(np.array([[True]]), np.array([[False]]), np.array([[0.0]]), ("a",))
    assert 30 < found["log_loss"][0] < 40


def test_an_empty_set_that_is_expected_is_right() -> None:
    wanted = np.array([[0, 0], [0, 0], [1, 1], [1, 0]], bool)
    given = np.array([[0, 0], [1, 0], [1, 0], [0, 1]], bool)
    assert row_f1(wanted, given).tolist() == [1.0, 0.0, pytest.approx(2 / 3), 0.0]


def f1_at(threshold: float, scores: Any, wanted: Any) -> float:
    given = scores >= threshold
    return float(2 * (given & wanted).sum() / max(given.sum() + wanted.sum(), 1))


def test_no_threshold_has_a_higher_f1() -> None:
    for seed in range(20):
        generator = np.random.default_rng(seed)
        wanted = generator.random(30) < 0.3
        wanted[0] = True
        scores = generator.normal(0.3 + 0.2 * wanted, 0.2).clip(0, 1).round(1 + seed % 3)
        found = best_threshold(scores, wanted)
        best = max(f1_at(threshold, scores, wanted) for threshold in [*scores, 0.0])
        assert f1_at(found, scores, wanted) == pytest.approx(best)


def test_a_threshold_lies_between_scores() -> None:
    scores, wanted = np.array([0.2, 0.4, 0.8]), np.array([False, True, True])
    assert best_threshold(scores, wanted) == pytest.approx(0.3)
    assert best_threshold(scores, np.ones(3, bool)) == pytest.approx(0.1)


def test_of_equally_good_thresholds_the_one_nearest_to_one_half_is_taken() -> None:
    scores = np.array([0.95, 0.55, 0.45, 0.1])
    wanted = np.array([True, False, False, True])
    assert f1_at(0.75, scores, wanted) == f1_at(0.05, scores, wanted) == pytest.approx(2 / 3)
    assert best_threshold(scores, wanted) == pytest.approx(0.75)


def test_labels_that_few_rows_have_take_the_shared_threshold() -> None:
    scores = np.array([[0.3, 0.9, 0.35]] * 6 + [[0.1, 0.8, 0.2]] * 6)
    wanted = np.array([[1, 1, 0]] * 6 + [[0, 0, 0]] * 6, bool)
    wanted[0, 2] = True
    shared = best_threshold(scores.ravel(), wanted.ravel())
    first, second, third = best_thresholds(scores, wanted)
    assert first == third == shared, "as good as its own"
    assert second == pytest.approx(0.85)


def test_a_threshold_that_is_hardly_better_is_chance() -> None:
    generator = np.random.default_rng(0)
    for rows, own in ((40, False), (4_000, True)):
        wanted = generator.random((rows, 2)) < 0.4
        scores = np.clip(generator.normal(0.3 + 0.4 * wanted, 0.15), 0, 1)
        scores[:, 1] = np.clip(scores[:, 1] + 0.08, 0, 1)
        first, second = best_thresholds(scores, wanted)
        assert (first != second) == own


def test_without_any_positive_row_thresholds_are_one_half() -> None:
    assert best_thresholds(np.full((4, 2), 0.2), np.zeros((4, 2), bool)).tolist() == [0.5, 0.5]
    assert best_thresholds(np.zeros((0, 2)), np.zeros((0, 2), bool)).tolist() == [0.5, 0.5]
