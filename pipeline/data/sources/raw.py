"""Rows as they stand in a file, before anything is made of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pipeline.errors import DataError, did_you_mean

BATCH_ROWS = 8_192
"""Rows that are read, mapped and cleaned together."""
MEDIA_BATCH_ROWS, MEDIA_BATCH_BYTES = 256, 2**24
"""Most rows that hold recordings or pictures themselves, and about most of their bytes."""


@dataclass(frozen=True)
class SourceFile:
    """A raw file that exists and is the one that the config means.

    Attributes:
        path: Where it lies.
        name: The path as the user wrote it; errors and row ids use it.
        sha256: Its content.
    """

    path: Path
    name: str
    sha256: str

    @property
    def is_gzip(self) -> bool:
        """Whether it is unpacked on the fly."""
        return self.path.suffix.lower() == ".gz"


@dataclass(frozen=True)
class RawRows:
    """Some rows of a file.

    Attributes:
        columns: Values by the raw column's name, all equally long.
        numbers: One-based number of each row: the line in files of lines, counting the header.
        row_per_token: Whether each token of a row has a line of its own, from `numbers` on.
    """

    columns: Mapping[str, Sequence[Any]]
    numbers: Sequence[int]
    row_per_token: bool = False

    def first(self, count: int) -> RawRows:
        """The first rows."""
        columns = {name: values[:count] for name, values in self.columns.items()}
        return RawRows(columns, self.numbers[:count], self.row_per_token)


@dataclass(frozen=True)
class WantedColumns:
    """Which raw columns are read.

    Attributes:
        needed: Raw column by the key of the config that names it; all must be there.
        optional: Raw columns that are read where they are there.
        by_name: Raw columns whose class ids become names where a file tells these.
        instead: What to do where a needed column is missing, and one of these is there.
    """

    needed: Mapping[str, str]
    optional: tuple[str, ...] = ()
    by_name: frozenset[str] = frozenset()
    instead: Mapping[str, str] = field(default_factory=dict)

    def choose(self, present: Sequence[str], file: str, *, hint: str | None = None) -> list[str]:
        """The columns to read, of those that a file has.

        Args:
            present: The file's columns.
            file: The file's name.
            hint: A likelier cause than a wrong mapping, as a remedy.

        Raises:
            DataError: If a needed column is missing.
        """
        for key, raw in self.needed.items():
            if raw not in present:
                raise DataError(
                    f"there is no column {raw!r}, which {key} reads; "
                    f"the columns are: {', '.join(map(str, present))}",
                    file=file,
                    remedy=hint
                    or next((self.instead[name] for name in present if name in self.instead), None)
                    or f"set {key} to one of the columns; " + did_you_mean(raw, map(str, present)),
                )
        wanted = dict.fromkeys([*self.needed.values(), *self.optional])
        return [raw for raw in wanted if raw in present]
