"""A hash of what Arrow columns hold, whatever their chunks, offsets and file format version."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from pipeline.artifacts import content_hash


class ColumnHasher:
    """Hashes rows as they come; equal rows in equal order give an equal hash.

    Lists and strings count with their lengths and their joined values, so memory stays small.
    """

    def __init__(self) -> None:
        self._parts: dict[str, Any] = {}

    def update(self, rows: pa.Table) -> None:
        """Takes in further rows."""
        for name in rows.column_names:
            for chunk in rows[name].chunks:
                self._feed(name, chunk)

    def hexdigest(self) -> str:
        """SHA-256 over all columns, independent of their order, as 64 hex digits."""
        whole = hashlib.sha256()
        for path in sorted(self._parts):
            whole.update(f"{path}:{self._parts[path].hexdigest()}\n".encode())
        return whole.hexdigest()

    def _feed(self, path: str, array: pa.Array) -> None:
        kind = array.type
        if array.null_count:
            self._add(f"{path}?", array.is_null().to_numpy(zero_copy_only=False))
            array = array.drop_null()
        if pa.types.is_struct(kind):
            for field, child in zip(kind, array.flatten(), strict=True):
                self._feed(f"{path}.{field.name}", child)
        elif pa.types.is_list(kind) or pa.types.is_large_list(kind):
            self._add(f"{path}#", np.asarray(array.value_lengths()).astype(np.int64))
            self._feed(f"{path}[]", array.flatten())
        elif pa.types.is_fixed_size_list(kind):
            self._feed(f"{path}[{kind.list_size}]", array.flatten())
        elif pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or _is_text(kind):
            lengths, data = _string_parts(array)
            self._add(f"{path}#", lengths)
            self._add(path, data)
        else:
            self._add(f"{path}:{kind}", array.to_numpy(zero_copy_only=False))

    def _add(self, path: str, values: np.ndarray[Any, Any]) -> None:
        part = self._parts.setdefault(path, hashlib.sha256())
        part.update(np.ascontiguousarray(values).data)


def _is_text(kind: pa.DataType) -> bool:
    """Whether values are strings."""
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _string_parts(array: pa.Array) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Byte lengths and joined bytes of strings, or of bytes, without nulls."""
    large = array.cast(pa.large_string() if _is_text(array.type) else pa.large_binary())
    if not len(large):
        return np.zeros(0, np.int64), np.zeros(0, np.uint8)
    _, offsets, data = large.buffers()
    places = np.frombuffer(offsets, np.int64)[large.offset : large.offset + len(large) + 1]
    joined = np.frombuffer(data, np.uint8) if data is not None else np.zeros(0, np.uint8)
    return np.diff(places), joined[places[0] : places[-1]]


def dataset_fingerprint(
    split_hashes: Mapping[str, str], label_names: Sequence[str], tokenizer: str
) -> str:
    """What a trained model depends on: the rows of each split, label names and the tokenizer.

    Args:
        split_hashes: `ColumnHasher.hexdigest` of each split.
        label_names: Names by label id.
        tokenizer: The tokenizer as JSON text.
    """
    return content_hash([dict(split_hashes), list(label_names), tokenizer])
