"""Logits to probabilities."""

from __future__ import annotations

import numpy as np

from pipeline.tasks.base import FloatArray


def softmax(logits: FloatArray) -> FloatArray:
    """Probabilities over the last axis, in float64; large logits do not overflow."""
    powers: FloatArray = np.exp(
        logits.astype(np.float64) - logits.max(axis=-1, keepdims=True, initial=-np.inf)
    )
    powers /= powers.sum(axis=-1, keepdims=True)
    return powers


def sigmoid(logits: FloatArray) -> FloatArray:
    """Probabilities of each logit for itself, in float64; large logits do not overflow."""
    return 0.5 * (1.0 + np.tanh(0.5 * logits.astype(np.float64)))
