"""Entities as columns: flat arrays of them, and whether they are sound."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.errors import DataError
from pipeline.tasks.base import IntArray
from pipeline.tasks.columns import describe_row

ENTITIES = pa.list_(
    pa.struct(
        [("start", pa.int32()), ("end", pa.int32()), ("type", pa.string()), ("score", pa.float64())]
    )
)
"""Predicted entities of a row: character offsets, the end exclusive, and how sure they are."""


class SpanColumn:
    """The column `entities` as flat arrays, sorted by row and start.

    Args:
        rows: A table with that column; null counts as no entities.

    Attributes:
        row: The row of each entity, `[entities]`.
        start: First character, `[entities]`.
        end: Character behind the last, `[entities]`.
        kind: Types, `[entities]` strings.
    """

    def __init__(self, rows: pa.Table) -> None:
        lists = rows["entities"].combine_chunks()
        counts = pc.fill_null(pc.list_value_length(lists), 0).to_numpy(zero_copy_only=False)
        fields = pc.list_flatten(lists)
        row = np.repeat(np.arange(len(lists)), counts)
        start = pc.struct_field(fields, "start").to_numpy(zero_copy_only=False).astype(np.int64)
        order = np.lexsort((start, row))
        self.row: IntArray = row[order]
        self.start: IntArray = start[order]
        end = pc.struct_field(fields, "end").to_numpy(zero_copy_only=False).astype(np.int64)
        self.end: IntArray = end[order]
        self.kind: pa.Array = pc.struct_field(fields, "type").take(pa.array(order))

    def type_ids(self, types: Sequence[str]) -> IntArray:
        """The number of each entity's type, -1 for a type that is not among them."""
        ids = pc.fill_null(pc.index_in(self.kind, pa.array(types, pa.string())), -1)
        return ids.to_numpy(zero_copy_only=False).astype(np.int64)  # type: ignore[no-any-return]


def check_spans(rows: pa.Table, spans: SpanColumn, types: Sequence[str]) -> None:
    """Checks that entities lie in their text, do not overlap, and have known types.

    Raises:
        DataError: Which names the first row at fault.
    """
    lengths = pc.utf8_length(rows["text"]).to_numpy().astype(np.int64)
    outside = (spans.start < 0) | (spans.start >= spans.end) | (spans.end > lengths[spans.row])
    overlapping = np.zeros(len(spans.row), np.bool_)
    overlapping[1:] = (spans.row[1:] == spans.row[:-1]) & (spans.start[1:] < spans.end[:-1])
    unknown = spans.type_ids(types) < 0
    for wrong, problem, remedy in (
        (outside, "does not lie in its text", "count characters from 0, the end exclusive"),
        (overlapping, "overlaps the one before", "keep one of them: each character has one tag"),
        (
            unknown,
            f"has a type that the train split does not have ({', '.join(types)})",
            "correct it, map it with data.labels.map, or add rows of it to the train split",
        ),
    ):
        if wrong.any():
            number = int(np.flatnonzero(wrong)[0])
            row = int(spans.row[number])
            raise DataError(
                f"{describe_row(rows, row)}: the entity {spans.start[number]} … "
                f"{spans.end[number]} of type {spans.kind[number].as_py()!r} {problem}",
                remedy=remedy,
            )
