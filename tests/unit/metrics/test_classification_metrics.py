from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn import metrics as sk

from pipeline.metrics.classification import (
    calibration_bins,
    classification_metrics,
    expected_calibration_error,
)
from pipeline.metrics.ranking import ranking_metrics
from pipeline.metrics.weighting import CHUNK_CELLS, grouped_sums, weighted_sums

NAMES = ("a", "b", "c")


def examples(num_labels: int, num_rows: int = 60, *, seed: int = 0) -> tuple[Any, Any, Any]:
    """Right labels, predicted labels and probabilities with many ties."""
    generator = np.random.default_rng(seed)
    references = generator.integers(0, num_labels, num_rows)
    scores = generator.integers(1, 4, (num_rows, num_labels)).astype(float)
    scores[np.arange(num_rows), references] += generator.integers(0, 3, num_rows)
    scores /= scores.sum(axis=1, keepdims=True)
    return references, scores.argmax(axis=1), scores


def by_scikit_learn(references: Any, predicted: Any, scores: Any) -> dict[str, float]:
    num_labels = scores.shape[1]
    labels = range(num_labels)
    if num_labels == 2:
        roc_auc = sk.roc_auc_score(references, scores[:, 1])
        average_precision = sk.average_precision_score(references, scores[:, 1])
    else:
        one_hot = np.eye(num_labels)[references]
        roc_auc = sk.roc_auc_score(references, scores, multi_class="ovr", average="macro")
        average_precision = sk.average_precision_score(one_hot, scores, average="macro")
    precision, recall, f1, _ = sk.precision_recall_fscore_support(
        references, predicted, labels=labels, zero_division=np.nan
    )
    found = {
        "accuracy": sk.accuracy_score(references, predicted),
        "f1_macro": sk.f1_score(references, predicted, average="macro"),
        "f1_micro": sk.f1_score(references, predicted, average="micro"),
        "f1_weighted": sk.f1_score(references, predicted, average="weighted"),
        "mcc": sk.matthews_corrcoef(references, predicted),
        "roc_auc": roc_auc,
        "average_precision": average_precision,
        "log_loss": sk.log_loss(references, scores, labels=labels),
    }
    for label in labels:
        found[f"precision/{NAMES[label]}"] = precision[label]
        found[f"recall/{NAMES[label]}"] = recall[label]
        found[f"f1/{NAMES[label]}"] = f1[label]
    return found


@pytest.mark.parametrize("num_labels", [2, 3])
def test_values_equal_those_of_scikit_learn(num_labels: int) -> None:
    references, predicted, scores = examples(num_labels)
    expected = by_scikit_learn(references, predicted, scores)

    found = classification_metrics(references, predicted, scores, NAMES[:num_labels])

    assert set(found) == {*expected, "expected_calibration_error"}
    for name, value in expected.items():
        assert found[name].shape == (1,)
        assert found[name][0] == pytest.approx(value, abs=1e-12), name


@pytest.mark.parametrize("num_labels", [2, 3])
def test_a_weight_counts_as_that_many_equal_rows(num_labels: int) -> None:
    references, predicted, scores = examples(num_labels)
    weights = np.random.default_rng(1).multinomial(60, np.full(60, 1 / 60), size=5)

    found = classification_metrics(references, predicted, scores, NAMES[:num_labels], weights)

    for sample, row in enumerate(weights):
        rows = np.repeat(np.arange(60), row)
        expected = by_scikit_learn(references[rows], predicted[rows], scores[rows])
        for name, value in expected.items():
            assert found[name][sample] == pytest.approx(value, abs=1e-12), name
        alone = classification_metrics(
            references[rows], predicted[rows], scores[rows], NAMES[:num_labels]
        )
        for name, values in alone.items():
            assert found[name][sample] == pytest.approx(values[0], abs=1e-12), name


def test_chunks_of_samples_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    references, predicted, scores = examples(3)
    weights = np.random.default_rng(1).multinomial(60, np.full(60, 1 / 60), size=50)
    whole = classification_metrics(references, predicted, scores, NAMES, weights)
    monkeypatch.setattr("pipeline.metrics.weighting.CHUNK_CELLS", 130)
    parts = classification_metrics(references, predicted, scores, NAMES, weights)
    assert weights.size < CHUNK_CELLS
    for name, values in whole.items():
        np.testing.assert_allclose(parts[name], values, rtol=1e-12, err_msg=name)


