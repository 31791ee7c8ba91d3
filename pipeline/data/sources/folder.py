"""A directory or archive whose files are the rows and whose folders are their labels."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath

from pipeline.data.media import MediaSource
from pipeline.data.sources.raw import BATCH_ROWS, RawRows, WantedColumns

FILE, FOLDER = "file", "folder"
"""Raw columns: the path within the source, and the name of the folder that holds the file."""


def read_folder(source: MediaSource, wanted: WantedColumns) -> Iterator[RawRows]:
    """Reads one row for each file, in the order of their paths; numbers count them from 1.

    A file in no folder has None for it.

    Raises:
        DataError: If a column is needed that a folder does not have.
    """
    chosen = wanted.choose((FILE, FOLDER), source.name)
    for start in range(0, len(source.names), BATCH_ROWS):
        names = source.names[start : start + BATCH_ROWS]
        columns = {FILE: names, FOLDER: [PurePosixPath(name).parent.name or None for name in names]}
        yield RawRows(
            {name: columns[name] for name in chosen}, range(start + 1, start + 1 + len(names))
        )
