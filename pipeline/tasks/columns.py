"""Arrow columns of rows: which must be there, label names to ids, lists to padded arrays."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.errors import DataError, did_you_mean
from pipeline.tasks.base import Column, Kind

IntArray = npt.NDArray[np.int64]


SEPARATOR = "\n"
"""Stands between the texts of a row that is read as one text."""
MEDIA_KINDS = frozenset({"audio", "image"})
"""Kinds of columns whose values are files."""
MEDIA_TYPE = pa.struct(
    [pa.field("path", pa.string()), pa.field("sha256", pa.string()), pa.field("size", pa.int64())]
)
"""A recording or picture in a canonical row: where it lies, its SHA-256 and its bytes' number."""
CONTENTS = ("features", "samples", "pixels")
"""Encoded columns that hold what a model reads of a recording or picture."""
STEPS = "num_steps"
"""In a batch of recordings the length of each along the time axis of the model's input."""
CONTENT_TYPE = pa.struct([pa.field("path", pa.string()), pa.field("bytes", pa.binary())])
"""A recording or picture as `Task.encode` gets it."""


def length_unit(kinds: Iterable[Kind]) -> str:
    """What the lengths of rows with inputs of some kinds are counted in."""
    counted = {"audio": "frames", "image": "16-pixel squares"}
    return next((counted[kind] for kind in kinds if kind in counted), "tokens")


def input_columns(columns: Sequence[Column]) -> tuple[Column, ...]:
    """The columns that are needed to predict."""
    return tuple(column for column in columns if not column.is_target)


def target_names(columns: Sequence[Column]) -> tuple[str, ...]:
    """The names of what a model has to find."""
    return tuple(column.name for column in columns if column.is_target)


def text_columns(columns: Sequence[Column]) -> tuple[str, ...]:
    """The names of the texts, of inputs and targets."""
    return tuple(column.name for column in columns if column.kind == "text")


def media_columns(columns: Sequence[Column]) -> tuple[Column, ...]:
    """The columns whose values are files."""
    return tuple(column for column in columns if column.kind in MEDIA_KINDS)


def input_texts(rows: pa.Table, columns: Sequence[Column]) -> pa.ChunkedArray:
    """What a person reads of each row's inputs, as one text, `[rows]`; of a file its path.

    Args:
        rows: Rows with the input columns.
        columns: The task's.
    """
    return _joined(rows, columns, "path")


def input_keys(rows: pa.Table, columns: Sequence[Column]) -> pa.ChunkedArray:
    """What tells inputs apart, as one text, `[rows]`: texts themselves, of a file its SHA-256."""
    return _joined(rows, columns, "sha256")


def _joined(rows: pa.Table, columns: Sequence[Column], part: str) -> pa.ChunkedArray:
    texts = [
        pc.struct_field(rows[column.name], part)
        if column.kind in MEDIA_KINDS
        else _chats(rows[column.name])
        if column.kind == "messages"
        else rows[column.name]
        for column in input_columns(columns)
        if column.kind in {"text", "messages"} or column.kind in MEDIA_KINDS
    ]
    return texts[0] if len(texts) == 1 else pc.binary_join_element_wise(*texts, SEPARATOR)


def _chats(chats: pa.ChunkedArray) -> pa.ChunkedArray:
    """Each chat as one text, a turn on each line."""
    texts = [
        SEPARATOR.join(f"{turn['role']}: {turn['content']}" for turn in chat)
        for chat in chats.to_pylist()
    ]
    return pa.chunked_array([pa.array(texts, pa.string())])


def input_bytes(rows: pa.Table, columns: Sequence[Column]) -> IntArray:
    """Bytes of each row's inputs, `[rows]`; of a file those of its content."""
    sizes: IntArray = pc.binary_length(input_texts(rows, columns)).to_numpy().astype(np.int64)
    for column in media_columns(columns):
        values = pc.struct_field(rows[column.name], "size").to_numpy()
        sizes = sizes + values.astype(np.int64)
    return sizes


def with_input_text(rows: pa.Table, columns: Sequence[Column]) -> pa.Table:
    """The rows with what a person reads of their inputs in the column `text`."""
    texts = input_texts(rows, columns)
    if "text" not in rows.column_names:
        return rows.append_column("text", texts)
    return rows.set_column(rows.column_names.index("text"), "text", texts)


