"""Files of lines: a text on each, and aligned files such as translations beside them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from itertools import islice

from pipeline.config.data import FormatConfig
from pipeline.data.sources.opened import open_text, reading
from pipeline.data.sources.raw import BATCH_ROWS, RawRows, SourceFile, WantedColumns
from pipeline.errors import DataError

LINE = "text"
"""The raw column that a file's own lines become."""


def read_lines(
    files: Mapping[str, SourceFile], options: FormatConfig, wanted: WantedColumns
) -> Iterator[RawRows]:
    """Reads one row a line; an empty line is an empty text, so that aligned files stay in step.

    Where no file is aligned, empty lines stand between texts or paragraphs and are skipped.

    Args:
        files: The file whose rows these are, as `LINE`, and those aligned with it, each by the raw
            column that it becomes.
        options: The encoding.
        wanted: Which columns.

    Raises:
        DataError: If the files have different numbers of lines, or a column is missing.
    """
    first, *others = files.values()
    chosen = wanted.choose(list(files), first.name, hint=_hint(files))
    counts = {file.name: _count(file, options.encoding) for file in (first, *others)}
    for other in others:
        if counts[other.name] != counts[first.name]:
            raise DataError(
                f"has {counts[first.name]:,} lines, but {other.name}, which is aligned with it, "
                f"has {counts[other.name]:,}",
                file=first.name,
                remedy="take both from the same release, and look for a line break inside a text "
                "or a line that is missing",
            )
    with ExitStack() as stack:
        streams = {}
        for name in chosen:
            stack.enter_context(reading(files[name], options.encoding))
            streams[name] = stack.enter_context(open_text(files[name], options.encoding))
        number = 1
        while True:
            columns = {
                name: [line.rstrip("\n") for line in islice(stream, BATCH_ROWS)]
                for name, stream in streams.items()
            }
            rows = len(next(iter(columns.values()), []))
            if not rows:
                return
            kept = [row for row in range(rows) if others or columns[LINE][row].strip()]
            yield RawRows(
                {name: [values[row] for row in kept] for name, values in columns.items()},
                [number + row for row in kept],
            )
            number += rows


def _count(file: SourceFile, encoding: str) -> int:
    with reading(file, encoding), open_text(file, encoding) as stream:
        return sum(1 for _ in stream)


def _hint(files: Mapping[str, SourceFile]) -> str | None:
    if len(files) > 1:
        return None
    return (
        "name the file whose lines it is under `aligned`, such as "
        "data.files.train.aligned.target.path, or set data.format.kind if the lines have columns"
    )
