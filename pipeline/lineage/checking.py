"""Compares what came out of a run with what came out of it the second time."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.data.quality.finding import count_of

SPLITS = ("train", "validation", "test")
_MOST_METRICS = 5


@dataclass(frozen=True)
class Check:
    """One thing compared.

    Attributes:
        name: What: weights, metrics, predictions, …
        equal: Whether it is the same; None if the run did not record it.
        text: What was compared, or how it differs.
    """

    name: str
    equal: bool | None
    text: str


def check_hash(name: str, recorded: str | None, found: str | None) -> Check:
    """Compares a hash with the recorded one."""
    if recorded is None:
        return Check(name, None, "the run did not record a hash of them")
    if found is None:
        return Check(name, False, "there are none")
    if found == recorded:
        return Check(name, True, f"sha256 {found[:16]}…")
    return Check(name, False, f"sha256 {found[:16]}…, the run's were {recorded[:16]}…")


def check_numbers(name: str, recorded: Mapping[str, Any], found: Mapping[str, Any]) -> Check:
    """Compares numbers to the last bit.

    Args:
        name: What they are.
        recorded: Those of the run; nested mappings, as in `metrics.json`.
        found: The new ones.
    """
    before, after = dict(_leaves(recorded)), dict(_leaves(found))
    if not before:
        return Check(name, None, "the run did not record any")
    gone = [key for key in before if key not in after]
    new = [key for key in after if key not in before]
    differing = {
        key: after[key] - value
        for key, value in before.items()
        if key in after and after[key] != value
    }
    if not (gone or new or differing):
        return Check(name, True, f"{count_of(len(before), 'number')}, to the last bit")
    parts = []
    if differing:
        largest = sorted(differing, key=lambda key: -abs(differing[key]))
        told = ", ".join(f"{key} {differing[key]:+.3g}" for key in largest[:_MOST_METRICS])
        rest = len(differing) - _MOST_METRICS
        more = f" and {rest} less" if rest > 0 else ""
        parts.append(f"{len(differing)} of {count_of(len(before), 'number')} differ: {told}{more}")
    parts += [f"{key} is missing" for key in gone[:_MOST_METRICS]]
    parts += [f"{key} is new" for key in new[:_MOST_METRICS]]
    return Check(name, False, "; ".join(parts))


def check_predictions(recorded: Path, found: Path) -> Check:
    """Compares the predictions of every split, row by row.

    Args:
        recorded: The run's directory `evaluation`.
        found: The new one.
    """
    parts, equal, rows = [], True, 0
    for split in SPLITS:
        name = f"predictions_{split}.parquet"
        if not (recorded / name).is_file():
            continue
        before = pq.read_table(recorded / name)
        rows += before.num_rows
        if not (found / name).is_file():
            equal = False
            parts.append(f"{split}: missing")
            continue
        told = _differing_rows(before, pq.read_table(found / name))
        if told is not None:
            equal = False
            parts.append(f"{split}: {told}")
    if not rows:
        return Check("predictions", None, "the run did not keep any")
    if equal:
        return Check("predictions", True, f"{count_of(rows, 'row')} of all splits, to the last bit")
    return Check("predictions", False, "; ".join(parts))


def _leaves(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, float]]:
    """Numbers by dotted path, without `.value` at the end."""
    for key, value in values.items():
        path = f"{prefix}.{key}" if prefix else str(key)
        if isinstance(value, Mapping):
            yield from _leaves(value, path)
        elif isinstance(value, int | float) and not math.isnan(value):
            yield path.removesuffix(".value"), float(value)


def _differing_rows(before: pa.Table, after: pa.Table) -> str | None:
    """How two tables differ; None if they do not."""
    if before.column_names != after.column_names:
        return "other columns"
    if before.num_rows != after.num_rows:
        return f"{after.num_rows:,} rows, not {before.num_rows:,}"
    told = []
    for name in before.column_names:
        if before[name].equals(after[name]):
            continue
        pairs = zip(before[name].to_pylist(), after[name].to_pylist(), strict=True)
        # NaN is no difference, though Arrow and Python hold it for one.
        count = sum(str(one) != str(other) for one, other in pairs)
        if count:
            told.append(f"{name} in {count_of(count, 'row')}")
    return ", ".join(told) or None
