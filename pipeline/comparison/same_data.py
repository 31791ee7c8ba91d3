"""Whether runs were measured on the same test examples; only then can they be paired."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from pipeline.comparison.loading import LoadedRun
from pipeline.data.mapping import SLICES
from pipeline.data.quality.finding import count_of
from pipeline.errors import UserError
from pipeline.evaluation.tables import test_hash
from pipeline.reports.words import listed

_LONGEST = 60


def check_comparable(runs: Sequence[LoadedRun]) -> None:
    """Refuses runs of different tasks or on different test data.

    Args:
        runs: At least one; the others are held against the first.

    Raises:
        UserError: Which says how the runs differ.
    """
    first, *others = runs
    expected = test_hash(first.stored.rows)
    for other in others:
        if other.kind != first.kind:
            raise UserError(
                f"{first.title} learned {first.kind} and {other.title} {other.kind}: "
                "different tasks have no metric in common",
                remedy="compare runs of one task",
            )
        if test_hash(other.stored.rows) != expected:
            raise UserError(
                f"{first.title} and {other.title} were measured on different test data: "
                f"{difference_in_words(first.stored.rows, other.stored.rows)}",
                remedy="evaluate both on the same test split (section `data` of the config, "
                "`split.seed` and `cleaning` included), or leave one out",
            )
    if first.stored.rows.num_rows == 0:
        raise UserError(
            "the test split of these runs has no rows", remedy="evaluate them on a test split"
        )


def difference_in_words(first: pa.Table, other: pa.Table) -> str:
    """How two test splits differ: rows, then columns, then the examples."""
    first, other = (
        rows.drop_columns([name for name in rows.column_names if name == SLICES])
        for rows in (first, other)
    )
    if first.num_rows != other.num_rows:
        return f"{_rows(first)} and {_rows(other)}{_shared_ids(first, other)}"
    only = sorted(set(first.column_names) ^ set(other.column_names))
    if only:
        return f"the column {only[0]!r} is in one of them only"
    values = {
        name: (first[name].to_pylist(), other[name].to_pylist()) for name in first.column_names
    }
    counts = {
        name: sum(one != two for one, two in zip(*both, strict=True))
        for name, both in values.items()
    }
    parts = [
        f"{count:,} {'differs' if count == 1 else 'differ'} in {name}"
        for name, count in counts.items()
        if count
    ]
    name = next((name for name, count in counts.items() if count), None)
    if name is None:
        return f"the {count_of(first.num_rows, 'example')} have other types of columns"
    ones, twos = values[name]
    row = next(row for row, one in enumerate(ones) if one != twos[row])
    return (
        f"of {count_of(first.num_rows, 'example')}, {listed(parts)}; for example row {row + 1}: "
        f"{_short(ones[row])} and {_short(twos[row])}"
    )


def _shared_ids(first: pa.Table, other: pa.Table) -> str:
    if "id" not in first.column_names or "id" not in other.column_names:
        return ""
    shared = len(set(first["id"].to_pylist()) & set(other["id"].to_pylist()))
    return f" ({shared:,} ids in common)"


def _rows(rows: pa.Table) -> str:
    return count_of(rows.num_rows, "example")


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
