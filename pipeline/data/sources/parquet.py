"""Parquet files."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.data.sources.opened import open_bytes, reading
from pipeline.data.sources.raw import BATCH_ROWS, RawRows, SourceFile, WantedColumns
from pipeline.errors import DataError


def read_parquet(file: SourceFile, wanted: WantedColumns) -> Iterator[RawRows]:
    """Reads rows, nested values as lists and dicts.

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
            number = 1
            for batch in parquet.iter_batches(BATCH_ROWS, columns=chosen):
                columns = {name: batch.column(name).to_pylist() for name in chosen}
                yield RawRows(columns, range(number, number + batch.num_rows))
                number += batch.num_rows
        except pa.ArrowInvalid as error:
            raise DataError(
                f"not a readable Parquet file: {error}",
                file=file.name,
                remedy="fetch it again, or set data.format.kind if this is another format",
            ) from error
