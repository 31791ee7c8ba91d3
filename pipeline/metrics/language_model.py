"""Metrics of models that predict tokens, from sums over the tokens of each row."""

from __future__ import annotations

import numpy as np

from pipeline.metrics.weighting import (
    FloatArray,
    IntArray,
    ratio,
    row_weights,
    weighted_sums,
)


def token_metrics(
    log_likelihoods: FloatArray,
    num_right: IntArray,
    num_tokens: IntArray,
    weights: IntArray | None = None,
) -> tuple[FloatArray, FloatArray]:
    """Perplexity, and the share of tokens that the likeliest prediction gets right.

    Perplexity is exp of the mean negative log-likelihood of a token (Jelinek and others, 1977):
    the number of equally likely tokens that would be as hard to guess. Every token counts the
    same, so long rows count more than short ones.

    Args:
        log_likelihoods: Sums over each row's predicted tokens, in nats, `[rows]`.
        num_right: How many of them are the likeliest, `[rows]`.
        num_tokens: How many tokens each row has to predict, `[rows]`.
        weights: How often each row counts, `[samples, rows]`; by default each counts once.

    Returns:
        Perplexity and accuracy, `[samples]` each; NaN where nothing was to be predicted. A
        perplexity too large for a float is infinite.
    """
    counts = row_weights(weights, len(num_tokens))
    sums = weighted_sums(counts, np.stack([log_likelihoods, num_right, num_tokens], axis=-1))
    with np.errstate(over="ignore"):
        perplexity = np.exp(-ratio(sums[:, 0], sums[:, 2]))
    return perplexity, ratio(sums[:, 1], sums[:, 2])
