"""Losses of items that are ranked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from torch import Tensor


def pointwise_losses(
    scores: Tensor, relevance: Tensor, objective: Literal["cross_entropy", "mse"]
) -> Tensor:
    """The loss of each item by itself, `[batch]`; 0 where the relevance is not known.

    Args:
        scores: The model's outputs, `[batch]`.
        relevance: Shares of the largest relevance, NaN where it is not known, `[batch]`. For
            cross-entropy more than 1 counts as 1.
        objective: cross_entropy: binary, with the relevance as the probability that is expected
            (scores are log odds); mse: the squared error.
    """
    from torch.nn import functional

    known = ~relevance.isnan()
    if objective == "mse":
        targets = relevance.where(known, scores.detach())
        return functional.mse_loss(scores, targets, reduction="none")
    targets = relevance.where(known, relevance.new_zeros(())).clamp(max=1.0)
    losses = functional.binary_cross_entropy_with_logits(scores, targets, reduction="none")
    return losses * known


def query_pairs(relevance: Tensor, queries: Tensor) -> Tensor:
    """Which rows are two items of a query, the first more relevant than the second.

    Args:
        relevance: NaN where it is not known, `[batch]`.
        queries: A number for each row, equal for the rows of a query, `[batch]`.

    Returns:
        `[batch, batch]`, bool.
    """
    return (queries[:, None] == queries[None, :]) & (relevance[:, None] > relevance[None, :])
