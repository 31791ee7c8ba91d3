"""Cross-entropy of predicted tokens, some of which are not asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pipeline.tasks.base import IGNORE_INDEX, FloatArray, IntArray

if TYPE_CHECKING:
    from torch import Tensor


def token_losses(logits: Tensor, labels: Tensor) -> Tensor:
    """The cross-entropy of each token, `[batch, length]`, float32; 0 where the label is ignored.

    Args:
        logits: `[batch, length, vocabulary]`, of any precision.
        labels: `[batch, length]`, ids or `IGNORE_INDEX`.
    """
    from torch.nn import functional

    losses = functional.cross_entropy(
        logits.flatten(0, 1).float(),
        labels.flatten(),
        ignore_index=IGNORE_INDEX,
        reduction="none",
    )
    return losses.view(labels.shape)


def mean_over_tokens(losses: Tensor, labels: Tensor) -> Tensor:
    """The mean over all tokens that are not ignored, a scalar; 0 where there is none."""
    return losses.sum() / (labels != IGNORE_INDEX).sum().clamp(min=1)


def mean_of_rows(losses: Tensor, labels: Tensor) -> Tensor:
    """The mean of each row's tokens that are not ignored, `[batch]`; 0 where there is none."""
    return losses.sum(dim=1) / (labels != IGNORE_INDEX).sum(dim=1).clamp(min=1)


def log_likelihoods(logits: FloatArray, labels: IntArray) -> FloatArray:
    """Sums over each row of its tokens' log-probabilities, in nats, `[rows]`.

    Only the logits of tokens that are not ignored are worked on.

    Args:
        logits: `[rows, length, vocabulary]`.
        labels: `[rows, length]`, ids or `IGNORE_INDEX`.
    """
    rows, places = np.nonzero(labels != IGNORE_INDEX)
    chosen = logits[rows, places]
    highest = chosen.max(axis=-1, initial=-np.inf, keepdims=True)
    total = highest[:, 0] + np.log(np.exp(chosen - highest).sum(axis=-1))
    found = chosen[np.arange(len(rows)), labels[rows, places]] - total
    return np.bincount(rows, found, minlength=len(labels)).astype(np.float64)
