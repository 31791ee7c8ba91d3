"""Rows on their way from raw files to encoded splits: on disk and memory-mapped, not in memory."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import pyarrow as pa

from pipeline.artifacts import cannot_write
from pipeline.data.splits import Assignment
from pipeline.data.store import SPLITS


def stage(batches: Iterable[pa.Table], path: Path) -> pa.Table:
    """Writes batches to an Arrow file as they come and maps it.

    Args:
        batches: At least one table; all have the columns of the first.
        path: The file to write.

    Raises:
        EnvironmentProblem: If the machine refuses, for want of space or permission.
    """
    writer: pa.RecordBatchFileWriter | None = None
    for batch in batches:
        try:
            if writer is None:
                writer = pa.ipc.new_file(str(path), batch.schema)
            writer.write_table(batch)
        except OSError as error:
            raise cannot_write(path, error) from error
    assert writer is not None
    try:
        writer.close()
    except OSError as error:
        raise cannot_write(path, error) from error
    return mapped(path)


def mapped(path: Path) -> pa.Table:
    """The rows of an Arrow file, which cost no memory until they are read."""
    return pa.ipc.open_file(pa.memory_map(str(path))).read_all()


def divide(rows: pa.Table, assignment: Assignment, directory: Path) -> Mapping[str, pa.Table]:
    """Writes each split's rows to a file of its own, in their order.

    Args:
        rows: Staged rows.
        assignment: The split of each row, a number of `SPLITS`.
        directory: Where the files go.

    Returns:
        The splits that have rows, memory-mapped.

    Raises:
        EnvironmentProblem: If the machine refuses.
    """

    def part(number: int) -> Iterable[pa.Table]:
        start = 0
        for batch in rows.to_batches():
            here = assignment[start : start + batch.num_rows] == number
            yield pa.Table.from_batches([batch.filter(pa.array(here))])
            start += batch.num_rows

    return {
        name: stage(part(number), directory / f"{name}.arrow")
        for number, name in enumerate(SPLITS)
        if (assignment == number).any()
    }