def require_columns(rows: pa.Table, columns: Sequence[Column], *, needed_by: str) -> None:
    """Checks that rows have columns.

    Raises:
        DataError: If one is missing; the remedy names the key that maps it.
    """
    for name in (column.name for column in columns):
        if name not in rows.column_names:
            raise DataError(
                f"{needed_by} needs the column {name!r}, but the rows have only "
                f"{', '.join(rows.column_names)}",
                remedy=f"map it with data.columns.{name}: <the raw column's name>",
            )


def label_ids(rows: pa.Table, label_names: Sequence[str]) -> IntArray:
    """The ids of the column `label`, `[rows]`.

    Raises:
        DataError: If a label is null or not among the names.
    """
    ids = pc.index_in(rows["label"], pa.array(label_names, pa.string()))
    if ids.null_count:
        row = int(np.flatnonzero(ids.is_null().to_numpy())[0])
        label = rows["label"][row].as_py()
        raise DataError(
            f"{describe_row(rows, row)} has the label {label!r}, which the train split (or "
            "data.labels.names) does not have",
            remedy=did_you_mean(str(label), label_names)
            + " Correct it, map it with data.labels.map, or add rows of it to the train split",
        )
    return ids.to_numpy().astype(np.int64)  # type: ignore[no-any-return]


def describe_row(rows: pa.Table, row: int) -> str:
    """A row in words, for messages: its id where it has one, and how its text begins."""
    name = f"the row {rows['id'][row].as_py()!r}" if "id" in rows.column_names else "a row"
    if "text" in rows.column_names:
        return f"{name} ({str(rows['text'][row].as_py())[:40]!r} …)"
    return f"{name} ({', '.join(file_names(rows, row))})".removesuffix(" ()")


def file_names(rows: pa.Table, row: int) -> list[str]:
    """The names of a row's recordings and pictures."""
    files = (rows[field.name][row].as_py() for field in rows.schema if _is_file(field.type))
    return [str(file["path"]) for file in files]


def _is_file(kind: pa.DataType) -> bool:
    return bool(pa.types.is_struct(kind) and kind.get_field_index("path") >= 0)


def list_values(column: pa.ChunkedArray | pa.Array) -> tuple[npt.NDArray[Any], IntArray]:
    """All values of a list column in one array, and the length of each list `[rows]`."""
    if isinstance(column, pa.ChunkedArray):
        column = column.combine_chunks()
    lengths = pc.list_value_length(column).to_numpy(zero_copy_only=False).astype(np.int64)
    return pc.list_flatten(column).to_numpy(zero_copy_only=False), lengths


def number_values(column: pa.ChunkedArray) -> npt.NDArray[np.float64]:
    """A column of numbers; NaN where there is none, `[rows]`."""
    numbers: npt.NDArray[np.float64] = column.to_numpy().astype(np.float64)
    return numbers


def pad_lists(
    column: pa.ChunkedArray | pa.Array, *, fill: int, pad_to_multiple_of: int
) -> tuple[IntArray, IntArray]:
    """Pads lists of whole numbers on the right to the longest of them.

    Args:
        column: Lists of int32, `[rows]`.
        fill: The padding.
        pad_to_multiple_of: The padded length is a multiple of this.

    Returns:
        The values `[rows, length]` and a mask of the same shape, 1 where they are not padding.
    """
    values, lengths = list_values(column)
    longest = max(int(lengths.max(initial=1)), 1)
    width = -(-longest // pad_to_multiple_of) * pad_to_multiple_of
    mask = np.arange(width) < lengths[:, np.newaxis]
    padded = np.full(mask.shape, fill, np.int64)
    padded[mask] = values
    return padded, mask.astype(np.int64)


def pad_text(
    rows: pa.Table, pad_token_id: int, pad_to_multiple_of: int
) -> dict[str, npt.NDArray[Any]]:
    """`input_ids` and `attention_mask` of encoded texts, `[rows, length]`, padded on the right."""
    ids, mask = pad_lists(
        rows["input_ids"], fill=pad_token_id, pad_to_multiple_of=pad_to_multiple_of
    )
    return {"input_ids": ids, "attention_mask": mask}
