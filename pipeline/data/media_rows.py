"""Columns of recordings and pictures: names and files in rows, read and checked."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

import pyarrow as pa

from pipeline.data.content_store import ContentStore
from pipeline.data.held import HOW_TO_HOLD, Held, opened
from pipeline.data.media import MediaSource, read_media
from pipeline.data.rules import RuleError
from pipeline.errors import ConfigError, DataError, Problem
from pipeline.tasks.base import Column, Kind
from pipeline.tasks.columns import CONTENT_TYPE, media_columns

UNREADABLE, OTHER_FILE = "unreadable", "other file"
"""Why a row is left out: its file is missing or damaged, or of no ending that its kind has."""
ENDINGS: Mapping[Kind, frozenset[str]] = {
    "image": frozenset({".jpg", ".jpeg", ".png", ".bmp", ".gif", ".webp", ".tif", ".tiff"}),
    "audio": frozenset({".wav", ".flac", ".mp3", ".ogg", ".oga", ".opus", ".aif", ".aiff"}),
}
"""What a folder's files of each kind end in."""
_MOST_NAMED = 20
_THREADS = 4


def check_content(kind: Kind, content: bytes) -> None:
    """Decodes the content of a file to see whether it is whole.

    Raises:
        DataError: Without file and row, if it is not.
    """
    if not content:
        raise DataError("the file is empty", remedy="fetch it again, or leave it out")
    if kind in _CHECKS:
        _CHECKS[kind](content)


def _image(content: bytes) -> None:
    from pipeline.images.decoding import check_image

    check_image(content)


def _audio(content: bytes) -> None:
    from pipeline.audio.decoding import check

    check(content)


_CHECKS: Mapping[Kind, Callable[[bytes], None]] = {"image": _image, "audio": _audio}
"""What decodes a content of each kind."""


@dataclass(frozen=True)
class _Found:
    """A row's file: its canonical value, or what is wrong with it."""

    value: Mapping[str, Any] | None = None
    reason: str = UNREADABLE
    error: DataError | None = None


@dataclass
class MediaReader:
    """Reads and checks the files that rows name or hold, several at a time.

    Attributes:
        columns: The task's; those of media are read.
        fatal: Whether a bad file is an error; otherwise its row is left out.
        contents: Keeps the files that rows hold, for `with_contents`; None where nobody asks.
        bad: Names and reasons of the first bad files.
    """

    columns: Sequence[Column]
    fatal: bool = False
    contents: ContentStore | None = None
    bad: list[dict[str, Any]] = field(default_factory=list)

    def read(
        self,
        rows: Sequence[dict[str, Any]],
        numbers: Sequence[int],
        source: MediaSource | None,
        *,
        file: str,
        is_folder: bool,
    ) -> tuple[list[dict[str, Any]], dict[str, int]]:
        """Replaces names and files by canonical values: path, SHA-256 and size.

        Args:
            rows: Rows with `id`, whose columns of media hold names or files.
            numbers: Their numbers in the file.
            source: Where the files lie that rows name; None where they hold them.
            file: What the rows were read from.
            is_folder: Whether the rows are the source's files, of which others are left out.

        Returns:
            The rows whose files are sound, and how many others there are, by reason.

        Raises:
            ConfigError: If rows name files and nothing says where these lie.
            DataError: If a file is bad and that is fatal.
        """
        left_out: dict[str, int] = {}
        kept = list(zip(rows, numbers, strict=True))
        for column in media_columns(self.columns):
            if not kept:
                continue
            values = [row[column.name] for row, _ in kept]
            if source is None and all(map(_is_name, values)):
                raise _no_place(column, values[0])
            look = partial(
                _look,
                kind=column.kind,
                source=source,
                any_ending=not is_folder,
                contents=self.contents,
            )
            with ThreadPoolExecutor(_THREADS) as pool:
                found = list(pool.map(look, values, [str(row["id"]) for row, _ in kept]))
            sound = []
            for (row, number), one in zip(kept, found, strict=True):
                if one.value is not None:
                    sound.append(({**row, column.name: one.value}, number))
                    continue
                left_out[one.reason] = left_out.get(one.reason, 0) + 1
                if one.error is not None:
                    self._reject(_name(row[column.name], row["id"]), one.error, file, number)
            kept = sound
        return [row for row, _ in kept], left_out

    def _reject(self, name: str, error: DataError, file: str, number: int) -> None:
        if self.fatal:
            own = "" if name == f"{file}:{number}" else f"{name}: "
            raise DataError(
                f"{own}{error.message}",
                file=file,
                row=number,
                remedy=f"{error.remedy}; data.bad_media=skip leaves such rows out",
            ) from error
        if len(self.bad) < _MOST_NAMED:
            self.bad.append({"file": name, "row": f"{file}:{number}", "reason": error.message})


