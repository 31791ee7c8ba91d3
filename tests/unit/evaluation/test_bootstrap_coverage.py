"""How often bootstrap intervals hold the truth, where it is known."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from scipy import special, stats

from pipeline.evaluation.bootstrap import differences, intervals, weights_in_chunks
from pipeline.metrics.classification import (
    averages,
    expected_calibration_error,
    label_counts,
    log_losses,
)
from pipeline.tasks.base import FloatArray, IntArray

SAMPLES = 1_000
SIMULATIONS = 2_000


def weights(num_rows: int, samples: int = SAMPLES) -> IntArray:
    """The same resamples for all simulations: the rows are drawn anew."""
    return np.concatenate(list(weights_in_chunks(num_rows, samples, seed=0)))


@pytest.mark.parametrize("num_rows", [150, 400])
@pytest.mark.parametrize("accuracy", [0.7, 0.8, 0.9, 0.95, 0.97])
def test_ninety_five_of_a_hundred_intervals_hold_the_true_accuracy(
    num_rows: int, accuracy: float
) -> None:
    """Not simulated: every number of hits has its interval and its chance.

    The chance jumps with the accuracy by which a bound moves past a number of hits, so it is a mean
    over accuracies that give about one hit more or less.
    """
    hits = np.arange(num_rows + 1)
    resampled = np.cumsum(weights(num_rows, 4_000), axis=1) / num_rows
    bounds = [(0.0, 0.0)] + [
        (found.low, found.high)
        for count in hits[1:]
        for found in intervals(
            {"accuracy": count / num_rows}, {"accuracy": resampled[:, count - 1]}, 0.95
        ).values()
    ]
    low, high = np.array(bounds).T
    held = [
        stats.binom.pmf(hits, num_rows, truth)[(low <= truth) & (truth <= high)].sum()
        for truth in np.linspace(accuracy - 1 / num_rows, accuracy + 1 / num_rows, 40)
    ]
    assert np.mean(held) == pytest.approx(0.95, abs=0.0151)


def test_near_one_few_rows_hold_the_true_accuracy_less_often() -> None:
    """In one of five test sets of 150 rows all are right: an interval of no width, and wrong."""
    generator = np.random.default_rng(0)
    drawn = weights(150)
    held = 0
    for _ in range(500):
        right = (generator.random(150) < 0.99).astype(np.float64)
        found = intervals({"x": float(right.mean())}, {"x": drawn @ right / 150}, 0.95)["x"]
        held += found.low <= 0.99 <= found.high
    assert 0.7 < held / 500 < 0.9


@pytest.mark.parametrize("num_rows", [150, 1_000])
@pytest.mark.parametrize(("only_a", "only_b"), [(0.1, 0.1), (0.05, 0.12), (0.03, 0.03)])
def test_ninety_five_of_a_hundred_intervals_hold_the_true_paired_difference(
    num_rows: int, only_a: float, only_b: float
) -> None:
    generator = np.random.default_rng(3)
    drawn = weights(num_rows).astype(np.float32)
    held = 0
    for _ in range(4):
        uniform = generator.random((num_rows, SIMULATIONS // 4))
        first = ((uniform < 0.8) | (uniform > 1 - only_a)).astype(np.float32)
        second = (uniform < 0.8 + only_b).astype(np.float32)
        values = first.mean(axis=0, dtype=np.float64), second.mean(axis=0, dtype=np.float64)
        resamples = [(drawn @ one).astype(np.float64) / num_rows for one in (first, second)]
        for place in range(SIMULATIONS // 4):
            found = differences(
                ({"x": float(values[0][place])}, {"x": float(values[1][place])}),
                ({"x": resamples[0][:, place]}, {"x": resamples[1][:, place]}),
                0.95,
            )["x"]
            held += found.low - 1e-9 <= only_a - only_b <= found.high + 1e-9
    assert held / SIMULATIONS == pytest.approx(0.95, abs=0.015)


class Texts:
    """Three classes, of which a model is more or less sure."""

    def __init__(self, seed: int) -> None:
        self._generator = np.random.default_rng(seed)

    def draw(self, num_rows: int) -> tuple[IntArray, FloatArray]:
        references = self._generator.choice(3, num_rows, p=[0.5, 0.3, 0.2])
        logits = 2 * np.eye(3)[references] + self._generator.normal(0, 1, (num_rows, 3))
        return references, special.softmax(1.3 * logits, axis=1)


@pytest.mark.parametrize(("num_rows", "least"), [(150, 0.8), (500, 0.85)])
def test_most_intervals_hold_the_true_calibration_error(num_rows: int, least: float) -> None:
    """A model that is too sure of itself; its error of few rows is too high by half."""
    generator = np.random.default_rng(0)

    def draw(count: int) -> tuple[npt.NDArray[np.bool_], FloatArray]:
        sure = 0.4 + 0.6 * generator.beta(6, 2, count)
        return generator.random(count) < special.expit(special.logit(sure) / 1.15), sure

    truth = expected_calibration_error(*draw(1_000_000))[0]
    drawn = weights(num_rows, 400)
    held = 0
    for _ in range(200):
        rows = draw(num_rows)
        value = float(expected_calibration_error(*rows)[0])
        found = intervals({"x": value}, {"x": expected_calibration_error(*rows, drawn)}, 0.95)["x"]
        assert found.low < found.high
        held += found.low <= truth <= found.high
    assert held / 200 >= least


def metrics(references: IntArray, scores: FloatArray, drawn: IntArray) -> dict[str, FloatArray]:
    counts = label_counts(references, scores.argmax(axis=1), 3, drawn)
    total = drawn.sum(axis=1).astype(np.float64)
    found = averages(*counts, total)
    return {**found, "log_loss": drawn @ log_losses(references, scores) / total}


def test_ninety_five_of_a_hundred_intervals_hold_true_averages_over_classes() -> None:
    texts = Texts(1)
    truth = metrics(*texts.draw(500_000), np.ones((1, 500_000), dtype=np.int64))
    drawn, once = weights(150, 600), np.ones((1, 150), dtype=np.int64)
    held = dict.fromkeys(truth, 0)
    for _ in range(1_000):
        rows = texts.draw(150)
        values = {name: float(one[0]) for name, one in metrics(*rows, once).items()}
        for name, found in intervals(values, metrics(*rows, drawn), 0.95).items():
            held[name] += found.low <= truth[name][0] <= found.high
    assert {name: count / 1_000 for name, count in held.items()} == pytest.approx(
        dict.fromkeys(truth, 0.95), abs=0.015
    )
