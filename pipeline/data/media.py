"""Directories and archives of recordings and pictures: what is in them, found and read by name."""

from __future__ import annotations

import os
import zipfile
import zlib
from collections import defaultdict
from collections.abc import Iterable, Mapping
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import Protocol

from pipeline.data.rules import RuleError
from pipeline.errors import DataError, did_you_mean

LARGEST_BYTES = 2**29
"""A recording or picture of more bytes is refused."""
_HIDDEN = ("__MACOSX",)
_UTF8_NAME, _ENCRYPTED = 0x800, 0x1
"""Bits of a zip entry's flags."""
_MOST_SUGGESTIONS = 20
"""Names looked for by likeness, which costs time, in one source."""


class _Reader(Protocol):
    """Gives the content of a file by its path in a source."""

    @property
    def names(self) -> Iterable[str]: ...

    def read(self, name: str) -> bytes: ...


class MediaSource:
    """A directory or a .zip whose files are found by name.

    Args:
        path: Where it lies.
        name: The path as the user wrote it.
        version: A hash of its content.

    Attributes:
        names: The path within the source of each file, sorted; hidden ones are left out.

    Raises:
        DataError: If the archive is damaged, or nothing is in it.
    """

    def __init__(self, path: Path, name: str, version: str = "") -> None:
        self.name = name
        self.version = version
        own = Path(os.path.abspath(path))  # noqa: PTH100 (resolve follows links)
        self._places = {own.as_posix(), path.resolve().as_posix()}
        self._reader: _Reader = _directory(path) if path.is_dir() else _archive(path, name)
        self.names = tuple(sorted(one for one in self._reader.names if not _is_hidden(one)))
        if not self.names:
            raise DataError("no file is in it", file=name, remedy="fetch it again; it is empty")
        self._known = frozenset(self.names)
        self._by_name: dict[str, list[str]] = defaultdict(list)
        for one in self.names:
            place = PurePosixPath(one.lower())
            for key in {place.name, place.stem}:
                self._by_name[key].append(one)
        self._suggestions = 0

    def find(self, value: str) -> str:
        """The path within the source of the file that a row names.

        A path from the machine's root has to lead into the source. Where no file has just that
        path, case does not count, folders above may be left out or be
        more, and so may the ending, as long as one file alone fits.

        Args:
            value: What stands in the row.

        Raises:
            RuleError: If no file or several fit, or the path leads out of the source.
        """
        wanted = PurePosixPath(value.strip().replace("\\", "/"))
        for place in self._places:
            if wanted.is_relative_to(place):
                wanted = wanted.relative_to(place)
        if wanted.is_absolute() or ".." in wanted.parts or not wanted.parts:
            raise RuleError(
                f"{value!r} is no path inside {self.name}",
                "write the path from there, without `..`",
            )
        if str(wanted) in self._known:
            return str(wanted)
        parts = PurePosixPath(str(wanted).lower()).parts
        near = self._by_name.get(parts[-1], [])
        fitting = [one for one in near if _fits(parts, PurePosixPath(one.lower()))]
        if len(fitting) == 1:
            return fitting[0]
        if fitting:
            raise RuleError(
                f"{value!r} can be {fitting[0]} or {fitting[1]} in {self.name}",
                "write the whole path",
            )
        self._suggestions += 1
        raise RuleError(
            f"there is no file {value!r} in {self.name}",
            did_you_mean(str(wanted), near or self.names)
            if self._suggestions <= _MOST_SUGGESTIONS
            else "correct the name",
        )

    def read(self, name: str) -> bytes:
        """The content of a file.

        Args:
            name: One of `names`.

        Raises:
            DataError: If it is damaged, or larger than `LARGEST_BYTES`.
        """
        return self._reader.read(name)

    def full_name(self, name: str) -> str:
        """A file's name for `read_media`: the source's path, then that within it."""
        return f"{self.name.rstrip('/')}/{name}"


