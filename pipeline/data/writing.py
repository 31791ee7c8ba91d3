"""Streams encoded rows to disk."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Self

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.artifacts import cannot_write
from pipeline.data.fingerprint import ColumnHasher


class SplitWriter:
    """Streams one split to an Arrow IPC file, so that memory holds one chunk at a time.

    Args:
        path: The file to write.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.num_rows = 0
        self.num_tokens = 0
        """Tokens or frames kept."""
        self._hasher = ColumnHasher()
        self._writer: pa.RecordBatchFileWriter | None = None

    def write(self, rows: pa.Table) -> None:
        """Appends encoded rows as one record batch; even an empty table sets the columns.

        Raises:
            EnvironmentProblem: If the machine refuses, for want of space or permission.
        """
        rows = rows.combine_chunks()
        try:
            if self._writer is None:
                self._writer = pa.ipc.new_file(str(self.path), rows.schema)
            self._writer.write_table(rows)
        except OSError as error:
            raise cannot_write(self.path, error) from error
        self._hasher.update(rows)
        self.num_rows += rows.num_rows
        self.num_tokens += pc.sum(rows["length"]).as_py() or 0

    @property
    def content_hash(self) -> str:
        """SHA-256 of the rows written so far."""
        return self._hasher.hexdigest()

    def close(self) -> None:
        """Completes the file.

        Raises:
            EnvironmentProblem: If the machine refuses.
        """
        if self._writer is not None:
            try:
                self._writer.close()
            except OSError as error:
                raise cannot_write(self.path, error) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
