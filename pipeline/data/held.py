"""Recordings and pictures that lie inside a table, and what a column of such may hold."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from pipeline.data.media import MediaSource, check_size
from pipeline.data.rules import RuleError

BYTES, PATH = "bytes", "path"
"""Fields of a file in a table, as the Hugging Face hub has it (features Image and Audio)."""


@dataclass(frozen=True, eq=False)
class Held:
    """A file as a row of a table holds it.

    Attributes:
        content: Its bytes, a view of the table that copies nothing; None where they are missing.
        path: The name that the row gives it; None where it gives none.
    """

    content: pa.Buffer | None
    path: str | None = None

    def __repr__(self) -> str:
        if self.content is None:
            return f"the file {self.path!r} without its bytes"
        return f"binary of {self.content.size:,} bytes"


def holds_files(kind: pa.DataType) -> bool:
    """Whether values of an Arrow type are files: binary, or a struct with binary `bytes`."""
    if not pa.types.is_struct(kind):
        return _is_binary(kind)
    names = {field.name for field in kind}
    if BYTES not in names:
        return False
    inner = kind.field(BYTES).type
    return _is_binary(inner) or (PATH in names and pa.types.is_null(inner))


def column_values(column: pa.Array | pa.ChunkedArray) -> list[Any]:
    """The values of a column as Python objects; files become `Held`, their bytes stay in Arrow.

    A file with neither bytes nor path is None.
    """
    if not holds_files(column.type):
        return column.to_pylist()  # type: ignore[no-any-return]
    if not pa.types.is_struct(column.type):
        return [Held(value.as_buffer()) if value.is_valid else None for value in column]
    has_path = column.type.get_field_index(PATH) >= 0
    return [_held(value, has_path) if value.is_valid else None for value in column]


def opened(value: Any, row_id: str, source: MediaSource | None) -> tuple[str, bytes]:
    """What a row's value of a column of media stands for: the name of a file, and its content.

    Args:
        value: A file that the row holds, or the name of one.
        row_id: The row's; it is the name of a file that has no other.
        source: Where files lie that rows name.

    Raises:
        RuleError: If the value is neither, or no file has the name.
        DataError: If the file is damaged or too large.
    """
    if isinstance(value, Held) and value.content is not None:
        name = value.path or row_id
        check_size(value.content.size, name)
        return name, value.content.to_pybytes()
    named = value.path if isinstance(value, Held) else value
    if not isinstance(named, str):
        raise RuleError(
            f"a file, or the name of one, is expected, got {str(value)[:80]}",
            "map the right column",
        )
    if source is None:
        raise RuleError(
            f"the row names the file {named!r} without its bytes, and nothing says where it lies",
            HOW_TO_HOLD,
        )
    name = source.find(named)
    return source.full_name(name), source.read(name)


HOW_TO_HOLD = (
    "set data.media.path to the directory or .zip of the files, or put the files themselves into "
    "the table: a column of bytes, or of {bytes, path} as the Hugging Face hub has it "
    "(Dataset.push_to_hub writes it so, Dataset.to_parquet only what was read from bytes)"
)
"""Remedy for rows that only name files."""


def _held(value: pa.StructScalar, has_path: bool) -> Held | None:
    content = value[BYTES]
    path = value[PATH].as_py() if has_path else None
    if not content.is_valid:
        return Held(None, str(path)) if path else None
    return Held(content.as_buffer(), str(path) if path else None)


def _is_binary(kind: pa.DataType) -> bool:
    return bool(
        pa.types.is_binary(kind)
        or pa.types.is_large_binary(kind)
        or pa.types.is_binary_view(kind)
        or pa.types.is_fixed_size_binary(kind)
    )
