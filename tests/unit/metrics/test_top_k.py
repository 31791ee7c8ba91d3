from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import top_k_accuracy_score

from pipeline.metrics.top_k import top_k_accuracy


@pytest.mark.parametrize("k", [1, 2, 3])
def test_it_is_what_scikit_learn_computes(k: int) -> None:
    generator = np.random.default_rng(0)
    scores = generator.random((50, 5))
    labels = generator.integers(0, 5, 50)
    expected = top_k_accuracy_score(labels, scores, k=k, labels=np.arange(5))
    assert top_k_accuracy(labels, scores, k)[0] == pytest.approx(expected)
    weights = generator.integers(0, 3, (4, 50))
    for found, counts in zip(top_k_accuracy(labels, scores, k, weights), weights, strict=True):
        expected = top_k_accuracy_score(
            labels, scores, k=k, labels=np.arange(5), sample_weight=counts
        )
        assert found == pytest.approx(expected)


def test_of_equal_scores_the_lower_id_comes_first() -> None:
    scores = np.array([[0.2, 0.4, 0.4], [0.2, 0.4, 0.4]])
    assert top_k_accuracy(np.array([1, 2]), scores, 1).tolist() == [0.5]


def test_it_is_undefined_where_any_prediction_hits_or_there_are_no_rows() -> None:
    assert np.isnan(top_k_accuracy(np.array([0]), np.array([[0.4, 0.6]]), 2)).all()
    assert np.isnan(top_k_accuracy(np.zeros(0, np.int64), np.zeros((0, 3)), 2)).all()
