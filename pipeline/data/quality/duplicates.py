"""Near duplicates as findings: within a split, and between splits."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline.config.data import QualityConfig, Threshold
from pipeline.data.quality.checks import NUM_EXAMPLES, example
from pipeline.data.quality.finding import Finding, count_of, finding, show
from pipeline.data.quality.keys import KeyArray, normalised
from pipeline.data.quality.near_duplicates import near_duplicate_pairs

IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]


def near_duplicates(
    splits: Mapping[str, pa.Table], keys: Mapping[str, KeyArray], config: QualityConfig
) -> list[Finding]:
    """Looks for nearly equal texts among the first rows of each split.

    Exact duplicates are not counted again: of equal texts one row is looked at.

    Args:
        splits: Tables with `text`, by split, the train split first.
        keys: `text_keys` of each.
        config: Thresholds, and among how many rows to look (shared in proportion to the rows).

    Returns:
        The finding within splits, and that between an earlier split and a later one.
    """
    total = sum(table.num_rows for table in splits.values())
    part = min(1.0, config.near_duplicate_max_rows / total) if total else 1.0
    texts: list[str] = []
    homes: list[tuple[str, int]] = []
    looked_at: dict[str, int] = {}
    for name, table in splits.items():
        count = looked_at[name] = int(np.floor(table.num_rows * part))
        _, firsts = np.unique(keys[name][:count], return_index=True)
        chosen = np.sort(firsts)
        texts += normalised(table["text"].take(pa.array(chosen))).to_pylist()
        homes += [(name, int(row)) for row in chosen]
    names = list(splits)
    split_of = np.array([names.index(name) for name, _ in homes], np.int64)
    key_of = np.array([keys[name][row] for name, row in homes], np.int64)

    pairs, values = near_duplicate_pairs(texts, config.near_duplicate_similarity)
    # A text that stands in two splits is leakage, which has a check of its own.
    differ = key_of[pairs[:, 0]] != key_of[pairs[:, 1]]
    pairs, values = pairs[differ], values[differ]
    together = split_of[pairs[:, 0]] == split_of[pairs[:, 1]]
    looked = _LookedAt(splits, homes, looked_at)
    return [
        _within(looked, pairs[together], values[together], config),
        _between(looked, pairs[~together], values[~together]),
    ]


@dataclass(frozen=True)
class _LookedAt:
    """The rows that were compared.

    Attributes:
        splits: Tables by split.
        homes: Split and row of each text compared.
        rows: Rows of each split that were looked at.
    """

    splits: Mapping[str, pa.Table]
    homes: list[tuple[str, int]]
    rows: Mapping[str, int]

    @property
    def note(self) -> str:
        """Says so where not all rows were looked at."""
        total = sum(table.num_rows for table in self.splits.values())
        rows = sum(self.rows.values())
        if rows == total:
            return ""
        return (
            f" Looked for among the first rows of each split, {rows:,} of {total:,} "
            "(data.quality.near_duplicate_max_rows)."
        )

    def shares(self, numbers: IntArray) -> dict[str, float]:
        """The share of some texts, by number, among the rows looked at, by split."""
        counts = Counter(self.homes[number][0] for number in numbers)
        return {name: counts[name] / max(rows, 1) for name, rows in self.rows.items()}

    def examples(self, pairs: IntArray, values: FloatArray) -> list[dict[str, object]]:
        """Both rows of the first pairs."""
        return [
            example(self.splits[name], row, split=name, similarity=round(value, 3))
            for pair, value in zip(
                pairs[:NUM_EXAMPLES].tolist(), values[:NUM_EXAMPLES].tolist(), strict=True
            )
            for name, row in (self.homes[number] for number in pair)
        ]


def _within(
    looked: _LookedAt, pairs: IntArray, values: FloatArray, config: QualityConfig
) -> Finding:
    alike = np.unique(pairs)
    share = len(alike) / max(sum(looked.rows.values()), 1)
    return finding(
        "near_duplicate_share",
        "Near duplicates",
        share,
        config.near_duplicate_share,
        message=f"{count_of(len(alike), 'row')} ({show(share, 'share')}) with a near duplicate "
        "within the split (Jaccard similarity of character 5-grams of at least "
        f"{config.near_duplicate_similarity:g}).{looked.note}",
        advice="Look at the examples: versions of one item count several times. Where they belong "
        "together, give them a `group` column and split with data.split.method=group.",
        by_split=looked.shares(alike),
        examples=looked.examples(pairs, values),
    )


def _between(looked: _LookedAt, pairs: IntArray, values: FloatArray) -> Finding:
    # Splits come in order, so the higher number of a pair is the row of the later split.
    later = np.unique(pairs[:, 1])
    by_split = looked.shares(later)
    del by_split[next(iter(by_split))]
    return finding(
        "near_leakage",
        "Near duplicates between splits",
        max(by_split.values(), default=0.0),
        Threshold(),
        message=f"{count_of(len(later), 'row')} of validation and test with a near duplicate in an "
        f"earlier split.{looked.note}",
        advice="Where these are versions of one item, give them a `group` column and split with "
        "data.split.method=group: metrics over them are too good.",
        by_split=by_split,
        examples=looked.examples(pairs, values),
    )
