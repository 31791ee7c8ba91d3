"""Raw files must be visible to DVC or pinned by content: results lead back to their data."""

from __future__ import annotations

import os
from pathlib import Path

from pipeline.artifacts import file_sha256
from pipeline.config.data import FileConfig
from pipeline.data.sources.raw import SourceFile
from pipeline.errors import DataError, EnvironmentProblem, did_you_mean

DATA_DIRECTORY = "data"


def checked_file(config: FileConfig, role: str, root: Path) -> SourceFile:
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
    try:
        found = file_sha256(path)
    except OSError as error:
        raise EnvironmentProblem(
            f"cannot read {config.path}: {error.strerror or error}",
            remedy="mend the permissions of the file",
        ) from error
    if config.sha256 is None and not is_below_data(path, root):
        raise DataError(
            f"the file lies outside {DATA_DIRECTORY}/, so DVC does not see when it changes, and "
            "data.files pins no content",
            file=config.path,
            remedy=f"move it below {DATA_DIRECTORY}/, or paste this line under "
            f"data.files.{role}:\n    sha256: {found}",
        )
    if config.sha256 not in {None, found}:
        raise DataError(
            f"this is not the file that the config pins: its sha256 is {found}, "
            f"but data.files.{role}.sha256 is {config.sha256}",
            file=config.path,
            remedy="fetch the file again; or, if the new content is meant, paste this line under "
            f"data.files.{role}:\n    sha256: {found}",
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
            remedy=f"name a file in data.files.{role}.path, or give the directory as "
            "data.hub.dataset",
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
