"""Checks of raw rows: what was left out, duplicates, contradicting labels, leakage, balance."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pyarrow as pa

from pipeline.config.data import QualityConfig
from pipeline.data.quality.finding import Finding, count_of, finding, judge, show
from pipeline.data.quality.keys import KeyArray

NUM_EXAMPLES = 5
"""Cases shown with a finding."""
EXAMPLE_CHARACTERS = 160
"""Characters of a text shown with a finding."""


def example(rows: pa.Table, number: int, **further: object) -> dict[str, object]:
    """One row as the report shows it."""
    row = rows.slice(int(number), 1).select(
        [name for name in ("id", "text", "label") if name in rows.column_names]
    )
    shown: dict[str, object] = row.to_pylist()[0]
    text = str(shown["text"])
    cut = text if len(text) <= EXAMPLE_CHARACTERS else text[:EXAMPLE_CHARACTERS] + "…"
    return {**shown, "text": cut, **further}


def exact_duplicates(
    splits: Mapping[str, pa.Table], keys: Mapping[str, KeyArray], config: QualityConfig
) -> Finding:
    """Rows whose text occurs more than once within their split."""
    by_split: dict[str, float] = {}
    examples: list[dict[str, object]] = []
    repeated_rows = 0
    for name, table in splits.items():
        _, group, counts = np.unique(keys[name], return_inverse=True, return_counts=True)
        repeated = counts[group] > 1
        repeated_rows += int(repeated.sum())
        by_split[name] = float(repeated.mean()) if len(repeated) else 0.0
        _, firsts = np.unique(group[repeated], return_index=True)
        examples += [
            example(table, row, split=name, times=int(counts[group[row]]))
            for row in np.flatnonzero(repeated)[np.sort(firsts)[:NUM_EXAMPLES]]
        ]
    share = _overall(by_split, splits)
    return finding(
        "exact_duplicate_share",
        "Exact duplicates",
        share,
        config.exact_duplicate_share,
        message=f"{count_of(repeated_rows, 'row')} ({show(share, 'share')}) with a text that "
        "occurs more than once within the split, apart from case and white space.",
        advice="Add the step `deduplicate` to data.cleaning, unless the repetition is meant: "
        "repeated training rows count more than others, repeated test rows distort the metrics.",
        by_split=by_split,
        examples=examples[:NUM_EXAMPLES],
    )


def label_conflicts(
    splits: Mapping[str, pa.Table],
    keys: Mapping[str, KeyArray],
    labels: Mapping[str, KeyArray],
    config: QualityConfig,
) -> Finding:
    """Rows whose text also occurs, in any split, with a different label."""
    names = list(splits)
    joined = np.concatenate([keys[name] for name in names])
    pairs = np.stack([joined, np.concatenate([labels[name] for name in names])], axis=1)
    distinct = np.unique(pairs, axis=0)[:, 0]
    texts, counts = np.unique(distinct, return_counts=True)
    contradicted = texts[counts > 1]
    where = {name: np.isin(keys[name], contradicted) for name in names}
    by_split = {name: float(rows.mean()) if len(rows) else 0.0 for name, rows in where.items()}
    share = _overall(by_split, splits)
    count = sum(int(rows.sum()) for rows in where.values())
    _, firsts = np.unique(joined, return_index=True)
    order = np.sort(firsts[np.isin(joined[firsts], contradicted)])
    examples = [
        example(splits[name], row, split=name)
        for key in joined[order[:NUM_EXAMPLES]]
        for name in names
        for row in np.flatnonzero(keys[name] == key)[:2]
    ]
    return finding(
        "label_conflict_share",
        "Same text, different labels",
        share,
        config.label_conflict_share,
        message=f"{count_of(count, 'row')} ({show(share, 'share')}) with a text that also occurs "
        f"with a different label ({count_of(len(contradicted), 'text')}).",
        advice="Decide which label is right and correct the raw file: no model can learn both, and "
        "one of them counts as a mistake whatever it predicts.",
        by_split=by_split,
        examples=examples[: 2 * NUM_EXAMPLES],
    )


def leakage(
    splits: Mapping[str, pa.Table], keys: Mapping[str, KeyArray], config: QualityConfig
) -> Finding:
    """Rows of validation and test whose text is in an earlier split too."""
    by_split: dict[str, float] = {}
    examples: list[dict[str, object]] = []
    seen: dict[str, KeyArray] = {}
    leaked_rows = 0
    for name, table in splits.items():
        if seen:
            leaked = np.isin(keys[name], np.concatenate(list(seen.values())))
            by_split[name] = float(leaked.mean()) if len(leaked) else 0.0
            leaked_rows += int(leaked.sum())
            for row in np.flatnonzero(leaked)[:NUM_EXAMPLES]:
                home = next(other for other, those in seen.items() if keys[name][row] in those)
                examples.append(example(table, row, split=name, also_in=home))
        seen[name] = keys[name]
    value = max(by_split.values(), default=0.0)
    worst = max(by_split, key=by_split.__getitem__, default="")
    return finding(
        "leakage_share",
        "Leakage between splits",
        value,
        config.leakage_share,
        message=f"{count_of(leaked_rows, 'row')} of validation and test with a text of an earlier "
        "split" + (f"; the most in {worst}: {show(value, 'share')} of its rows." if value else "."),
        advice="Add the steps `whitespace` and `deduplicate` (ignore_case=true) to data.cleaning; "
        "they look across files: metrics over leaked rows measure memory.",
        by_split=by_split,
        examples=examples[:NUM_EXAMPLES],
    )


def imbalance(classes: Mapping[str, Mapping[str, int]], config: QualityConfig) -> Finding | None:
    """The most frequent class of the training split over the rarest.

    Args:
        classes: Rows of each class for each split.
        config: Thresholds.
    """
    train = classes.get("train", {})
    if len(train) < 2 or min(train.values()) == 0:
        return None
    largest, rarest = max(train, key=train.__getitem__), min(train, key=train.__getitem__)
    ratio = train[largest] / train[rarest]
    balanced = judge(ratio, config.imbalance_ratio) == "ok"
    return finding(
        "imbalance_ratio",
        "Class imbalance",
        ratio,
        config.imbalance_ratio,
        message=f"The training split has {train[largest]:,} rows of {largest!r} and "
        f"{train[rarest]:,} of {rarest!r}: {ratio:.3g} to 1.",
        advice=""
        if balanced
        else "Look at macro-averaged metrics and at those of each class rather than at accuracy; "
        "weight classes in the loss, where the task has that option, or collect more rows of the "
        "rare class.",
        kind="ratio",
    )


def absent_classes(classes: Mapping[str, Mapping[str, int]]) -> Finding:
    """Classes of the training split that validation or test lack: they cannot be measured there."""
    absent = [
        f"{label!r} in {split}"
        for split, counts in classes.items()
        for label in classes.get("train", {})
        if counts.get(label, 0) == 0
    ]
    return Finding(
        check="absent_classes",
        title="Classes without rows",
        severity="warning" if absent else "ok",
        value=len(absent),
        kind="count",
        message=f"No rows of {', '.join(absent)}." if absent else "Every split has every class.",
        advice="Give these splits more rows, or split with data.split.method=stratified: metrics "
        "of a class without rows are undefined."
        if absent
        else "",
    )


def _overall(by_split: Mapping[str, float], splits: Mapping[str, pa.Table]) -> float:
    """The share over all rows, from the shares of the splits."""
    total = sum(table.num_rows for table in splits.values())
    rows = sum(by_split[name] * table.num_rows for name, table in splits.items())
    return rows / total if total else 0.0