def read_media(name: str, root: Path) -> bytes:
    """Reads a recording or picture.

    Args:
        name: A path from the root, which may lead into a .zip: `data/a.zip/folder/b.wav`.
        root: The project's root.

    Raises:
        DataError: If it does not exist, or is damaged or too large.
    """
    path = root / name
    if path.is_file():
        return _checked_read(path)
    for parent in path.parents:
        if parent.is_file():
            return _archive(parent, str(parent)).read(path.relative_to(parent).as_posix())
    raise DataError(
        "the file does not exist" if not path.is_dir() else "this is a directory, not a file",
        file=name,
        remedy="check the path",
    )


def _is_hidden(name: str) -> bool:
    return any(part.startswith(".") or part in _HIDDEN for part in PurePosixPath(name).parts)


def _fits(parts: tuple[str, ...], found: PurePosixPath) -> bool:
    """Whether the shorter of two paths is the end of the other, with or without its ending."""
    with_ending, without = found.parts, (*found.parts[:-1], found.stem)
    return any(
        parts[-count:] == one[-count:]
        for one in (with_ending, without)
        for count in [min(len(parts), len(one))]
    )


def _checked_read(path: Path) -> bytes:
    try:
        check_size(path.stat().st_size, str(path))
        return path.read_bytes()
    except OSError as error:
        raise DataError(
            f"cannot be read: {error.strerror or error}",
            file=str(path),
            remedy="mend the permissions of the file",
        ) from error


def check_size(size: int, name: str) -> None:
    """Refuses a file of more than `LARGEST_BYTES`.

    Raises:
        DataError: With its name.
    """
    if size > LARGEST_BYTES:
        raise DataError(
            f"it has {size:,} bytes, more than the {LARGEST_BYTES:,} that a file may have",
            file=name,
            remedy="cut it into smaller ones",
        )


class _directory:  # noqa: N801 (a reader is chosen as if by a function)
    def __init__(self, path: Path) -> None:
        self._path = path

    @property
    def names(self) -> Iterable[str]:
        for directory, _, files in os.walk(self._path):
            for name in files:
                yield (Path(directory) / name).relative_to(self._path).as_posix()

    def read(self, name: str) -> bytes:
        return _checked_read(self._path / name)


def _archive(path: Path, name: str) -> _Archive:
    """The open archive of this process."""
    status = path.stat()
    return _opened(str(path), name, os.getpid(), status.st_size, status.st_mtime_ns)


@lru_cache(maxsize=16)
def _opened(path: str, name: str, *_version: int) -> _Archive:
    return _Archive(Path(path), name)


class _Archive:
    """An open .zip; what is in it is read in place and never written anywhere."""

    def __init__(self, path: Path, name: str) -> None:
        self._name = name
        try:
            self._zip = zipfile.ZipFile(path)
        except (zipfile.BadZipFile, OSError, NotImplementedError) as error:
            raise DataError(
                f"the archive is damaged or no .zip: {error}",
                file=name,
                remedy="fetch it again, or pack it again",
            ) from error
        self._entries: Mapping[str, zipfile.ZipInfo] = {
            str(PurePosixPath(_readable_name(entry).lstrip("/"))): entry
            for entry in self._zip.infolist()
            if not entry.is_dir()
        }

    @property
    def names(self) -> Iterable[str]:
        return self._entries

    def read(self, name: str) -> bytes:
        entry = self._entries.get(name)
        if entry is None:
            raise DataError(f"there is no {name!r} in it", file=self._name, remedy="check the path")
        if entry.flag_bits & _ENCRYPTED:
            raise DataError(
                f"{name} is encrypted", file=self._name, remedy="pack it without a password"
            )
        check_size(entry.file_size, f"{self._name}/{name}")
        try:
            return self._zip.read(entry)
        except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, OSError) as error:
            raise DataError(
                f"{name} cannot be unpacked: {error}",
                file=self._name,
                remedy="fetch the archive again, or pack it again",
            ) from error


def _readable_name(entry: zipfile.ZipInfo) -> str:
    """An entry's name; programs that do not write UTF-8 write it without saying in which code."""
    if entry.flag_bits & _UTF8_NAME or entry.filename.isascii():
        return entry.filename
    written = entry.filename.encode("cp437")
    for encoding in ("utf-8", "gb18030"):
        try:
            return written.decode(encoding)
        except UnicodeDecodeError:
            continue
    return entry.filename
