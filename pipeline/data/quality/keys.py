"""Texts and labels as 64-bit keys, so that millions of rows are compared in little memory."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

KeyArray = npt.NDArray[np.int64]

CHUNK = 16_384
"""Rows looked at together."""


def slices(column: pa.ChunkedArray, size: int = CHUNK) -> Iterator[pa.ChunkedArray]:
    """Cuts a column into parts of at most `size` rows."""
    for start in range(0, len(column), size):
        yield column.slice(start, size)


def normalised(texts: pa.ChunkedArray) -> pa.ChunkedArray:
    """Texts as they are compared: NFKC, lower case, runs of white space as one space."""
    texts = pc.utf8_lower(pc.utf8_normalize(texts, form="NFKC"))
    return pc.utf8_trim_whitespace(pc.replace_substring_regex(texts, r"\s+", " "))


def text_keys(texts: pa.ChunkedArray) -> KeyArray:
    """A key for each text, equal for texts that are equal once normalised.

    Keys are those of this process alone (Python's own hash of strings). Of a million different
    texts two share a key with a probability of about 3e-8.

    Returns:
        `[rows]`.
    """
    return _keys(normalised(part).to_pylist() for part in slices(texts))


def label_keys(labels: pa.ChunkedArray) -> KeyArray:
    """A key for each row's label, whatever its type (a name, or a list of entities).

    Returns:
        `[rows]`.
    """
    if pa.types.is_string(labels.type) or pa.types.is_large_string(labels.type):
        return _keys(part.to_pylist() for part in slices(labels))
    return _keys(map(_as_text, part.to_pylist()) for part in slices(labels))


def _as_text(value: Any) -> str:
    return json.dumps(value, sort_keys=True, ensure_ascii=False)


def _keys(parts: Iterator[Any]) -> KeyArray:
    found = [np.fromiter(map(hash, part), np.int64) for part in parts]
    return np.concatenate(found) if found else np.zeros(0, np.int64)