def _look(
    value: Any,
    row_id: str,
    *,
    kind: Kind,
    source: MediaSource | None,
    any_ending: bool,
    contents: ContentStore | None,
) -> _Found:
    try:
        if not any_ending and PurePosixPath(value).suffix.lower() not in ENDINGS[kind]:
            return _Found(reason=OTHER_FILE)
        name, content = opened(value, row_id, source)
        check_content(kind, content)
    except RuleError as error:
        return _Found(error=DataError(str(error), remedy=error.remedy))
    except DataError as error:
        return _Found(error=error)
    digest = hashlib.sha256(content).hexdigest()
    if contents is not None and not _is_name(value):
        contents.add(digest, content)
    return _Found({"path": name, "sha256": digest, "size": len(content)})


def _is_name(value: Any) -> bool:
    return not isinstance(value, Held) or value.content is None


def _name(value: Any, row_id: str) -> str:
    named = value.path if isinstance(value, Held) else value
    return named if isinstance(named, str) else row_id


def _no_place(column: Column, value: Any) -> ConfigError:
    if not isinstance(value, str | Held):
        what = f"the column must hold files or their names, got {str(value)[:80]}"
        return ConfigError([Problem(f"data.columns.{column.name}", what, remedy=HOW_TO_HOLD)])
    without = " without their bytes" if isinstance(value, Held) else ""
    what = (
        f"the column {column.name} names files such as {_name(value, '')[:80]!r}{without}, and "
        "nothing says where they lie"
    )
    return ConfigError([Problem("data.media", what, remedy=HOW_TO_HOLD)])


def content_again(value: Mapping[str, Any], root: Path) -> bytes:
    """The content of a file that was prepared, read anew.

    Args:
        value: The canonical value: path, SHA-256 and size.
        root: The project's root.

    Raises:
        DataError: If the path leads to no file or another one, as that of a file that lay inside a
            row does.
    """
    content = read_media(value["path"], root)
    if hashlib.sha256(content).hexdigest() != value["sha256"]:
        raise DataError(
            "this is not the file that was prepared",
            file=value["path"],
            remedy="fetch it again, or prepare again",
        )
    return content


def content_of(value: str | bytes, kind: Kind, root: Path) -> dict[str, Any]:
    """A recording or picture to predict for, read and checked.

    Args:
        value: A path, or the content itself.
        kind: What it has to be.
        root: Where paths start.

    Returns:
        A value of `CONTENT_TYPE`; the path of a bare content is empty.

    Raises:
        DataError: If it does not exist or is damaged.
    """
    path, content = ("", value) if isinstance(value, bytes) else (value, read_media(value, root))
    check_content(kind, content)
    return {"path": path, "bytes": content}


def with_contents(
    rows: pa.Table,
    columns: Sequence[Column],
    root: Path,
    contents: ContentStore | None = None,
) -> pa.Table:
    """The rows as a task encodes them: in columns of media the path and the bytes.

    Args:
        rows: Canonical rows.
        columns: The task's.
        root: The project's root.
        contents: The files that rows held themselves.

    Raises:
        DataError: If a file is no longer there.
    """
    for column in media_columns(columns):
        values = rows[column.name].to_pylist()
        made = pa.array(
            [{"path": one["path"], "bytes": _content(one, root, contents)} for one in values],
            CONTENT_TYPE,
        )
        rows = rows.set_column(rows.column_names.index(column.name), column.name, made)
    return rows


def _content(value: Mapping[str, Any], root: Path, contents: ContentStore | None) -> bytes:
    held = None if contents is None else contents.get(value["sha256"])
    return read_media(value["path"], root) if held is None else held
