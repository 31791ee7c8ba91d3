"""Rendered texts to token ids, and which of them are learned."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from pipeline.tasks.base import IGNORE_INDEX
from pipeline.tasks.batch_encoding import encode_texts
from pipeline.tasks.columns import list_values
from pipeline.tasks.rendering import Rendered

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast


def encode_rendered(
    tokenizer: PreTrainedTokenizerFast, rendered: Sequence[Rendered], *, max_length: int
) -> pa.Table:
    """Encodes whole texts; a token is learned if all of it lies within an answer.

    The first token of a text never is: nothing before it could tell of it.

    Args:
        tokenizer: Fast, with offsets.
        rendered: One for each row.
        max_length: Most tokens a row keeps; what is cut off on the right is not learned.

    Returns:
        `length`, `input_ids`, `num_tokens`, `num_unknown` as `encode_texts` gives them;
        `labels` (list<int32>): the ids that are learned, elsewhere `IGNORE_INDEX`; and
        `prompt_length` (int32): tokens before the last answer.
    """
    texts = pa.array([one.text for one in rendered], pa.string())
    encoded = encode_texts(tokenizer, texts, max_length=max_length, offsets=True, framed=False)
    ids, lengths = list_values(encoded["input_ids"])
    places, _ = list_values(encoded["offsets"])
    starts, ends = places.reshape(-1, 2).T
    labels = np.full(len(ids), IGNORE_INDEX, np.int32)
    prompt_lengths = np.zeros(len(rendered), np.int32)
    first = 0
    for row, (one, length) in enumerate(zip(rendered, lengths.tolist(), strict=True)):
        part = slice(first, first + length)
        begin, end = starts[part], ends[part]
        for start, stop in one.answers:
            inside = (begin >= start) & (end <= stop) & (end > begin)
            labels[part][inside] = ids[part][inside]
        labels[first : first + 1] = IGNORE_INDEX
        prompt_lengths[row] = np.count_nonzero(end <= one.prompt_end)
        first += length
    bounds = np.concatenate(([0], np.cumsum(lengths))).astype(np.int32)
    return (
        encoded.drop_columns(["offsets"])
        .append_column("labels", pa.ListArray.from_arrays(pa.array(bounds), pa.array(labels)))
        .append_column("prompt_length", pa.array(prompt_lengths))
    )
