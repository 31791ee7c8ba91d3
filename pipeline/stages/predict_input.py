"""Inputs to predict for: from arguments, a file or standard input, a window at a time."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from pipeline.errors import DataError, did_you_mean

WINDOW_BYTES = 2**18
"""Most bytes read at once; the lines in them are predicted together."""
LONGEST_LINE_BYTES = 2**24
"""A longer line is refused: such a file is not one of texts."""

_SUFFIXES = (".txt", ".jsonl")

Record = dict[str, str]
"""The inputs of a row by name."""


class ByteStream(Protocol):
    """A buffered stream of bytes."""

    def read1(self, size: int, /) -> bytes:
        """Reads what is there, `size` bytes at most; waits only where there is nothing."""
        ...


@dataclass(frozen=True)
class Source:
    """Where texts are read from.

    Attributes:
        name: For messages.
        stream: Its bytes.
        keys: The key of each input in an object.
        is_json: Whether each line is a JSON object; if not, it is the text of the only input.
    """

    name: str
    stream: ByteStream
    keys: Mapping[str, str]
    is_json: bool


def given_records(texts: Sequence[str], keys: Mapping[str, str]) -> list[Record]:
    """What the command line gives: texts, or a JSON object for each row of several inputs.

    Args:
        texts: The arguments.
        keys: The key of each input in an object.

    Raises:
        DataError: If one is not valid Unicode, or no such object.
    """
    if len(keys) > 1:
        return [
            _record(text, keys, "arguments", row) if text.strip() else dict.fromkeys(keys, "")
            for row, text in enumerate(texts, 1)
        ]
    (name,) = keys
    return [{name: _valid(text, "arguments", row)} for row, text in enumerate(texts, 1)]


@contextmanager
def open_source(file: Path, keys: Mapping[str, str]) -> Iterator[Source]:
    """Opens a file of inputs.

    Args:
        file: `.txt` with a text on each line, `.jsonl` with an object on each, either with `.gz`.
        keys: The key of each input in an object.

    Raises:
        DataError: If it is missing, a directory, not readable, or of another kind.
    """
    packed = file.suffix == ".gz"
    suffix = file.with_suffix("").suffix if packed else file.suffix
    if suffix == ".txt" and len(keys) > 1:
        raise DataError(
            f"a row has {len(keys)} inputs, {' and '.join(keys)}, but a line of .txt is one text",
            file=str(file),
            remedy="save it as .jsonl, one object with these keys in each line",
        )
    if suffix not in _SUFFIXES:
        raise DataError(
            f"texts are read from .txt and .jsonl, each also with .gz, not from {suffix or 'this'}",
            file=str(file),
            remedy="save it as .jsonl, one object with the text in each line",
        )
    try:
        raw = file.open("rb")
    except OSError as error:
        raise DataError(
            f"cannot be read: {error.strerror or error}",
            file=str(file),
            remedy="check the path and its permissions",
        ) from error
    with raw:
        stream: ByteStream = gzip.GzipFile(fileobj=raw) if packed else raw
        yield Source(str(file), stream, keys, is_json=suffix == ".jsonl")


def windows(source: Source) -> Iterator[list[Record]]:
    """Reads rows, as many at a time as are there; from a pipe none waits for the next.

    A line of white space gives empty texts, so that rows stay in step.

    Raises:
        DataError: With the row that is not UTF-8, not an object, or lacks the field.
    """
    row = 0
    for lines in _lines(source):
        yield [_row(line, source, row + number) for number, line in enumerate(lines, 1)]
        row += len(lines)


def _lines(source: Source) -> Iterator[list[bytes]]:
    rest = b""
    for number, part in enumerate(_parts(source)):
        if number == 0:
            part = part.removeprefix(b"\xef\xbb\xbf")  # noqa: PLW2901
        *lines, rest = (rest + part).split(b"\n")
        if len(rest) > LONGEST_LINE_BYTES:
            raise DataError(
                f"a line has more than {LONGEST_LINE_BYTES:,} bytes: this is no file of texts",
                file=source.name,
                remedy="put each text on a line of its own",
            )
        if lines:
            yield lines
    if rest:
        yield [rest]


def _parts(source: Source) -> Iterator[bytes]:
    try:
        while part := source.stream.read1(WINDOW_BYTES):
            yield part
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise DataError(
            f"is not a whole gzip file: {error}", file=source.name, remedy="pack it again"
        ) from error


def _row(line: bytes, source: Source, row: int) -> Record:
    try:
        text = line.decode("utf-8")
    except UnicodeDecodeError as error:
        raise DataError(
            f"is not UTF-8: byte 0x{line[error.start]:02x} at place {error.start + 1} of the line",
            file=source.name,
            row=row,
            remedy="convert it: iconv -f <its encoding> -t utf-8",
        ) from error
    if not text or text.isspace():
        return dict.fromkeys(source.keys, "")
    if not source.is_json:
        return dict.fromkeys(source.keys, text.rstrip("\r"))
    return _record(text, source.keys, source.name, row)


def _record(line: str, keys: Mapping[str, str], name: str, row: int) -> Record:
    try:
        value: Any = json.loads(line)
    except ValueError as error:
        raise DataError(
            f"is not JSON: {error}",
            file=name,
            row=row,
            remedy="write one object a line, or name the file .txt if its lines are the texts"
            if len(keys) == 1
            else f"write an object with the keys {' and '.join(keys.values())} for each row",
        ) from error
    if not isinstance(value, dict):
        raise DataError(
            f"must be a JSON object, got {type(value).__name__}",
            file=name,
            row=row,
            remedy="write "
            + json.dumps(dict.fromkeys(keys.values(), "…"), ensure_ascii=False)
            + " on each line",
        )
    named = "name the text's field with --field"
    if len(keys) > 1:
        named = f"write an object with the keys {' and '.join(keys.values())} for each row"
    return {
        name_of: _valid(_field(value, key, name, row, named), name, row)
        for name_of, key in keys.items()
    }


def _field(value: Mapping[str, Any], field: str, name: str, row: int, named: str) -> str:
    if field not in value:
        raise DataError(
            f"has no field {field!r}",
            file=name,
            row=row,
            remedy=f"{named}: {did_you_mean(field, value)}",
        )
    text = value[field]
    if text is None:
        return ""
    if isinstance(text, list) and text and all(isinstance(turn, dict) for turn in text):
        return json.dumps(text, ensure_ascii=False)  # a chat
    if not isinstance(text, str):
        raise DataError(
            f"the field {field!r} must hold a text, got {type(text).__name__} {text!r:.40}",
            file=name,
            row=row,
            remedy=f"{named}, or write the value in quotes",
        )
    return text


def _valid(text: str, name: str, row: int) -> str:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise DataError(
            f"is not valid Unicode: half a surrogate pair at character {error.start + 1}",
            file=name,
            row=row,
            remedy="save the text as UTF-8",
        ) from error
    return text
