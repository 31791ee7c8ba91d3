"""Runs the configured steps over batches of rows, and over texts to predict for."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.config.data import (
    CleaningStep,
    DeduplicateStep,
    HtmlStep,
    LowercaseStep,
    SegmentStep,
    StopWordsStep,
    UnicodeStep,
    WhitespaceStep,
)
from pipeline.data.cleaning.characters import Lowercase, MendedUnicode, Unicode, Whitespace
from pipeline.data.cleaning.html import Html
from pipeline.data.cleaning.step import AlignedStep, TextStep, moved
from pipeline.data.cleaning.stop_lists import stop_words
from pipeline.data.cleaning.words import Segment, StopWords
from pipeline.data.entities import ENTITIES_TYPE, Entity
from pipeline.errors import ConfigError, Problem
from pipeline.tasks.base import Column
from pipeline.tasks.columns import SEPARATOR, media_columns, text_columns


def make_step(config: CleaningStep) -> TextStep | None:
    """The step that a config entry describes; None for deduplication, which looks at rows.

    Raises:
        EnvironmentProblem: If it needs a package that is not installed.
    """
    match config:
        case UnicodeStep(fix_encoding=True):
            step: TextStep | None = MendedUnicode(config.form)
        case UnicodeStep():
            step = Unicode(config.form)
        case WhitespaceStep():
            step = Whitespace()
        case HtmlStep():
            step = Html()
        case LowercaseStep():
            step = Lowercase()
        case SegmentStep():
            step = Segment(config.engine, config.language)
        case StopWordsStep():
            built_in = stop_words(config.language) if config.language else frozenset()
            step = StopWords([*built_in, *config.words])
        case DeduplicateStep():
            step = None
    return step


def clean_texts(texts: Sequence[str], steps: Sequence[CleaningStep]) -> list[str]:
    """Cleans texts as prepare cleaned them before training; deduplication does not apply.

    Args:
        texts: Texts to predict for.
        steps: The section `data.cleaning`, as `outputs/dataset/preprocessing.json` keeps it.

    Returns:
        One text for each, in order; it may be empty.
    """
    made = [step for step in map(make_step, steps) if step is not None]
    cleaned = []
    for text in texts:
        for step in made:
            text = step.apply(text)  # noqa: PLW2901 (each step takes what the last one made)
        cleaned.append(text)
    return cleaned


@dataclass
class StepCounts:
    """What a step has done so far."""

    rows: int = 0
    rows_changed: int = 0
    rows_removed: int = 0
    characters_before: int = 0
    characters_after: int = 0
    entities_lost: int = 0


class Cleaning:
    """Cleans the rows of all files with the configured steps, and counts what they do.

    Args:
        steps: The section `data.cleaning`.
        columns: What the task reads: all its texts are cleaned, and the offsets of entities follow.

    Raises:
        ConfigError: If a step cannot say where characters went and rows have entities.
        EnvironmentProblem: If a step needs a package that is not installed.
    """

    def __init__(self, steps: Sequence[CleaningStep], columns: Sequence[Column]) -> None:
        self._configs = tuple(steps)
        self._steps = [make_step(step) for step in steps]
        self._counts = [StepCounts() for _ in steps]
        self._seen: list[set[bytes]] = [set() for _ in steps]
        self._texts = text_columns(columns)
        self._media = tuple(column.name for column in media_columns(columns))
        if any(column.kind == "entities" for column in columns):
            _check_aligned(self._configs, self._steps)

    def clean(self, rows: pa.Table) -> pa.Table:
        """Cleans a batch; deduplication remembers all batches before it.

        Args:
            rows: Canonical rows.
        """
        for number, step in enumerate(self._steps):
            if step is None:
                rows = self._without_seen(rows, number)
            elif "entities" in rows.column_names:
                rows = _with_entities(rows, cast(AlignedStep, step), self._counts[number])
            else:
                self._counts[number].rows += rows.num_rows
                for name in self._texts:
                    old = rows[name].to_pylist()
                    new = list(map(step.apply, old))
                    rows = _with_text(rows, name, old, new, self._counts[number])
        return rows

    def report(self) -> list[dict[str, Any]]:
        """What each step did, in order."""
        return [
            _shown(config, counts)
            for config, counts in zip(self._configs, self._counts, strict=True)
        ]

    def _without_seen(self, rows: pa.Table, number: int) -> pa.Table:
        config, seen = self._configs[number], self._seen[number]
        fold = isinstance(config, DeduplicateStep) and config.ignore_case
        fresh = []
        compared = [rows[name] for name in self._texts]
        compared += [pc.struct_field(rows[name], "sha256") for name in self._media]
        texts = zip(*(column.to_pylist() for column in compared), strict=True)
        for text in map(SEPARATOR.join, texts):
            content = (text.lower() if fold else text).encode()
            key = hashlib.blake2b(content, digest_size=16).digest()
            fresh.append(key not in seen)
            seen.add(key)
        self._counts[number].rows += len(fresh)
        self._counts[number].rows_removed += fresh.count(False)
        return rows.filter(pa.array(fresh, pa.bool_()))


def _check_aligned(configs: Sequence[CleaningStep], steps: Sequence[TextStep | None]) -> None:
    problems = [
        Problem(
            f"data.cleaning.{number}",
            f"the step {config.step!r} cannot say where characters went, so entities would lose "
            "their places",
            remedy="set fix_encoding=false"
            if isinstance(step, MendedUnicode)
            else "leave the step out, or clean the raw file and its entities before",
        )
        for number, (config, step) in enumerate(zip(configs, steps, strict=True))
        if step is not None and not hasattr(step, "pieces")
    ]
    if problems:
        raise ConfigError(problems)


def _with_text(
    rows: pa.Table, name: str, old: list[str], new: list[str], counts: StepCounts
) -> pa.Table:
    counts.rows_changed += sum(a != b for a, b in zip(old, new, strict=True))
    counts.characters_before += sum(map(len, old))
    counts.characters_after += sum(map(len, new))
    return rows.set_column(rows.column_names.index(name), name, pa.array(new, pa.string()))


def _with_entities(rows: pa.Table, step: AlignedStep, counts: StepCounts) -> pa.Table:
    old, new = rows["text"].to_pylist(), []
    entities = []
    for text, spans in zip(old, rows["entities"].to_pylist(), strict=True):
        pieces = list(step.pieces(text))
        new.append("".join(piece for _, _, piece in pieces))
        followed = moved([Entity(**span) for span in spans], pieces)
        counts.entities_lost += len(spans) - len(followed)
        entities.append([entity.as_dict() for entity in followed])
    counts.rows += len(old)
    rows = _with_text(rows, "text", old, new, counts)
    place = rows.column_names.index("entities")
    return rows.set_column(place, "entities", pa.array(entities, ENTITIES_TYPE))


def _shown(config: CleaningStep, counts: StepCounts) -> dict[str, Any]:
    if isinstance(config, DeduplicateStep):
        return {"step": config.step, "rows": counts.rows, "rows_removed": counts.rows_removed}
    shown = {
        "step": config.step,
        "rows": counts.rows,
        "rows_changed": counts.rows_changed,
        "characters_before": counts.characters_before,
        "characters_after": counts.characters_after,
    }
    return shown | ({"entities_lost": counts.entities_lost} if counts.entities_lost else {})
