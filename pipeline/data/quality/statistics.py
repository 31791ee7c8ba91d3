"""What the rows of a split look like in numbers."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.data.quality.scripts import script_shares

TOKENS = "num_tokens"
"""The encoded column that texts have: tokens before cutting."""
PERCENTILES = (0, 5, 25, 50, 75, 95, 99, 100)
NUM_BINS = 40
"""Most bars of a histogram."""
SCRIPT_ROWS = 2_000
"""Rows, evenly spread, whose letters are counted for the script."""


@dataclass(frozen=True)
class SplitStatistics:
    """Numbers of one split.

    Attributes:
        rows: How many rows it has.
        classes: Rows of each class, or entities of each type, the most frequent first.
        has_tokens: Whether inputs are texts; if not, lengths are those of what encodes them, such
            as frames, and what is told of tokens, characters and scripts is 0 or empty.
        tokens: Tokens of all rows before cutting, special tokens left out.
        kept_tokens: Tokens of all rows after cutting, special tokens included.
        unknown_tokens: Tokens, before cutting, that the tokenizer does not know.
        truncated_rows: Rows that were cut.
        characters: Characters of all texts.
        lengths: Percentile to tokens of a row, before cutting, special tokens included.
        bin_width: Tokens that one bar of the histogram spans; the last bar holds all longer rows.
        histogram: Rows in each bar, from length 0 on.
        scripts: Share of each writing system among the letters of a sample.
    """

    rows: int
    classes: dict[str, int]
    has_tokens: bool
    tokens: int
    kept_tokens: int
    unknown_tokens: int
    truncated_rows: int
    characters: int
    lengths: dict[str, float]
    bin_width: int
    histogram: tuple[int, ...]
    scripts: dict[str, float]


def split_statistics(
    rows: pa.Table, *, max_length: int, num_special_tokens: int, bin_width: int
) -> SplitStatistics:
    """Computes the numbers of an encoded split.

    Args:
        rows: Raw columns and those of `task.encode`.
        max_length: Most tokens that a row keeps.
        num_special_tokens: Tokens that the tokenizer adds to each text.
        bin_width: Tokens that one bar of the histogram spans.
    """
    has_tokens = TOKENS in rows.column_names
    lengths = _lengths(rows).astype(np.int64)
    step = max(1, rows.num_rows // SCRIPT_ROWS)
    sample = rows["text"].take(pa.array(np.arange(0, rows.num_rows, step)))
    return SplitStatistics(
        rows=rows.num_rows,
        classes=class_counts(rows),
        has_tokens=has_tokens,
        tokens=int(lengths.sum()) - num_special_tokens * rows.num_rows if has_tokens else 0,
        kept_tokens=int(np.minimum(lengths, max_length).sum()) if has_tokens else 0,
        unknown_tokens=int(rows["num_unknown"].to_numpy().sum()) if has_tokens else 0,
        truncated_rows=int((lengths > max_length).sum()) if has_tokens else 0,
        characters=(pc.sum(pc.utf8_length(rows["text"])).as_py() or 0) if has_tokens else 0,
        lengths={
            f"p{percent}": float(np.percentile(lengths, percent)) if len(lengths) else 0.0
            for percent in PERCENTILES
        },
        bin_width=bin_width,
        histogram=tuple(np.bincount(np.minimum(lengths // bin_width, NUM_BINS - 1)).tolist()),
        scripts=script_shares(text[:1_000] for text in sample.to_pylist()) if has_tokens else {},
    )


def _lengths(rows: pa.Table) -> np.ndarray[tuple[int], np.dtype[np.integer[Any]]]:
    """Lengths of all rows, before cutting where they are texts."""
    name = TOKENS if TOKENS in rows.column_names else "length"
    return rows[name].to_numpy()  # type: ignore[no-any-return]


def class_counts(rows: pa.Table) -> dict[str, int]:
    """Rows of each label, or entities of each type; nothing for other kinds of targets."""
    names: pa.ChunkedArray | pa.Array
    if "label" in rows.column_names:
        names = rows["label"].drop_null()
    elif "labels" in rows.column_names and rows["labels"].type == pa.list_(pa.string()):
        names = pc.list_flatten(rows["labels"])
    elif "entities" in rows.column_names:
        names = pc.struct_field(pc.list_flatten(rows["entities"]), "type")
    else:
        return {}
    counts = {entry["values"]: entry["counts"] for entry in names.value_counts().to_pylist()}
    order = sorted(counts, key=lambda name: (-counts[name], name))
    return {name: counts[name] for name in order}


def histogram_bin_width(splits: Iterable[pa.Table]) -> int:
    """A whole number of tokens, so that the bars reach 99.5 % of the rows of every split."""
    longest = max(
        (float(np.percentile(_lengths(rows), 99.5)) for rows in splits if len(rows)),
        default=0.0,
    )
    return int(longest) // NUM_BINS + 1
