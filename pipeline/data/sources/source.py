"""What the config names as raw data, checked and ready to be read."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from pipeline.config.data import DataConfig, FileConfig, FileRole, MediaConfig
from pipeline.data.media import MediaSource
from pipeline.data.sources.folder import read_folder
from pipeline.data.sources.formats import format_kind, read_rows
from pipeline.data.sources.hub import hub_version, read_hub
from pipeline.data.sources.lines import LINE, read_lines
from pipeline.data.sources.pins import checked_file, checked_media
from pipeline.data.sources.raw import RawRows, WantedColumns

ROLES: tuple[FileRole, ...] = ("all", "train", "validation", "test")
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
        media: Where the recordings or pictures lie that its rows name; of a local hub dataset its
            directory, whose version is the source's. None where rows name none.
        aligned: SHA-256 of the files whose lines belong to its own, by name.
    """

    role: str
    name: str
    version: str
    kind: str | None
    read: Callable[[WantedColumns], Iterator[RawRows]]
    media: MediaSource | None = None
    aligned: Mapping[str, str] = field(default_factory=dict)


def open_sources(config: DataConfig, root: Path) -> list[Source]:
    """Checks all raw files before the first is read.

    Args:
        config: The section `data`.
        root: The project's root.

    Raises:
        DataError: If a file is missing, empty, of unknown format, not pinned or not the pinned one.
    """
    media = None if config.media is None else _media(config.media, "data.media", root)
    if config.hub is not None:
        version = hub_version(config.hub, root)
        splits = config.hub.splits
        if media is None and config.hub.is_directory:
            media = MediaSource(root / config.hub.dataset, config.hub.dataset)
        return [
            Source(
                role,
                f"{config.hub.dataset}[{splits[role]}]",
                version,
                None,
                partial(read_hub, config.hub, splits[role], root),
                media,
            )
            for role in ROLES
            if role in splits
        ]
    return [_source(config, role, root, media) for role in ROLES if role in config.files]


def _source(config: DataConfig, role: FileRole, root: Path, media: MediaSource | None) -> Source:
    if config.format.kind == "folder":
        folder = _media(config.files[role], f"data.files.{role}", root)
        read = partial(read_folder, folder)
        return Source(role, folder.name, folder.version, "folder", read, folder)
    file = checked_file(config.files[role], role, root)
    kind = format_kind(file.name, config.format)
    if kind == "lines":
        others = {
            name: checked_file(other, f"{role}.aligned.{name}", root)
            for name, other in config.files[role].aligned.items()
        }
        lines = partial(read_lines, {LINE: file, **others}, config.format)
        aligned = {other.name: other.sha256 for other in others.values()}
        return Source(role, file.name, file.sha256, kind, lines, media, aligned)
    rows = partial(read_rows, file, kind, config.format)
    return Source(role, file.name, file.sha256, kind, rows, media)


def _media(config: FileConfig | MediaConfig, key: str, root: Path) -> MediaSource:
    place = checked_media(config, key, root)
    return MediaSource(place.path, place.name, place.sha256)
