"""Raw rows to canonical ones: our column names, label names, entities as spans, ids."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from pipeline.config.data import DataConfig
from pipeline.data.content_store import ContentStore
from pipeline.data.entities import Entity, read_entities
from pipeline.data.held import Held
from pipeline.data.labels import LabelMapper
from pipeline.data.media import MediaSource
from pipeline.data.media_rows import MediaReader
from pipeline.data.messages import ChatError, ChatReader
from pipeline.data.rules import RuleError
from pipeline.data.sources.conll import TAGS, TOKENS
from pipeline.data.sources.folder import FILE, FOLDER
from pipeline.data.sources.raw import RawRows, WantedColumns
from pipeline.data.tags import entities_of_tags
from pipeline.data.values import ARROW_TYPES, flagged_labels, parser
from pipeline.errors import ConfigError, DataError, Problem, did_you_mean
from pipeline.tasks.base import Column
from pipeline.tasks.columns import media_columns, text_columns

OURS = ("tokens", "tags", "group", "split", "id")
"""Columns that any task may have mapped."""
SHARED = ("text", "target", "label", "entities", "audio", "image", "transcript")
"""Columns that a data option may map for tasks other than the one at hand."""
SLICES = "slices"
"""Our column of what `data.slices` names: for each row texts such as `source=wire`."""
NULL, EMPTY, BAD_CHAT = "null", "empty", "bad_chat"
"""Why a row is left out: something is missing, a text is only white space, or a chat breaks a
rule."""


class RowMapper:
    """Turns rows of one format into the canonical columns that a task reads.

    Args:
        config: The section `data`.
        kind: The files' format; None for a hub dataset.
        columns: What the task reads.
        contents: Keeps recordings and pictures that rows hold themselves.

    Raises:
        ConfigError: If `data.columns` maps a column that nobody knows.
    """

    def __init__(
        self,
        config: DataConfig,
        kind: str | None,
        columns: Sequence[Column],
        contents: ContentStore | None = None,
    ) -> None:
        _check_mapping(config.columns, columns)
        mapped = dict(config.columns)
        if kind == "conll":
            mapped = {"tokens": TOKENS, "tags": TAGS, **mapped}
        elif kind == "span_json":
            mapped = {"entities": "label", **mapped}
        elif kind == "folder":
            mapped = {
                **{one.name: FILE for one in media_columns(columns)},
                "label": FOLDER,
            } | mapped
        self._is_folder = kind == "folder"
        self.media = MediaReader(columns, fatal=config.bad_media == "error", contents=contents)
        self._config = config
        self._columns = tuple(columns)
        self._texts = text_columns(columns)
        self._labels = LabelMapper(config.labels)
        self._parsers = {
            column.name: parser(column, self._labels)
            for column in columns
            if column.kind != "entities"
        }
        self._from_tokens = "tokens" in mapped and "text" in self._texts
        self._from_tags = (
            self._from_tokens
            and "tags" in mapped
            and any(column.kind == "entities" for column in columns)
        )
        places = {"text": "tokens"} if self._from_tokens else {}
        places |= {"entities": "tags"} if self._from_tags else {}
        self._flags = config.labels.columns if any(one.kind == "labels" for one in columns) else ()
        ours = [
            places.get(column.name, column.name)
            for column in columns
            if not (self._flags and column.kind == "labels")
        ]
        self._divided_by = {"group": "group", "column": "split"}.get(config.split.method)
        if self._divided_by is not None:
            ours.append(self._divided_by)
        self._raw = {name: mapped.get(name, name) for name in (*ours, "group", "id")}
        self.wanted = WantedColumns(
            {f"data.columns.{name}": self._raw[name] for name in ours}
            | {f"data.{SLICES}[{place}]": name for place, name in enumerate(config.slices)}
            | {f"data.labels.columns[{place}]": one for place, one in enumerate(self._flags)},
            (self._raw["group"], self._raw["id"]),
            frozenset(self._raw[name] for name in ours if name in _label_names(columns))
            if self._labels.takes_names
            else frozenset(),
            _instead(columns),
        )
        self._schema: dict[str, pa.DataType | None] = {"id": pa.string()}
        self._schema |= {column.name: ARROW_TYPES.get(column.kind) for column in columns}
        if config.slices:
            self._schema[SLICES] = pa.list_(pa.string())
        self.dropped: Counter[str] = Counter()
        self.overlapping = 0
        """Entities left out because they overlap a longer one."""
        self.mended = 0
        """Rows whose tags were mended."""

    def report(self) -> list[dict[str, Any]]:
        """What mapping changed, as the quality report shows it."""
        changes = [
            {"step": "overlapping entities", "entities_removed": self.overlapping},
            {"step": "broken tags", "rows_mended": self.mended},
            *(
                {"step": "turns without an answer", "turns_removed": parse.unanswered}
                for parse in self._parsers.values()
                if isinstance(parse, ChatReader)
            ),
        ]
        return [change for change in changes if all(change.values())]

    @property
    def label_names(self) -> tuple[str, ...] | None:
        """Label names by id, as far as the config says them."""
        return self._labels.configured_names

    def table(self, rows: RawRows, file: str, media: MediaSource | None = None) -> pa.Table:
        """Maps a batch of rows; those that lack what the task reads are left out and counted.

        Args:
            rows: As they stand in the file.
            file: Its name.
            media: Where the recordings or pictures lie that rows name.

        Raises:
            ConfigError: If all rows name such files and `media` is None.
            DataError: If a value breaks a rule; the error names file and row.
        """
        made: list[dict[str, Any]] = []
        numbers: list[int] = []
        for number in range(len(rows.numbers)):
            raw = {
                ours: rows.columns[name][number]
                for ours, name in self._raw.items()
                if name in rows.columns
            }
            line = rows.numbers[number]
            try:
                if self._flags:
                    raw["labels"] = flagged_labels(
                        {name: rows.columns[name][number] for name in self._flags}
                    )
                row = self._row(raw)
                if row is not None and self._config.slices:
                    row[SLICES] = _slices(
                        {name: rows.columns[name][number] for name in self._config.slices}
                    )
            except RuleError as error:
                if isinstance(error, ChatError) and self._config.bad_chats == "skip":
                    self.dropped[BAD_CHAT] += 1
                    continue
                shift = error.shift if rows.row_per_token else 0
                raise error.located(file, line + shift) from error
            reason = NULL if row is None else None
            if row is not None and not all(row[name].strip() for name in self._texts):
                reason = EMPTY
            if reason is not None:
                self.dropped[reason] += 1
            elif row is not None:
                own = raw.get("id")
                made.append({**row, "id": f"{file}:{line}" if own is None else str(own)})
                numbers.append(line)
        made, left_out = self.media.read(made, numbers, media, file=file, is_folder=self._is_folder)
        self.dropped.update(left_out)
        return self._as_table(made, file, rows)

    def check_positive(self) -> None:
        """Refuses data in which the positive class never occurred.

        Raises:
            DataError: With the key to correct.
        """
        positive = self._config.labels.positive
        if positive is not None and not self._labels.saw_positive:
            raise DataError(
                f"no row has the label {positive!r}, which data.labels.positive names",
                remedy="correct data.labels.positive or data.columns.label",
            )

    def _row(self, raw: Mapping[str, Any]) -> dict[str, Any] | None:
        row = {name: parse(raw[name]) for name, parse in self._parsers.items() if name in raw}
        if self._from_tokens:
            if raw["tokens"] is None or (self._from_tags and raw["tags"] is None):
                return None
            row["text"], entities = self._from_columns(raw)
            if self._from_tags:
                row["entities"] = self._dicts(entities)
        if any(row[name] is None for name in self._parsers):
            return None
        if "entities" in raw:
            if raw["entities"] is None:
                return None
            entities, left_out = read_entities(raw["entities"], row["text"], self._config.format)
            row["entities"] = self._dicts(entities)
            self.overlapping += left_out
        for name in ("group", "split"):
            if raw.get(name) is not None:
                row[name] = str(raw[name])
            elif self._divided_by == name:
                raise RuleError(
                    f"the row has no {name}, but data.split.method="
                    f"{self._config.split.method} needs one",
                    f"give every row a {name}, or split otherwise",
                )
        return row

    def _from_columns(self, raw: Mapping[str, Any]) -> tuple[str, list[Entity]]:
        tokens = raw["tokens"]
        if not isinstance(tokens, list):
            raise RuleError(
                f"tokens must be a list of strings, got {tokens!r}",
                "map the right column in data.columns.tokens",
            )
        options = self._config.format
        text, entities, mended = entities_of_tags(
            tokens,
            raw["tags"] if self._from_tags else ["O"] * len(tokens),
            scheme=options.tagging_scheme,
            separator=options.token_separator,
            mend=options.broken_tags == "mend",
        )
        self.mended += mended
        return text, entities

    def _dicts(self, entities: Sequence[Entity]) -> list[dict[str, Any]]:
        found = [
            {**entity.as_dict(), "type": self._labels.entity_type(entity.type)}
            for entity in entities
        ]
        return [entity for entity in found if entity["type"] is not None]

    def _as_table(self, made: list[dict[str, Any]], file: str, rows: RawRows) -> pa.Table:
        columns = dict(self._schema)
        columns |= {
            name: pa.string() for name in ("group", "split") if self._raw.get(name) in rows.columns
        }
        try:
            arrays = {
                name: pa.array([row.get(name) for row in made], kind)
                for name, kind in columns.items()
            }
        except UnicodeEncodeError as error:
            raise DataError(
                "a text holds half of a surrogate pair, which is no character: "
                f"{error.object[max(0, error.start - 20) : error.start + 20]!r}",
                file=file,
                remedy="correct the text, or leave the row out",
            ) from error
        except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
            raise DataError(
                f"the values of a column differ in type: {error}",
                file=file,
                row=rows.numbers[0],
                remedy="write all values of a column as one type",
            ) from error
        table = pa.table(arrays)
        for name in table.column_names:
            if columns[name] is None and not pa.types.is_null(table[name].type):
                self._schema[name] = table[name].type
        return table


def _label_names(columns: Sequence[Column]) -> set[str]:
    return {column.name for column in columns if column.kind in {"label", "labels"}}


def _slices(values: Mapping[str, Any]) -> list[str]:
    """The parts of the data that a row belongs to; a list's items each, `none` without any."""
    found = []
    for name, value in values.items():
        items = [item for item in value if item is not None] if isinstance(value, list) else [value]
        for item in items or [None]:
            if isinstance(item, dict | list | Held):
                raise RuleError(
                    f"a column of data.slices holds words or numbers, or lists of them; {name} "
                    f"holds {item!r}",
                    "take the column out of data.slices",
                )
            text = str(item).lower() if isinstance(item, bool) else str(item)
            found.append(f"{name}={'none' if item is None else text}")
    return found


def _instead(columns: Sequence[Column]) -> dict[str, str]:
    """What to do where a file or a mapping has columns that other tasks read."""
    return {name: remedy for column in columns for name, remedy in column.instead.items()}


def _check_mapping(mapped: Mapping[str, str], columns: Sequence[Column]) -> None:
    """Refuses names that are neither the task's nor those of any data option's other tasks."""
    known = {*OURS, *SHARED, *(column.name for column in columns)}
    instead = _instead(columns)
    problems = [
        Problem(
            f"data.columns.{name}",
            "the task reads no such column",
            remedy=instead.get(name, did_you_mean(name, known)),
        )
        for name in mapped
        if name not in known
    ]
    if problems:
        raise ConfigError(problems)
