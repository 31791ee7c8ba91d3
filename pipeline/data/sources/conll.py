"""Column files: one token and its tag a line, an empty line between sentences."""

from __future__ import annotations

from collections.abc import Iterator

from pipeline.config.data import FormatConfig
from pipeline.data.sources.opened import open_text, reading
from pipeline.data.sources.raw import BATCH_ROWS, RawRows, SourceFile, WantedColumns
from pipeline.errors import DataError

DOCUMENT = "-DOCSTART-"
TOKENS, TAGS = "tokens", "tags"


def read_conll(file: SourceFile, options: FormatConfig, wanted: WantedColumns) -> Iterator[RawRows]:
    """Reads sentences: each row has a list of values for each column.

    Without `data.format.column_names` the first column is `tokens` and the last is `tags`. Lines
    that begin with -DOCSTART- are skipped.

    Raises:
        DataError: If a line has more or fewer columns than the first.
    """
    names = options.column_names
    chosen: list[str] = []
    places: list[int] = []
    columns: dict[str, list[list[str]]] = {}
    numbers: list[int] = []
    for start, lines in _sentences(file, options):
        if not chosen:
            width = len(lines[0])
            if names is None and width < 2:
                raise DataError(
                    f"has one column, where a token and its tag are expected: {lines[0][0]!r}",
                    file=file.name,
                    row=start,
                    remedy="set data.format.delimiter, or data.format.kind for another format",
                )
            known = dict(enumerate(names)) if names else {0: TOKENS, width - 1: TAGS}
            chosen = wanted.choose(list(known.values()), file.name)
            places = [place for name in chosen for place, other in known.items() if other == name]
            width = len(names) if names else width
            columns = {name: [] for name in chosen}
        for shift, line in enumerate(lines):
            if len(line) != width:
                raise DataError(
                    f"has {len(line)} columns, where {width} are expected: {' '.join(line)!r}",
                    file=file.name,
                    row=start + shift,
                    remedy="correct the line; no token may hold data.format.delimiter",
                )
        for name, place in zip(chosen, places, strict=True):
            columns[name].append([line[place] for line in lines])
        numbers.append(start)
        if len(numbers) == BATCH_ROWS:
            yield RawRows(columns, numbers, row_per_token=True)
            columns, numbers = {name: [] for name in chosen}, []
    if numbers:
        yield RawRows(columns, numbers, row_per_token=True)


def _sentences(file: SourceFile, options: FormatConfig) -> Iterator[tuple[int, list[list[str]]]]:
    """The number of each sentence's first line, and its lines' columns."""
    with reading(file, options.encoding), open_text(file, options.encoding) as stream:
        start = 1
        lines: list[list[str]] = []
        for number, line in enumerate(stream, 1):
            fields = line.rstrip("\n").split(options.delimiter) if line.strip() else []
            if not fields or fields[0] == DOCUMENT:
                if lines:
                    yield start, lines
                start, lines = number + 1, []
            else:
                lines.append(fields)
        if lines:
            yield start, lines
