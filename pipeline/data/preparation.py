"""Raw data to clean splits: read, map, leave out, clean, divide."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.config.data import DataConfig
from pipeline.data.cleaning.clean import Cleaning
from pipeline.data.content_store import ContentStore
from pipeline.data.mapping import EMPTY, RowMapper
from pipeline.data.sources.source import Source, open_sources
from pipeline.data.splits import assign, check_not_empty
from pipeline.data.staging import divide, stage
from pipeline.data.store import SPLITS
from pipeline.errors import DataError
from pipeline.tasks.base import Column
from pipeline.tasks.columns import text_columns


@dataclass(frozen=True)
class CleanSplits:
    """Splits before encoding.

    Attributes:
        tables: Canonical rows by split, memory-mapped.
        label_names: Label names by id, as far as the config says them.
        dropped: Rows left out, by reason.
        cleaning: What each step did, for the quality report.
        sources: SHA-256 of each raw file, or revision of the hub dataset.
        bad_media: Names and reasons of the first recordings or pictures that are bad.
        contents: Recordings and pictures that raw rows held themselves.
    """

    tables: Mapping[str, pa.Table]
    label_names: tuple[str, ...] | None
    dropped: Mapping[str, int]
    cleaning: Sequence[Mapping[str, Any]]
    sources: Mapping[str, str]
    bad_media: Sequence[Mapping[str, Any]] = ()
    contents: ContentStore | None = None


def clean_splits(
    config: DataConfig,
    *,
    columns: Sequence[Column],
    root: Path,
    scratch: Path,
    on_rows: Callable[[int], None] = lambda _: None,
) -> CleanSplits:
    """Makes the splits; memory is bounded by a batch and some bytes a row.

    Args:
        config: The section `data`.
        columns: What the task reads.
        root: The project's root; raw paths start there.
        scratch: A directory for files that the splits are mapped from, and contents read.
        on_rows: Told how many further raw rows were read.

    Raises:
        DataError: If raw data breaks a rule, or a split is empty.
        ConfigError: If columns or cleaning steps do not fit the task.
        EnvironmentProblem: If the machine refuses, or a package is missing.
    """
    sources = open_sources(config, root)
    contents = ContentStore(scratch / "contents")
    mapper = RowMapper(config, sources[0].kind, columns, contents)
    cleaning = Cleaning(config.cleaning, columns)
    reader = _Reader(mapper, cleaning, text_columns(columns), config.max_rows, on_rows)
    staged = {
        source.role: stage(reader.batches(source), scratch / f"raw-{source.role}.arrow")
        for source in sources
    }
    if any(column.kind == "label" for column in columns):
        mapper.check_positive()

    base = staged.pop("all", None)
    if base is None:
        base = staged.pop("train")
    missing = [name for name in SPLITS if name not in staged and name != "train"]
    tables = {**divide(base, assign(base, config.split, missing, columns), scratch), **staged}
    sizes = {name: table.num_rows for name, table in tables.items()}
    check_not_empty(sizes, mapper.dropped, mapper.media.bad)
    return CleanSplits(
        tables={name: tables[name] for name in SPLITS},
        label_names=mapper.label_names,
        dropped=dict(mapper.dropped),
        cleaning=[*mapper.report(), *cleaning.report()],
        sources={source.name: source.version for source in sources}
        | {one.media.name: one.media.version for one in sources if one.media and one.media.version}
        | {name: version for source in sources for name, version in source.aligned.items()},
        bad_media=tuple(mapper.media.bad),
        contents=contents,
    )


class _Reader:
    """Reads, maps and cleans the rows of one source after the other."""

    def __init__(
        self,
        mapper: RowMapper,
        cleaning: Cleaning,
        texts: Sequence[str],
        max_rows: int | None,
        on_rows: Callable[[int], None],
    ) -> None:
        self._mapper = mapper
        self._cleaning = cleaning
        self._texts = texts
        self._max_rows = max_rows
        self._on_rows = on_rows

    def batches(self, source: Source) -> Iterator[pa.Table]:
        """Canonical clean rows, a batch at a time."""
        read = 0
        for raw in source.read(self._mapper.wanted):
            rows = raw if self._max_rows is None else raw.first(self._max_rows - read)
            mapped = self._mapper.table(rows, source.name, source.media)
            cleaned = self._cleaning.clean(mapped)
            yield self._without_empty(cleaned)
            read += len(rows.numbers)
            self._on_rows(len(rows.numbers))
            if read == self._max_rows:
                return
        if not read:
            raise DataError(
                "the file holds no rows", file=source.name, remedy="fetch it again; it is empty"
            )

    def _without_empty(self, rows: pa.Table) -> pa.Table:
        """Leaves out rows of one of whose texts cleaning left nothing."""
        kept = np.ones(rows.num_rows, np.bool_)
        for name in self._texts:
            kept &= pc.not_equal(pc.utf8_trim_whitespace(rows[name]), "").to_numpy()
        self._mapper.dropped[EMPTY] += int(np.count_nonzero(~kept))
        return rows.filter(pa.array(kept))
