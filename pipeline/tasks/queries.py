"""Which rows are one query's, and their numbers."""

from __future__ import annotations

import hashlib

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.tasks.base import FloatArray, IntArray


def query_numbers(column: pa.ChunkedArray) -> IntArray:
    """Numbers different values from 0, in the order of their first rows, `[rows]`."""
    indices = _coded(column).indices
    numbers: IntArray = indices.to_numpy(zero_copy_only=False).astype(np.int64)
    return numbers


def query_hashes(column: pa.ChunkedArray) -> IntArray:
    """A number for each value, the same in every process and part of a table, `[rows]`."""
    coded = _coded(column)
    digests = [
        hashlib.blake2b(key.encode(), digest_size=8).digest()
        for key in coded.dictionary.to_pylist()
    ]
    hashes = np.frombuffer(b"".join(digests), "<i8").astype(np.int64)
    found: IntArray = hashes[coded.indices.to_numpy(zero_copy_only=False)]
    return found


def any_differs(values: FloatArray, queries: IntArray) -> bool:
    """Whether a query has two rows of different values.

    Args:
        values: `[rows]`.
        queries: As `query_numbers` gives them, `[rows]`.
    """
    _, first = np.unique(queries, return_index=True)
    return bool((values != values[first][queries]).any())


def _coded(column: pa.ChunkedArray) -> pa.DictionaryArray:
    """Different values as text, and which of them each row has."""
    if not pa.types.is_string(column.type):
        texts = [str(value) for value in column.to_pylist()]
        return pc.dictionary_encode(pa.array(texts, pa.string()))
    return pc.dictionary_encode(column.combine_chunks())
