"""JSON Lines and JSON files."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

from pipeline.config.data import FormatConfig
from pipeline.data.sources.opened import open_text, reading
from pipeline.data.sources.raw import BATCH_ROWS, RawRows, SourceFile, WantedColumns
from pipeline.errors import DataError

Numbered = tuple[int, dict[str, Any]]


def read_json_lines(
    file: SourceFile, options: FormatConfig, wanted: WantedColumns
) -> Iterator[RawRows]:
    """Reads one object a line; empty lines are skipped, and an absent key is None.

    Raises:
        DataError: If a line is not an object, or no row of the first batch has a needed column.
    """
    return _batched(_lines(file, options), file, wanted)


def read_json(file: SourceFile, options: FormatConfig, wanted: WantedColumns) -> Iterator[RawRows]:
    """Reads a list of objects; the whole file is in memory at once.

    Raises:
        DataError: If the file is anything else, or no row of the first batch has a needed column.
    """
    return _batched(_elements(file, options), file, wanted)


def read_span_json(
    file: SourceFile, options: FormatConfig, wanted: WantedColumns
) -> Iterator[RawRows]:
    """Reads either of both: a file that begins with `[` is a list of objects."""
    with reading(file, options.encoding), open_text(file, options.encoding) as stream:
        begin = next((line.lstrip()[0] for line in stream if line.strip()), "")
    return (read_json if begin == "[" else read_json_lines)(file, options, wanted)


def _lines(file: SourceFile, options: FormatConfig) -> Iterator[Numbered]:
    with reading(file, options.encoding), open_text(file, options.encoding) as stream:
        for number, line in enumerate(stream, 1):
            if not line.strip():
                continue
            try:
                value = json.loads(line)
            except ValueError as error:
                raise DataError(
                    f"the line is not valid JSON: {error}",
                    file=file.name,
                    row=number,
                    remedy="the file is one list of objects: set data.format.kind=json"
                    if number == 1 and line.lstrip().startswith("[")
                    else "correct the line; each must be one JSON object",
                ) from error
            yield number, _object(value, file, number)


def _elements(file: SourceFile, options: FormatConfig) -> Iterator[Numbered]:
    with reading(file, options.encoding), open_text(file, options.encoding) as stream:
        text = stream.read()
    try:
        values = json.loads(text)
    except json.JSONDecodeError as error:
        raise DataError(
            f"not valid JSON: {error.msg} in column {error.colno}",
            file=file.name,
            row=error.lineno,
            remedy="the file is one object a line: set data.format.kind=jsonl"
            if error.msg == "Extra data"
            else "correct the file; it must be one list of objects",
        ) from error
    if not isinstance(values, list):
        raise DataError(
            f"the file must be a list of objects, got {_kind(values)}",
            file=file.name,
            remedy="set data.format.kind=jsonl if each line is an object"
            if isinstance(values, dict)
            else "write the rows as a list of objects",
        )
    for number, value in enumerate(values, 1):
        yield number, _object(value, file, number)


def _object(value: Any, file: SourceFile, number: int) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise DataError(
            f"a row must be a JSON object, got {_kind(value)}",
            file=file.name,
            row=number,
            remedy="the file is one list of objects: set data.format.kind=json"
            if number == 1 and isinstance(value, list)
            else 'write it as an object, for example {"text": "…", "label": "…"}',
        )
    return value


def _kind(value: Any) -> str:
    return {dict: "an object", list: "a list", str: "a string", type(None): "null"}.get(
        type(value), "a number or a truth value"
    )


def _batched(
    rows: Iterator[Numbered], file: SourceFile, wanted: WantedColumns
) -> Iterator[RawRows]:
    chosen: Sequence[str] | None = None
    while batch := list(islice(rows, BATCH_ROWS)):
        if chosen is None:
            present = dict.fromkeys(key for _, row in batch for key in row)
            wanted.choose(list(present), file.name)
            chosen = list(dict.fromkeys([*wanted.needed.values(), *wanted.optional]))
        yield RawRows(
            {name: [row.get(name) for _, row in batch] for name in chosen},
            [number for number, _ in batch],
        )
