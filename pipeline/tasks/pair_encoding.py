"""Pairs of texts to token ids at the speed of the Rust tokenizer, straight into Arrow buffers."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.errors import UserError
from pipeline.tasks.batch_encoding import Int32Array, count_ids

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

IntArray = npt.NDArray[np.int64]

TOKEN_TYPES = "token_type_ids"  # noqa: S105
"""The column that says which of the two texts a token is of."""


@dataclass(frozen=True)
class PairTemplate:
    """What a tokenizer puts around two texts, and the type that it gives to each token.

    Attributes:
        frame: Special tokens before the first text, between both and behind the second, `[3, …]`.
        frame_types: Their types.
        text_types: The types of the two texts' tokens.
        typed: Whether the model is to be told the types: the tokenizer says so, and not all are 0.
    """

    frame: tuple[Int32Array, Int32Array, Int32Array]
    frame_types: tuple[Int32Array, Int32Array, Int32Array]
    text_types: tuple[int, int]
    typed: bool

    @classmethod
    def of(cls, tokenizer: PreTrainedTokenizerFast, probe: str = "a") -> Self:
        """Asks the tokenizer's post-processor.

        Args:
            tokenizer: A tokenizer with a Rust backend; truncation and padding are switched off.
            probe: A text of at least one token.

        Raises:
            UserError: If special tokens stand inside a text, or the second text comes first.
        """
        backend = tokenizer.backend_tokenizer
        backend.no_truncation()
        backend.no_padding()
        encoding = backend.encode(probe, probe)
        ids = np.array(encoding.ids, np.int32)
        types = np.array(encoding.type_ids, np.int32)
        places = _places(encoding)
        if places is None:
            raise UserError(
                "the tokenizer does not frame two texts one after the other, which cannot be "
                "encoded here",
                remedy="use a tokenizer whose post-processor only frames the texts",
            )
        first, second = places
        cuts = (slice(0, first.start), slice(first.stop, second.start), slice(second.stop, None))
        before, between, behind = (ids[cut] for cut in cuts)
        types_before, types_between, types_behind = (types[cut] for cut in cuts)
        return cls(
            (before, between, behind),
            (types_before, types_between, types_behind),
            (int(types[first.start]), int(types[second.start])),
            TOKEN_TYPES in tokenizer.model_input_names and bool(types.any()),
        )

    @property
    def num_special(self) -> int:
        """Special tokens of a pair."""
        return sum(map(len, self.frame))


def encode_pairs(
    tokenizer: PreTrainedTokenizerFast,
    texts: pa.ChunkedArray | pa.Array,
    pairs: pa.ChunkedArray | pa.Array,
    *,
    max_length: int,
) -> pa.Table:
    """Encodes pairs of texts; of those too long the longer text is cut on the right.

    Gives the ids and types of `tokenizer(texts, pairs, truncation=True, max_length=max_length)`
    without making Python objects per token. A text that occurs in several pairs, such as a query or
    an item, is tokenised once. Truncation and padding set in the tokenizer are switched off.

    Args:
        tokenizer: A tokenizer with a Rust backend.
        texts: The first texts, `[rows]`, without nulls.
        pairs: The second texts, `[rows]`, without nulls.
        max_length: Most tokens a row keeps, special tokens included.

    Returns:
        One row for each pair: `length` (int32, tokens kept), `input_ids` (list<int32>),
        `token_type_ids` (list<int8>) where the tokenizer gives them to its model and not all are 0,
        `num_tokens` (int32, special tokens included, before cutting) and `num_unknown` (int32,
        unknown tokens before cutting; 0 for a tokenizer without an unknown token).

    Raises:
        UserError: If `max_length` leaves no room beside the special tokens, or the tokenizer puts
            special tokens elsewhere than around the two texts.
    """
    backend = tokenizer.backend_tokenizer
    backend.no_truncation()
    backend.no_padding()
    first, second = (_Texts.encode(backend, column) for column in (texts, pairs))
    template = PairTemplate.of(tokenizer, first.probe or second.probe or "a")
    room = max_length - template.num_special
    if room < 1:
        raise UserError(
            f"model.max_length is {max_length}, but the tokenizer alone adds "
            f"{template.num_special} special tokens to a pair of texts",
            remedy=f"set model.max_length to {template.num_special + 2} or more",
        )
    kept = longest_first(first.lengths, second.lengths, room)
    tokens = (first.lengths + second.lengths + template.num_special).astype(np.int32)
    bounds = np.concatenate(([0], np.cumsum(kept[0] + kept[1] + template.num_special)))
    columns = {
        "length": pa.array(np.diff(bounds).astype(np.int32)),
        "input_ids": _lists(
            bounds, _laid(bounds, kept, template.frame, (first.of(kept[0]), second.of(kept[1])))
        ),
    }
    if template.typed:
        types = _laid(bounds, kept, template.frame_types, template.text_types).astype(np.int8)
        columns[TOKEN_TYPES] = _lists(bounds, types)
    unknown = first.count(tokenizer.unk_token_id) + second.count(tokenizer.unk_token_id)
    return pa.table({**columns, "num_tokens": pa.array(tokens), "num_unknown": pa.array(unknown)})


def longest_first(first: IntArray, second: IntArray, room: int) -> tuple[IntArray, IntArray]:
    """How many tokens of two texts are kept, as `longest_first` of the tokenizers library has it.

    The longer text loses tokens until both are equally long, then both; an odd token is the longer
    text's, of equally long ones the second's.

    Args:
        first: Tokens of the first texts, `[rows]`.
        second: Tokens of the second texts, `[rows]`.
        room: Most tokens of both together.

    Returns:
        Both `[rows]`.
    """
    shorter, longer = np.minimum(first, second), np.maximum(first, second)
    kept_longer = np.minimum(longer, np.maximum(room - shorter, room - room // 2))
    kept_shorter = np.minimum(shorter, room - kept_longer)
    swapped = first > second
    return np.where(swapped, kept_longer, kept_shorter), np.where(
        swapped, kept_shorter, kept_longer
    )


@dataclass(frozen=True)
class _Texts:
    """Different texts, encoded without special tokens, and which of them each row has.

    Attributes:
        ids: Of all texts, one after the other.
        starts: Where each row's text begins in `ids`, `[rows]`.
        lengths: Tokens of each row's text, `[rows]`.
        probe: The shortest text that has a token; None without any.
        sizes: Tokens of each text, `[texts]`.
        index: The text of each row, `[rows]`.
    """

    ids: Int32Array
    starts: IntArray
    lengths: IntArray
    probe: str | None
    sizes: IntArray
    index: IntArray

    @classmethod
    def encode(cls, backend: Any, texts: pa.ChunkedArray | pa.Array) -> Self:
        coded = pc.dictionary_encode(
            texts.combine_chunks() if isinstance(texts, pa.ChunkedArray) else texts
        )
        different = coded.dictionary.to_pylist()
        index = coded.indices.to_numpy(zero_copy_only=False).astype(np.int64)
        encodings = backend.encode_batch_fast(different, add_special_tokens=False)
        sizes = np.fromiter(map(len, encodings), np.int64, len(encodings))
        ids = np.fromiter(
            chain.from_iterable(encoding.ids for encoding in encodings), np.int32, int(sizes.sum())
        )
        filled = np.flatnonzero(sizes)
        probe = different[int(filled[sizes[filled].argmin()])] if len(filled) else None
        starts = np.cumsum(sizes) - sizes
        return cls(ids, starts[index], sizes[index], probe, sizes, index)

    def of(self, kept: IntArray) -> Int32Array:
        """The first `kept` ids of each row's text, one row after the other."""
        ids: Int32Array = self.ids[np.repeat(self.starts, kept) + _within(kept)]
        return ids

    def count(self, wanted: int | None) -> Int32Array:
        """How often an id occurs in each row's text, `[rows]`."""
        counts: Int32Array = count_ids(self.ids, self.sizes, wanted)[self.index]
        return counts