def test_what_is_undefined_is_nan_and_left_out_of_averages() -> None:
    references = np.array([0, 0, 1])
    predicted = np.array([0, 0, 0])
    scores = np.array([[0.8, 0.1, 0.1], [0.6, 0.2, 0.2], [0.5, 0.4, 0.1]])

    found = {
        name: values[0]
        for name, values in classification_metrics(references, predicted, scores, NAMES).items()
    }

    assert np.isnan(found["precision/b"])
    assert found["recall/b"] == 0
    assert found["f1/b"] == 0
    assert np.isnan(found["recall/c"])
    assert np.isnan(found["f1/c"])
    assert found["f1_macro"] == pytest.approx((0.8 + 0.0) / 2)
    assert found["f1_weighted"] == pytest.approx((2 * 0.8 + 1 * 0.0) / 3)
    assert np.isnan(found["mcc"])
    assert found["roc_auc"] == 1.0


def test_a_sample_without_rows_is_undefined_throughout() -> None:
    references, predicted, scores = examples(2)
    found = classification_metrics(
        references, predicted, scores, NAMES[:2], np.zeros((2, 60), np.int64)
    )
    for name, values in found.items():
        assert np.isnan(values).all(), name


def test_no_rows_are_undefined_throughout() -> None:
    nothing = np.empty(0, np.int64)
    found = classification_metrics(nothing, nothing, np.empty((0, 3)), NAMES)
    for name, values in found.items():
        assert np.isnan(values).all(), name


def test_weights_of_another_shape_are_refused() -> None:
    references, predicted, scores = examples(2)
    with pytest.raises(ValueError, match=r"\[samples, 60\]"):
        classification_metrics(references, predicted, scores, NAMES[:2], np.ones((3, 59), np.int64))


def test_calibration_error_of_a_hand_computed_example() -> None:
    confidence = np.array([0.55, 0.58, 0.95, 0.91, 1.0])
    hits = np.array([True, False, True, True, False])
    # Bin 5: accuracy 0.5, confidence 0.565. Bin 9: accuracy 2/3, confidence 2.86/3.
    expected = (2 * abs(0.5 - 0.565) + 3 * abs(2 / 3 - 2.86 / 3)) / 5
    assert expected_calibration_error(hits, confidence, num_bins=10)[0] == pytest.approx(expected)


def test_calibration_bins_hold_their_lower_edge_and_the_last_one_also_1() -> None:
    assert calibration_bins(np.array([0.0, 0.49, 0.5, 0.99, 1.0]), 2).tolist() == [0, 0, 1, 1, 1]


def test_wrong_and_certain_costs_a_finite_log_loss() -> None:
    scores = np.array([[1.0, 0.0], [1.0, 0.0]])
    found = classification_metrics(np.array([0, 1]), np.array([0, 0]), scores, NAMES[:2])
    assert found["log_loss"][0] == pytest.approx(sk.log_loss([0, 1], scores))


def test_all_scores_equal_rank_at_random() -> None:
    positive = np.array([True, False, False, True])
    area, precision = ranking_metrics(np.full(4, 0.5), positive)
    assert area[0] == 0.5
    assert precision[0] == 0.5


@pytest.mark.parametrize("positive", [[True, True], [False, False]])
def test_one_class_alone_has_no_roc(positive: list[bool]) -> None:
    area, precision = ranking_metrics(np.array([0.1, 0.2]), np.array(positive))
    assert np.isnan(area[0])
    assert np.isnan(precision[0]) == (not positive[0])


def test_rows_of_no_group_and_groups_of_no_row_are_zero() -> None:
    weights = np.array([[1, 2, 3], [0, 1, 0]])
    sums = grouped_sums(weights, np.array([2, -1, 2]), 4, np.array([1.0, 10.0, 0.5]))
    assert sums.tolist() == [[0, 0, 2.5, 0], [0, 0, 0, 0]]


def test_sums_keep_the_shape_of_values() -> None:
    weights = np.array([[1, 2], [0, 1]])
    values = np.arange(8).reshape(2, 2, 2)
    expected = [(values[0] + 2 * values[1]).tolist(), values[1].tolist()]
    assert weighted_sums(weights, values).tolist() == expected
    assert weighted_sums(weights, np.array([True, True])).tolist() == [3, 1]
