"""Parts of the test examples in which a difference may live."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.data.mapping import SLICES
from pipeline.data.quality.scripts import RANGES
from pipeline.tasks.base import Column, IntArray
from pipeline.tasks.chunking import DOCUMENT
from pipeline.tasks.columns import input_texts

FEWEST_ROWS = 20
"""Examples of the smallest slice that is looked at."""
_MOST_VALUES = 12
_PARTS = 4
_WITHOUT_SPACES = {"Han", "Kana", "Thai"}
_JAPANESE = 0.1
_SCRIPTS = tuple(RANGES)


@dataclass(frozen=True)
class Part:
    """Some of the examples.

    Attributes:
        dimension: For example `length`.
        value: For example `1 to 12 words`.
        rows: Their numbers, rising.
        metric: A metric of the whole split that speaks of them alone, such as the F1 of a class;
            None for the compared metric over these rows.
    """

    dimension: str
    value: str
    rows: IntArray
    metric: str | None = None


def class_metrics(rows: pa.Table, metric: str, known: Sequence[str]) -> dict[str, str]:
    """The metrics that stand for a metric in each class or entity type.

    Args:
        rows: The examples, with `label`, `labels` or `entities`.
        metric: The compared metric.
        known: Every metric that the task computes.

    Returns:
        For each class that is in the references, for example `f1/sports`; empty where the task
        computes none: then a class is its rows.
    """
    stem = metric if any(name.startswith(f"{metric}/") for name in known) else ""
    if not stem and metric.startswith("f1"):
        stem = "f1"
    found = {value: f"{stem}/{value}" for value, _ in _classes(rows)}
    return {value: name for value, name in found.items() if name in known}


def parts(
    rows: pa.Table, columns: Sequence[Column], by_class: dict[str, str]
) -> tuple[list[Part], list[Part]]:
    """Divides examples by length, class, further columns and writing system.

    Args:
        rows: The examples.
        columns: What the task reads.
        by_class: From `class_metrics`.

    Returns:
        Those to look at, and those that have too few examples.
    """
    texts = input_texts(rows, columns)
    found = [
        *_by_length(texts),
        *_by_class(rows, by_class),
        *_by_column(rows, [column.name for column in columns]),
        *_by_slice(rows),
        *_by_script(texts),
    ]
    large = [part for part in found if len(part.rows) >= FEWEST_ROWS]
    return large, [part for part in found if len(part.rows) < FEWEST_ROWS]


def _by_length(texts: pa.ChunkedArray) -> Iterator[Part]:
    """Quarters by length: in characters where the writing has no spaces, otherwise in words."""
    scripts = main_scripts(texts)
    spaceless = [number for number, name in enumerate(_SCRIPTS) if name in _WITHOUT_SPACES]
    if np.isin(scripts, spaceless).mean() > 0.5:
        lengths, unit = pc.utf8_length(texts), "character"
    else:
        lengths, unit = (
            pc.list_value_length(pc.utf8_split_whitespace(pc.utf8_trim_whitespace(texts))),
            "word",
        )
    count = lengths.to_numpy().astype(np.int64)
    edges = np.quantile(count, np.linspace(0, 1, _PARTS + 1)[1:-1], method="lower")
    place = np.searchsorted(edges, count, side="left")
    if place.min() == place.max():
        return
    for number in np.unique(place):
        here = np.flatnonzero(place == number)
        low, high = int(count[here].min()), int(count[here].max())
        span = f"{low:,}" if low == high else f"{low:,} to {high:,}"
        plural = "" if low == high == 1 else "s"
        yield Part("length", f"{span} {unit}{plural}", here)


def _by_class(rows: pa.Table, by_class: dict[str, str]) -> Iterator[Part]:
    kind = "entity type" if "entities" in rows.column_names else "label"
    found = list(_classes(rows))
    if len(found) < 2 and not by_class:
        return
    for value, here in found:
        metric = by_class.get(value)
        if metric is not None:
            yield Part(f"{metric.partition('/')[0]} by {kind}", value, here, metric)
        elif kind == "label":
            yield Part(kind, value, here)


def _classes(rows: pa.Table) -> Iterator[tuple[str, IntArray]]:
    """Each class of the references and its rows; of sets and entities the rows that have one."""
    if "label" in rows.column_names:
        values = rows["label"].combine_chunks()
        numbers = np.arange(len(values))
    elif "entities" in rows.column_names:
        lists = rows["entities"].combine_chunks()
        values = pc.struct_field(pc.list_flatten(lists), "type")
        numbers = pc.list_parent_indices(lists).to_numpy(zero_copy_only=False)
    elif "labels" in rows.column_names and rows["labels"].type == pa.list_(pa.string()):
        lists = rows["labels"].combine_chunks()
        values = pc.list_flatten(lists)
        numbers = pc.list_parent_indices(lists).to_numpy(zero_copy_only=False)
    else:
        return
    for value in sorted(pc.unique(values).drop_null().to_pylist()):
        here = pc.equal(values, value).to_numpy(zero_copy_only=False).astype(np.bool_)
        yield str(value), np.unique(numbers[here]).astype(np.int64)


def _by_column(rows: pa.Table, required: Sequence[str]) -> Iterator[Part]:
    """Columns that the task does not need and that have few values, such as a source."""
    for name in rows.column_names:
        column = rows[name]
        if name in {"id", "text", DOCUMENT, *required} or not _is_category(column.type):
            continue
        known = pc.unique(column).drop_null()
        if not 2 <= len(known) <= _MOST_VALUES:
            continue
        for value in sorted(known.to_pylist()):
            here = pc.fill_null(pc.equal(column, value), False).to_numpy()
            yield Part(name, str(value), np.flatnonzero(here))


def _by_slice(rows: pa.Table) -> Iterator[Part]:
    """What `data.slices` names; a row with several values belongs to several parts."""
    if SLICES not in rows.column_names:
        return
    lists = rows[SLICES].combine_chunks()
    parents = pc.list_parent_indices(lists).to_numpy(zero_copy_only=False)
    values = pc.list_flatten(lists)
    by_column: dict[str, list[str]] = {}
    for value in sorted(pc.unique(values).to_pylist()):
        by_column.setdefault(value.partition("=")[0], []).append(value)
    for column, known in by_column.items():
        if not 2 <= len(known) <= _MOST_VALUES:
            continue
        for value in known:
            here = pc.equal(values, value).to_numpy(zero_copy_only=False).astype(np.bool_)
            yield Part(column, value.partition("=")[2], np.unique(parents[here]).astype(np.int64))


def _is_category(kind: pa.DataType) -> bool:
    types = pa.types
    return bool(
        types.is_string(kind)
        or types.is_large_string(kind)
        or types.is_integer(kind)
        or types.is_boolean(kind)
    )


def _by_script(texts: pa.ChunkedArray) -> Iterator[Part]:
    scripts = main_scripts(texts)
    known = [int(number) for number in np.unique(scripts) if number >= 0]
    if len(known) < 2:
        return
    for number in known:
        yield Part("language", f"{_SCRIPTS[number]} script", np.flatnonzero(scripts == number))


def main_scripts(texts: pa.ChunkedArray) -> IntArray:
    """The number in `RANGES` of the script of most letters of each text, -1 without letters.

    Kana decide beside Han, as Chinese has none.
    """
    known = [text or "" for text in texts.to_pylist()]
    points = np.frombuffer("".join(known).encode("utf-32-le", "replace"), np.uint32)
    rows = np.repeat(np.arange(len(known)), [len(text) for text in known])
    table = _script_table()
    script = table[np.minimum(points, len(table) - 1)]
    real = script >= 0
    cells = rows[real] * len(_SCRIPTS) + script[real]
    size = len(known) * len(_SCRIPTS)
    counts = np.bincount(cells, minlength=size).reshape(len(known), len(_SCRIPTS))
    total = counts.sum(axis=1)
    main: IntArray = np.where(total > 0, counts.argmax(axis=1), -1).astype(np.int64)
    kana = _SCRIPTS.index("Kana")
    main[counts[:, kana] > _JAPANESE * np.maximum(total, 1)] = kana
    return main


def _script_table() -> IntArray:
    """The script of each code point, -1 for those of none; the last entry is of none."""
    highest = max(high for ranges in RANGES.values() for _, high in ranges)
    table = np.full(highest + 2, -1, np.int64)
    for number, ranges in enumerate(RANGES.values()):
        for low, high in ranges:
            table[low : high + 1] = number
    return table
