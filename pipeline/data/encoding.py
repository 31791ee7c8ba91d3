"""Splits to encoded splits on disk, a chunk at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from pipeline.data.content_store import ContentStore
from pipeline.data.media_rows import with_contents
from pipeline.data.prefetch import prefetched
from pipeline.data.writing import SplitWriter
from pipeline.tasks.base import Column, Task
from pipeline.tasks.columns import input_bytes, media_columns

if TYPE_CHECKING:
    from pipeline.tasks.processor import Processor

CHUNK_ROWS = 8_192
"""Most rows encoded at once; also the rows of a record batch on disk."""
MEDIA_ROWS = 256
"""Most rows with recordings or pictures encoded at once: what is made of a file can be far larger
than the file."""
CHUNK_BYTES = 4 * 2**20
"""Bytes of text, or of files, encoded at once; a longer one is a chunk of its own."""


def encode_split(
    rows: pa.Table,
    path: Path,
    *,
    task: Task,
    processor: Processor,
    label_names: Sequence[str],
    max_length: int,
    root: Path | None = None,
    contents: ContentStore | None = None,
    on_rows: Callable[[int], None] = lambda _: None,
) -> SplitWriter:
    """Encodes a split to a file; memory is bounded by the chunk, whatever the number of rows.

    The next chunk is tokenised while this one is written.

    Args:
        rows: Canonical raw columns.
        path: The Arrow IPC file to write: the raw columns and those of `task.encode`, for the
            rows of `task.divide`.
        task: Divides and encodes.
        processor: Turns inputs into numbers.
        label_names: Names by label id.
        max_length: Most tokens a row keeps.
        root: Where the paths of recordings and pictures start; by default where the process runs.
        contents: The recordings and pictures that raw rows held themselves.
        on_rows: Told how many further of the given rows are done.

    Returns:
        The closed writer, which knows rows, tokens and content hash.

    Raises:
        UserError: If the task cannot encode a row.
        EnvironmentProblem: If the file cannot be written.
    """

    def encode(given: pa.Table) -> tuple[pa.Table, int]:
        chunk = task.divide(given, processor, max_length=max_length)
        full = with_contents(chunk, task.columns, root or Path(), contents)
        encoded = task.encode(full, processor, label_names, max_length=max_length)
        for name in encoded.column_names:
            chunk = chunk.append_column(encoded.schema.field(name), encoded[name])
        return chunk, given.num_rows

    max_rows = MEDIA_ROWS if media_columns(task.columns) else CHUNK_ROWS
    parts = chunks(rows, task.columns, max_rows=max_rows)
    with SplitWriter(path) as writer:
        for encoded, num_given in prefetched(encode, parts, 1):
            writer.write(encoded)
            on_rows(num_given)
    return writer


def chunks(
    rows: pa.Table,
    columns: Sequence[Column],
    *,
    max_rows: int = CHUNK_ROWS,
    max_bytes: int = CHUNK_BYTES,
) -> Iterator[pa.Table]:
    """Cuts a table into slices of limited rows and content; an empty table is one empty slice."""
    if rows.num_rows == 0:
        yield rows
        return
    for start in range(0, rows.num_rows, max_rows):
        part = rows.slice(start, max_rows)
        ends = np.cumsum(input_bytes(part, columns))
        first = 0
        while first < part.num_rows:
            before = int(ends[first - 1]) if first else 0
            end = max(int(np.searchsorted(ends, before + max_bytes, side="right")), first + 1)
            yield part.slice(first, end - first)
            first = end
