"""Raw files must be visible to DVC or pinned by content: results lead back to their data."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from pipeline.artifacts import content_hash, file_sha256
from pipeline.config.data import MediaConfig, PinnedFile
from pipeline.data.sources.raw import SourceFile
from pipeline.errors import DataError, EnvironmentProblem, did_you_mean

DATA_DIRECTORY = "data"


def checked_file(config: PinnedFile, role: str, root: Path) -> SourceFile:
    """Finds a raw file and compares its content with what the config pins.

    Args:
        config: Path and pin.
        role: The file's key under `data.files`.
        root: The project's root; relative paths start there.

    Raises:
        DataError: If the file is missing, empty, not the pinned one, or outside `data/` and not
            pinned; the remedy then has the line to paste.
        EnvironmentProblem: If it cannot be read.
    """
    path = root / config.path
    if not path.is_file():
        raise _not_a_file(path, config.path, role)
    if path.stat().st_size == 0:
        raise DataError(
            "the file is empty", file=config.path, remedy="fetch it again; it should hold rows"
        )
    return _pinned(config, path, f"data.files.{role}", root, file_sha256)


def checked_media(config: PinnedFile | MediaConfig, key: str, root: Path) -> SourceFile:
    """Finds a directory or .zip of recordings or pictures, as `checked_file` does a file.

    Args:
        config: Path and pin.
        key: The dotted key of the config that names it.
        root: The project's root.

    Raises:
        DataError: If it is missing, neither of both, not what is pinned, or outside `data/` and not
            pinned.
        EnvironmentProblem: If it cannot be read.
    """
    path = root / config.path
    if path.is_dir():
        return _pinned(config, path, key, root, directory_sha256)
    if not path.is_file():
        raise DataError(
            "there is no such directory or .zip",
            file=config.path,
            remedy=f"put it there, or correct {key}.path",
        )
    if path.suffix.lower() != ".zip":
        raise DataError(
            "recordings and pictures are read from a directory or a .zip, and this is neither",
            file=config.path,
            remedy=f"name a directory or a .zip in {key}.path",
        )
    return _pinned(config, path, key, root, file_sha256)


def directory_sha256(directory: Path, hash_file: Callable[[Path], str] = file_sha256) -> str:
    """A hash over names and contents of all files below a directory, as 64 hex digits."""
    files = sorted(path for path in directory.rglob("*") if path.is_file())
    return content_hash({str(path.relative_to(directory)): hash_file(path) for path in files})


def _pinned(
    config: PinnedFile | MediaConfig,
    path: Path,
    key: str,
    root: Path,
    hash_of: Callable[[Path], str],
) -> SourceFile:
    """Compares a content with what the config pins under a key."""
    what = "directory" if path.is_dir() else "file"
    try:
        found = hash_of(path)
    except OSError as error:
        raise EnvironmentProblem(
            f"cannot read {config.path}: {error.strerror or error}",
            remedy="mend the permissions of the file",
        ) from error
    if config.sha256 is None and not is_below_data(path, root):
        raise DataError(
            f"the {what} lies outside {DATA_DIRECTORY}/, so DVC does not see when it changes, and "
            f"{key} pins no content",
            file=config.path,
            remedy=f"move it below {DATA_DIRECTORY}/, or paste this line under "
            f"{key}:\n    sha256: {found}",
        )
    if config.sha256 not in {None, found}:
        raise DataError(
            f"this is not the {what} that the config pins: its sha256 is {found}, "
            f"but {key}.sha256 is {config.sha256}",
            file=config.path,
            remedy="fetch it again; or, if the new content is meant, paste this line under "
            f"{key}:\n    sha256: {found}",
        )
    return SourceFile(path, config.path, found)


def is_below_data(path: Path, root: Path) -> bool:
    """Whether a path lies below the project's `data/`; links there count by their own place."""
    return Path(os.path.abspath(path)).is_relative_to(  # noqa: PTH100 (resolve follows links)
        Path(os.path.abspath(root / DATA_DIRECTORY))  # noqa: PTH100
    )


def _not_a_file(path: Path, name: str, role: str) -> DataError:
    if path.is_dir():
        return DataError(
            "this is a directory, not a file",
            file=name,
            remedy=f"name a file in data.files.{role}.path, give the directory as "
            "data.hub.dataset, or set data.format.kind=folder if its files are the rows",
        )
    directory = path.parent
    if not directory.is_dir():
        remedy = f"put the file there (the directory {Path(name).parent} does not exist)"
    else:
        there = [entry.name for entry in directory.iterdir() if entry.is_file()]
        near = did_you_mean(path.name, there)
        remedy = "put the file there, or correct data.files"
        remedy += f": {near}" if near.startswith("did") else ""
    return DataError("the file does not exist", file=name, remedy=remedy)
