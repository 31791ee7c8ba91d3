"""Texts longer than a model reads, in pieces that it does."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline.errors import UserError
from pipeline.tasks.base import IntArray
from pipeline.tasks.batch_encoding import encode_texts
from pipeline.tasks.columns import list_values
from pipeline.tasks.queries import query_numbers

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

LongTexts = Literal["chunk", "cut"]
"""What becomes of a text with more tokens than `model.max_length`: several rows, or its begin."""

DOCUMENT = "document"
"""Column of chunked rows: the id of the row that a row is a piece of."""

_ANY_LENGTH = 2**31 - 1
_LATE = 0.75
"""A piece ends at a line's end, else at a word's, in the part of it that begins here."""


def chunk_texts(rows: pa.Table, tokenizer: PreTrainedTokenizerFast, room: int) -> pa.Table:
    """Makes several rows of each whose text has more tokens than there is room for.

    A piece ends where a line does, else before white space, if that is in its last quarter, else
    between two tokens; the next goes on where it ended. Pieces of white space alone are left out.

    Args:
        rows: With `id` and `text`; other columns are repeated.
        tokenizer: Counts.
        room: Most tokens of a piece, special tokens aside; at least one.

    Returns:
        The rows in order, with `DOCUMENT`. The pieces of one behind the first have its id and
        `#2`, `#3` and so on.

    Raises:
        UserError: If there is no room.
    """
    if room < 1:
        raise UserError(
            "model.max_length leaves no room beside the special tokens of a text",
            remedy="raise model.max_length",
        )
    ids = rows["id"].to_pylist()
    pieces = _pieces(rows["text"].to_pylist(), tokenizer, room)
    counts = np.fromiter(map(len, pieces), np.int64, len(pieces))
    named = [
        name if number == 0 else f"{name}#{number + 1}"
        for name, parts in zip(ids, pieces, strict=True)
        for number in range(len(parts))
    ]
    taken = rows.take(pa.array(np.repeat(np.arange(len(ids)), counts)))
    texts = pa.array([part for parts in pieces for part in parts], rows.schema.field("text").type)
    documents = taken["id"]
    for name, values in (("id", pa.array(named, pa.string())), ("text", texts)):
        taken = taken.set_column(taken.column_names.index(name), name, values)
    return taken.append_column(DOCUMENT, documents)


def goes_on(rows: pa.Table) -> list[bool]:
    """Whether another piece of its text follows a row; False for rows that are not chunked."""
    if DOCUMENT not in rows.column_names:
        return [False] * rows.num_rows
    documents = rows[DOCUMENT].to_pylist()
    return [one == other for one, other in zip(documents, [*documents[1:], None], strict=True)]


def document_numbers(rows: pa.Table) -> IntArray | None:
    """The document of each row, from 0 without a gap, `[rows]`: pieces of one are not independent.

    Returns:
        None where each row is a document, or all are of one, so that nothing else could be drawn.
    """
    if DOCUMENT not in rows.column_names:
        return None
    numbers = query_numbers(rows[DOCUMENT])
    return numbers if 0 < numbers.max(initial=-1) < rows.num_rows - 1 else None


def _pieces(texts: list[str], tokenizer: PreTrainedTokenizerFast, room: int) -> list[list[str]]:
    """The pieces of each text, at least one."""
    pieces = [[text] for text in texts]
    # A text of more tokens than bytes is as good as never met; it would be cut, and counted.
    long = [row for row, text in enumerate(texts) if len(text.encode()) > room]
    if not long:
        return pieces
    counted = _encoded([texts[row] for row in long], tokenizer)["num_tokens"].to_numpy()
    long = [row for row, count in zip(long, counted.tolist(), strict=True) if count > room]
    if not long:
        return pieces
    encoded = _encoded([texts[row] for row in long], tokenizer, offsets=True)
    places, lengths = list_values(encoded["offsets"])
    starts = np.split(places[::2], np.cumsum(lengths // 2)[:-1])
    for row, own in zip(long, starts, strict=True):
        parts = [part for part in _divided(texts[row], own, room) if part.strip()]
        if parts and parts != [texts[row]]:
            # A piece on its own can have other tokens than within the whole, and more of them.
            again = _pieces(parts, tokenizer, room)
            pieces[row] = [one for part in again for one in part]
    return pieces


def _encoded(
    texts: list[str], tokenizer: PreTrainedTokenizerFast, *, offsets: bool = False
) -> pa.Table:
    """Whole texts; without the tokens' places, which cost a Python object each, it is fast."""
    batch = pa.array(texts, pa.string())
    return encode_texts(tokenizer, batch, max_length=_ANY_LENGTH, offsets=offsets, framed=False)


def _divided(text: str, starts: npt.NDArray[np.int32], room: int) -> Iterator[str]:
    """Cuts a text whose tokens start at these characters into pieces of at most so many tokens."""
    begin = token = 0
    while len(starts) - token > room:
        limit = max(int(starts[token + room]), begin + 1)
        end = _boundary(text, begin + int(_LATE * (limit - begin)), limit)
        yield text[begin:end]
        begin, token = end, int(np.searchsorted(starts, end))
    yield text[begin:]


def _boundary(text: str, earliest: int, latest: int) -> int:
    """The last good place to cut behind `earliest`, not behind `latest`."""
    line = text.rfind("\n", earliest, latest)
    if line >= 0:
        return line + 1
    words = (place for place in range(latest, earliest, -1) if text[place : place + 1].isspace())
    return next(words, latest)
