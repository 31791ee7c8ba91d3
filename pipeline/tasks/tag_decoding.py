"""Which tags a text has, of each token's probabilities and of what tags follow each other."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from pipeline.tasks.base import FloatArray, IntArray
from pipeline.tasks.columns import list_values

_SMOOTHING = 0.1
"""Added to how often each pair of tags occurs; what never occurs is unlikely, not impossible."""


def learn_transitions(labels: pa.ChunkedArray | pa.Array, num_tags: int) -> FloatArray:
    """How much likelier each tag is behind another than anywhere.

    Args:
        labels: Tags of each row's tokens, negative ones left out, `[rows]` lists.
        num_tags: Number of tags.

    Returns:
        `[num_tags + 1, num_tags]`: the logarithm of P(tag behind this one) / P(tag); the last line
        is for a text's first tag.
    """
    values, lengths = list_values(labels)
    row = np.repeat(np.arange(len(lengths)), lengths)[values >= 0]
    tags = values[values >= 0].astype(np.int64)
    before = np.append(num_tags, tags[:-1])
    before[1:][row[1:] != row[:-1]] = num_tags
    pairs = np.full((num_tags + 1, num_tags), _SMOOTHING)
    np.add.at(pairs, (before[: len(tags)], tags), 1.0)
    anywhere = pairs.sum(axis=0)
    following = pairs / pairs.sum(axis=1, keepdims=True)
    gains: FloatArray = np.log(following) - np.log(anywhere / anywhere.sum())
    return gains


def likeliest_tags(log_probabilities: FloatArray, lengths: IntArray, gains: FloatArray) -> IntArray:
    """The likeliest sequence of tags of each row (Viterbi, 1967).

    A model gives P(tag | text) of each token for itself. By Bayes' rule that is, but for a factor,
    P(text | tag) P(tag); with tags that depend on the one before, P(tag) becomes
    P(tag | tag before), which is what the gains add (hybrid models of Bourlard and Morgan, 1994).

    Args:
        log_probabilities: Of all rows' tokens after each other, `[tokens, tags]`.
        lengths: Tokens of each row, `[rows]`.
        gains: From `learn_transitions`, weighted as much as they shall count.

    Returns:
        `[tokens]`.
    """
    longest = int(lengths.max(initial=0))
    num_tags = log_probabilities.shape[1]
    real = np.arange(longest) < lengths[:, np.newaxis]
    padded = np.zeros((*real.shape, num_tags))
    padded[real] = log_probabilities
    came_from = np.zeros((*real.shape, num_tags), np.int64)
    stay = np.arange(num_tags)
    best = padded[:, 0] + gains[-1] if longest else np.zeros((len(lengths), num_tags))
    for place in range(1, longest):
        reached = best[:, :, np.newaxis] + gains[:-1]
        going = real[:, place, np.newaxis]
        came_from[:, place] = np.where(going, reached.argmax(axis=1), stay)
        best = np.where(going, reached.max(axis=1) + padded[:, place], best)
    tags = np.zeros(real.shape, np.int64)
    last = best.argmax(axis=1)
    for place in range(longest - 1, -1, -1):
        tags[:, place] = last
        last = came_from[np.arange(len(lengths)), place, last]
    found: IntArray = tags[real]
    return found
