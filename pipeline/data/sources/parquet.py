"""Parquet files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.data.held import column_values, holds_files
from pipeline.data.sources.class_names import class_names, named
from pipeline.data.sources.opened import open_bytes, reading
from pipeline.data.sources.raw import (
    BATCH_ROWS,
    MEDIA_BATCH_BYTES,
    MEDIA_BATCH_ROWS,
    RawRows,
    SourceFile,
    WantedColumns,
)
from pipeline.errors import DataError


def read_parquet(file: SourceFile, wanted: WantedColumns) -> Iterator[RawRows]:
    """Reads rows, nested values as lists and dicts, recordings and pictures as `Held`.

    Class ids become their names in the columns of which that is wanted, where the file tells them.
    The format needs random access, so a packed (.gz) file is unpacked in memory.

    Raises:
        DataError: If the file is damaged or a column is missing.
    """
    with reading(file):
        try:
            if file.is_gzip:
                with open_bytes(file) as stream:
                    parquet = pq.ParquetFile(pa.BufferReader(stream.read()))
            else:
                parquet = pq.ParquetFile(file.path, memory_map=True)
            chosen = wanted.choose(parquet.schema_arrow.names, file.name)
            known = class_names(parquet.schema_arrow)
            names = {name: known.get(name) for name in wanted.by_name}
            number = 1
            for batch in parquet.iter_batches(_batch_rows(parquet, chosen), columns=chosen):
                columns = {
                    name: named(column_values(batch.column(name)), names.get(name))
                    for name in chosen
                }
                yield RawRows(columns, range(number, number + batch.num_rows))
                number += batch.num_rows
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
            raise DataError(
                f"not a readable Parquet file: {error}",
                file=file.name,
                remedy="fetch it again, or set data.format.kind if this is another format",
            ) from error


def _batch_rows(parquet: pq.ParquetFile, chosen: Sequence[str]) -> int:
    """How many rows are read at once: fewer where they hold files, whose bytes are in memory."""
    if not any(holds_files(parquet.schema_arrow.field(name).type) for name in chosen):
        return BATCH_ROWS
    groups = (parquet.metadata.row_group(i) for i in range(parquet.metadata.num_row_groups))
    row = max((one.total_byte_size // max(one.num_rows, 1) for one in groups), default=1)
    return int(min(max(MEDIA_BATCH_BYTES // max(row, 1), 1), MEDIA_BATCH_ROWS))
