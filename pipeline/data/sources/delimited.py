"""CSV and TSV files, by Arrow's reader."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.csv as pacsv

from pipeline.config.data import FormatConfig
from pipeline.data.sources.opened import open_bytes, open_text, reading, undecodable
from pipeline.data.sources.raw import BATCH_ROWS, RawRows, SourceFile, WantedColumns
from pipeline.errors import DataError

BLOCK_BYTES = 16 * 2**20
"""Bytes parsed together; no row may be longer."""
DELIMITERS = {",": "a comma", "\t": "a tab", ";": "a semicolon", "|": "a vertical bar"}


def read_delimited(
    file: SourceFile, options: FormatConfig, wanted: WantedColumns, *, delimiter: str
) -> Iterator[RawRows]:
    """Reads rows; all values are strings, and a field with nothing in it is None.

    Args:
        file: The file.
        options: Encoding, quoting and the columns' names where there is no header.
        wanted: Which columns.
        delimiter: What separates columns.

    Raises:
        DataError: If a column is missing, a row has more or fewer fields than others, a quote is
            never closed, or the bytes are not text.
    """
    csv.field_size_limit(BLOCK_BYTES)
    with reading(file, options.encoding):
        names = options.column_names or _header(file, options, delimiter)
        chosen = wanted.choose(
            names, file.name, hint=_other_delimiter(file, options, wanted, names)
        )
        # A quote that is never closed shows nowhere but in the last column of the last row.
        read = list(dict.fromkeys([*chosen, names[-1]]))
        number = 1 if options.column_names else 2
        last: dict[str, Any] = {}
        for batch in _batches(file, options, names, read, delimiter):
            for start in range(0, batch.num_rows, BATCH_ROWS):
                part = batch.slice(start, BATCH_ROWS)
                columns = {name: part.column(name).to_pylist() for name in read}
                yield RawRows(
                    {name: columns[name] for name in chosen},
                    range(number, number + part.num_rows),
                )
                number += part.num_rows
                last = {name: values[-1] for name, values in columns.items()}
        if options.quoting and "\n" in (last.get(names[-1]) or "") and not _ends_quoted(file):
            raise DataError(
                'a quote (") is opened and never closed, so the rest of the file became one field',
                file=file.name,
                row=number - 1,
                remedy="close the quote, or set data.format.quoting=false if quotes are plain text",
            )


def _header(file: SourceFile, options: FormatConfig, delimiter: str) -> tuple[str, ...]:
    with open_text(file, options.encoding) as stream:
        names = next((names for names in _records(stream, options, delimiter) if names), None)
    if names is None:
        raise DataError("the file is empty", file=file.name, remedy="it should hold rows")
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise DataError(
            f"the header names a column twice: {', '.join(map(repr, repeated))}",
            file=file.name,
            row=1,
            remedy="rename one; for a file without a header give data.format.column_names",
        )
    return tuple(names)


def _records(stream: Any, options: FormatConfig, delimiter: str) -> Iterator[list[str]]:
    if options.quoting:
        return iter(csv.reader(stream, delimiter=delimiter))
    return iter(csv.reader(stream, delimiter=delimiter, quoting=csv.QUOTE_NONE))


def _other_delimiter(
    file: SourceFile, options: FormatConfig, wanted: WantedColumns, names: Sequence[str]
) -> str | None:
    """Which delimiter would give the needed columns, where a header became one column."""
    if options.column_names or len(names) > 1:
        return None
    for other, word in DELIMITERS.items():
        if other in names[0] and set(wanted.needed.values()) <= set(_header(file, options, other)):
            return _set_delimiter(other, word)
    return None


def _set_delimiter(delimiter: str, word: str) -> str:
    shown = delimiter.replace("\t", "\\t")
    return f'{word} separates the columns: set data.format.delimiter="{shown}"'


def _batches(
    file: SourceFile,
    options: FormatConfig,
    names: Sequence[str],
    read: Sequence[str],
    delimiter: str,
) -> Iterator[pa.RecordBatch]:
    broken: list[pacsv.InvalidRow] = []

    def refuse(row: pacsv.InvalidRow) -> str:
        broken.append(row)
        return "error"

    try:
        with open_bytes(file) as stream:
            yield from pacsv.open_csv(
                stream,
                read_options=pacsv.ReadOptions(
                    use_threads=False,  # otherwise broken rows have no number
                    block_size=BLOCK_BYTES,
                    encoding=options.encoding,
                    column_names=options.column_names,
                ),
                parse_options=pacsv.ParseOptions(
                    delimiter=delimiter,
                    quote_char='"' if options.quoting else False,
                    newlines_in_values=options.quoting,
                    invalid_row_handler=refuse,
                ),
                convert_options=pacsv.ConvertOptions(
                    include_columns=list(read),
                    column_types=dict.fromkeys(read, pa.string()),
                    null_values=[""],
                    strings_can_be_null=True,
                    quoted_strings_can_be_null=False,
                ),
            )
    except pa.ArrowInvalid as error:
        if broken:
            raise _ragged(file, broken[0], options, delimiter) from error
        if "UTF8" in str(error):
            raise undecodable(file, options.encoding) from error
        if "straddling" in str(error):
            raise DataError(
                f"a row is longer than {BLOCK_BYTES // 2**20} MiB",
                file=file.name,
                remedy='look for a quote (") that is never closed, or set '
                "data.format.quoting=false if quotes are plain text",
            ) from error
        raise DataError(
            f"not readable as {len(names)} columns: {error}",
            file=file.name,
            remedy="look at data.format",
        ) from error


def _ragged(
    file: SourceFile, row: pacsv.InvalidRow, options: FormatConfig, delimiter: str
) -> DataError:
    shown = row.text if len(row.text) <= 80 else row.text[:80] + "…"
    remedy = "correct the row"
    fitting = [
        (other, word)
        for other, word in DELIMITERS.items()
        if other != delimiter and row.text.count(other) == row.expected_columns - 1
    ]
    if row.actual_columns == 1 and fitting:
        remedy = _set_delimiter(*fitting[0])
    elif '"' in row.text and options.quoting:
        remedy += '; if quotes (") are plain text in this file, set data.format.quoting=false'
    elif '"' in row.text:
        remedy += '; if quotes (") frame fields in this file, set data.format.quoting=true'
    elif row.actual_columns > row.expected_columns:
        remedy += ": a field that holds the delimiter must stand in quotes"
    return DataError(
        f"has {row.actual_columns} fields, where {row.expected_columns} are expected: {shown!r}",
        file=file.name,
        row=row.number,
        remedy=remedy,
    )


def _ends_quoted(file: SourceFile) -> bool:
    """Whether the file's last character, line ends aside, is a quote."""
    last = b""
    with open_bytes(file) as stream:
        while part := stream.read(BLOCK_BYTES):
            last = part.rstrip(b"\r\n\0")[-1:] or last
    return last == b'"'
