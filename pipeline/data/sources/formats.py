"""Chooses the reader of a raw file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePath

from pipeline.config.data import FormatConfig
from pipeline.data.sources.conll import read_conll
from pipeline.data.sources.delimited import read_delimited
from pipeline.data.sources.json_files import read_json, read_json_lines, read_span_json
from pipeline.data.sources.parquet import read_parquet
from pipeline.data.sources.raw import RawRows, SourceFile, WantedColumns
from pipeline.errors import DataError, did_you_mean

KINDS = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".tab": "tsv",
    ".json": "json",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".parquet": "parquet",
    ".conll": "conll",
    ".bio": "conll",
    ".bmes": "conll",
    ".bioes": "conll",
}
"""Format by the file name's ending."""


def format_kind(path: str, options: FormatConfig) -> str:
    """The format of a file: the one configured, otherwise that of the file name's ending.

    Raises:
        DataError: If the ending says nothing.
    """
    if options.kind is not None:
        return options.kind
    name = PurePath(path.removesuffix(".gz").removesuffix(".GZ"))
    ending = name.suffix.lower()
    if ending not in KINDS:
        raise DataError(
            f"the ending {ending!r} does not tell the format",
            file=path,
            remedy="set data.format.kind: lines (a text on each line), tsv or csv (columns), "
            "conll (a token and its tag on each line), json, jsonl, span_json, parquet or folder; "
            + did_you_mean(ending, KINDS),
        )
    return KINDS[ending]


def read_rows(
    file: SourceFile, kind: str, options: FormatConfig, wanted: WantedColumns
) -> Iterator[RawRows]:
    """Reads a file, a batch of rows at a time.

    Args:
        file: A checked file.
        kind: What `format_kind` says.
        options: How to read it.
        wanted: Which columns.

    Raises:
        DataError: If the file cannot be read so; the error names the row and the remedy.
    """
    if kind in {"csv", "tsv"}:
        delimiter = options.delimiter or {"csv": ",", "tsv": "\t"}[kind]
        return read_delimited(file, options, wanted, delimiter=delimiter)
    if kind == "parquet":
        return read_parquet(file, wanted)
    readers = {
        "json": read_json,
        "jsonl": read_json_lines,
        "span_json": read_span_json,
        "conll": read_conll,
    }
    return readers[kind](file, options, wanted)