def _places(encoding: Any) -> tuple[slice, slice] | None:
    """Where the two texts stand in an encoding; None where special tokens are inside them."""
    sequence = np.array([-1 if one is None else one for one in encoding.sequence_ids], np.int64)
    sequence[np.array(encoding.special_tokens_mask, bool)] = -1
    found = [np.flatnonzero(sequence == number) for number in (0, 1)]
    if not all(map(len, found)):
        return None
    first, second = (slice(int(one[0]), int(one[-1]) + 1) for one in found)
    whole = all(one[-1] - one[0] + 1 == len(one) for one in found)
    return (first, second) if whole and first.stop <= second.start else None


def _within(counts: IntArray) -> IntArray:
    """0, 1, … for each row."""
    places: IntArray = np.arange(int(counts.sum())) - np.repeat(np.cumsum(counts) - counts, counts)
    return places


def _laid(
    bounds: IntArray,
    kept: tuple[IntArray, IntArray],
    frame: tuple[Int32Array, Int32Array, Int32Array],
    texts: tuple[Int32Array | int, Int32Array | int],
) -> Int32Array:
    """Lays special tokens and texts one after the other in each row.

    Args:
        bounds: Where each row begins, and at last where the last one ends.
        kept: Tokens of both texts in each row.
        frame: What stands before, between and behind the texts.
        texts: The values of the kept tokens of both texts, or one value for all of them.
    """
    values = np.empty(int(bounds[-1]), np.int32)
    at = bounds[:-1]
    for special, count, text in zip(frame[:2], kept, texts, strict=True):
        for place, value in enumerate(special):
            values[at + place] = value
        at = at + len(special)
        values[np.repeat(at, count) + _within(count)] = text
        at = at + count
    for place, value in enumerate(frame[2]):
        values[at + place] = value
    return values


def _lists(bounds: IntArray, values: npt.NDArray[Any]) -> pa.ListArray:
    return pa.ListArray.from_arrays(pa.array(bounds.astype(np.int32)), pa.array(values))
