"""What the config names as raw data, checked and ready to be read."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from pipeline.config.data import DataConfig
from pipeline.data.sources.formats import format_kind, read_rows
from pipeline.data.sources.hub import hub_version, read_hub
from pipeline.data.sources.pins import checked_file
from pipeline.data.sources.raw import RawRows, WantedColumns

ROLES = ("all", "train", "validation", "test")
"""In the order in which files are read."""


@dataclass(frozen=True)
class Source:
    """A file, or a split of a hub dataset.

    Attributes:
        role: all, train, validation or test.
        name: As the user wrote it.
        version: SHA-256 of the file, or revision of the hub dataset.
        kind: The file's format; None for a hub dataset.
        read: Reads it in batches.
    """

    role: str
    name: str
    version: str
    kind: str | None
    read: Callable[[WantedColumns], Iterator[RawRows]]


def open_sources(config: DataConfig, root: Path) -> list[Source]:
    """Checks all raw files before the first is read.

    Args:
        config: The section `data`.
        root: The project's root.

    Raises:
        DataError: If a file is missing, empty, of unknown format, not pinned or not the pinned one.
    """
    if config.hub is not None:
        version = hub_version(config.hub, root)
        splits = config.hub.splits
        return [
            Source(
                role,
                f"{config.hub.dataset}[{splits[role]}]",
                version,
                None,
                partial(read_hub, config.hub, splits[role], root),
            )
            for role in ROLES
            if role in splits
        ]
    sources = []
    for role in ROLES:
        if role not in config.files:
            continue
        file = checked_file(config.files[role], role, root)
        kind = format_kind(file.name, config.format)
        read = partial(read_rows, file, kind, config.format)
        sources.append(Source(role, file.name, file.sha256, kind, read))
    return sources
