from __future__ import annotations

import numpy as np
import pytest
import torch
from torchmetrics.text import Perplexity

from pipeline.metrics.language_model import token_metrics


def test_perplexity_is_that_of_torchmetrics() -> None:
    chance = torch.Generator().manual_seed(0)
    logits = torch.randn(5, 7, 11, generator=chance)
    labels = torch.randint(11, (5, 7), generator=chance)
    labels[torch.rand(5, 7, generator=chance) < 0.4] = -100
    reference = Perplexity(ignore_index=-100)
    expected = float(reference(logits, labels))

    known = labels != -100
    likely = torch.log_softmax(logits, -1).gather(2, labels.clamp(min=0)[..., None])[..., 0]
    right = (logits.argmax(-1) == labels) & known
    perplexity, accuracy = token_metrics(
        (likely * known).sum(1).double().numpy(), right.sum(1).numpy(), known.sum(1).numpy()
    )
    assert perplexity[0] == pytest.approx(expected, rel=1e-5)
    assert accuracy[0] == pytest.approx(float(right.sum() / known.sum()))


def test_resamples_weigh_rows() -> None:
    sums, right, tokens = np.array([-1.0, -4.0, 0.0]), np.array([1, 0, 0]), np.array([1, 2, 0])
    weights = np.array([[1, 1, 1], [2, 0, 0], [0, 0, 5]])
    perplexity, accuracy = token_metrics(sums, right, tokens, weights)
    assert perplexity[:2] == pytest.approx(np.exp([5 / 3, 1.0]))
    assert accuracy[:2] == pytest.approx([1 / 3, 1.0])
    assert np.isnan(perplexity[2])
    assert np.isnan(accuracy[2])


def test_a_hopeless_model_has_infinite_perplexity() -> None:
    perplexity, _ = token_metrics(np.array([-2000.0]), np.array([0]), np.array([1]))
    assert np.isinf(perplexity[0])
