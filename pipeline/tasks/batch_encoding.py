"""Texts to token ids at the speed of the Rust tokenizer, straight into Arrow buffers."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline.errors import UserError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

Int32Array = npt.NDArray[np.int32]


@runtime_checkable
class Segmenting(Protocol):
    """A tokenizer whose texts are cut by other models first; its own backend numbers the pieces."""

    def segment(self, texts: list[str]) -> list[list[str]]:
        """The pieces of each text."""
        ...

    @property
    def segmentation(self) -> str:
        """All that determines the pieces."""
        ...


def encode_texts(
    tokenizer: PreTrainedTokenizerFast,
    texts: pa.ChunkedArray | pa.Array,
    *,
    max_length: int,
    offsets: bool = False,
    framed: bool = True,
) -> pa.Table:
    """Encodes texts, cut on the right to `max_length` tokens with special tokens kept in place.

    Gives the ids of `tokenizer(texts, truncation=True, max_length=max_length)` without making
    Python objects per token. Truncation and padding set in the tokenizer are switched off.

    Args:
        tokenizer: A tokenizer with a Rust backend.
        texts: Strings without nulls; an empty text becomes its special tokens alone.
        max_length: Most tokens a row keeps, special tokens included.
        offsets: Whether to give the place of each token in its text.
        framed: Whether the tokenizer adds its special tokens around a text; if not, the texts have
            those that they need.

    Returns:
        One row for each text: `length` (int32, tokens kept), `input_ids` (list<int32>),
        `num_tokens` (int32, special tokens included, before cutting), `num_unknown` (int32, unknown
        tokens before cutting; 0 for a tokenizer without an unknown token), and with `offsets` the
        column `offsets` (list<int32>): start and end in characters of each kept token, flattened;
        0, 0 for special tokens.

    Raises:
        UserError: If `max_length` leaves no room beside the special tokens, or the tokenizer puts
            special tokens elsewhere than around the text.
    """
    backend = tokenizer.backend_tokenizer
    backend.no_truncation()
    backend.no_padding()
    batch: list[Any] = texts.to_pylist()
    in_pieces = isinstance(tokenizer, Segmenting)
    if isinstance(tokenizer, Segmenting):
        batch = tokenizer.segment(batch)
    encode = backend.encode_batch if offsets else backend.encode_batch_fast
    encodings = encode(batch, is_pretokenized=in_pieces, add_special_tokens=False)

    lengths = np.fromiter(map(len, encodings), np.int64, len(encodings))
    ids = np.fromiter(
        chain.from_iterable(encoding.ids for encoding in encodings), np.int32, int(lengths.sum())
    )
    prefix = suffix = ids[:0]
    if framed:
        prefix, suffix = _special_tokens(backend, batch, lengths, in_pieces)
    room = max_length - len(prefix) - len(suffix)
    if room < 1:
        raise UserError(
            f"model.max_length is {max_length}, but the tokenizer alone adds "
            f"{len(prefix) + len(suffix)} special tokens to a text",
            remedy=f"set model.max_length to {len(prefix) + len(suffix) + 1} or more",
        )
    num_tokens = (lengths + len(prefix) + len(suffix)).astype(np.int32)
    columns = {
        "length": pa.array(np.minimum(num_tokens, np.int32(max_length))),
        "input_ids": _framed(ids, lengths, room, prefix, suffix),
        "num_tokens": pa.array(num_tokens),
        "num_unknown": pa.array(count_ids(ids, lengths, tokenizer.unk_token_id)),
    }
    if offsets:
        pairs = chain.from_iterable(encoding.offsets for encoding in encodings)
        places = np.fromiter(chain.from_iterable(pairs), np.int32, 2 * len(ids))
        columns["offsets"] = _framed(
            places,
            2 * lengths,
            2 * room,
            np.zeros(2 * len(prefix), np.int32),
            np.zeros(2 * len(suffix), np.int32),
        )
    return pa.table(columns)


def _special_tokens(
    backend: Any, batch: list[Any], lengths: npt.NDArray[np.int64], in_pieces: bool
) -> tuple[Int32Array, Int32Array]:
    """The ids that the tokenizer puts before and behind every text."""
    with_content = np.where(lengths > 0, lengths, np.iinfo(np.int64).max)
    shortest = batch[int(with_content.argmin())] if batch else [] if in_pieces else ""
    encoding = backend.encode(shortest, is_pretokenized=in_pieces)
    ids = np.array(encoding.ids, np.int32)
    content = np.flatnonzero(np.array(encoding.special_tokens_mask, np.int8) == 0)
    if not len(content):
        return ids, ids[:0]
    first, last = int(content[0]), int(content[-1]) + 1
    if last - first != len(content):
        raise UserError(
            "the tokenizer puts special tokens inside a text, which cannot be encoded here",
            remedy="use a tokenizer whose post-processor only frames the text",
        )
    return ids[:first], ids[last:]


def _framed(
    values: Int32Array,
    lengths: npt.NDArray[np.int64],
    room: int,
    prefix: Int32Array,
    suffix: Int32Array,
) -> pa.ListArray:
    """Cuts each of the concatenated rows to `room` values and sets it between prefix and suffix."""
    kept = np.minimum(lengths, room)
    starts = np.cumsum(lengths) - lengths
    ends = np.cumsum(kept + len(prefix) + len(suffix))
    begins = ends - (kept + len(prefix) + len(suffix))
    bounds = np.concatenate(([0], ends)).astype(np.int32)
    if not len(prefix) and not len(suffix) and bool((kept == lengths).all()):
        return pa.ListArray.from_arrays(pa.array(bounds), pa.array(values))

    result = np.empty(int(bounds[-1]), np.int32)
    within = np.arange(int(kept.sum())) - np.repeat(np.cumsum(kept) - kept, kept)
    target = np.repeat(begins + len(prefix), kept) + within
    result[target] = values[np.repeat(starts, kept) + within]
    for position, value in enumerate(prefix):
        result[begins + position] = value
    for position, value in enumerate(suffix):
        result[ends - len(suffix) + position] = value
    return pa.ListArray.from_arrays(pa.array(bounds), pa.array(result))


def count_ids(
    ids: Int32Array, lengths: npt.NDArray[np.int64], wanted: int | None
) -> npt.NDArray[np.int32]:
    """How often `wanted` occurs in each of the concatenated rows."""
    if wanted is None or not len(ids):
        return np.zeros(len(lengths), np.int32)
    rows = np.repeat(np.arange(len(lengths)), lengths)
    return np.bincount(rows[ids == wanted], minlength=len(lengths)).astype(np.int32)
