"""Results as files for people and other tools: predictions, metrics by class, curves."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa

from pipeline.artifacts import cannot_write
from pipeline.data.quality.statistics import class_counts
from pipeline.evaluation.curves import confusion_counts, precision_recall, reliability
from pipeline.evaluation.decisions import ALL, Decisions
from pipeline.evaluation.measure import Measured
from pipeline.tasks.base import IntArray

FIRST_ENCODED = "input_ids"


def readable_predictions(rows: pa.Table, predictions: pa.Table) -> pa.Table:
    """The raw columns of rows beside their predictions.

    Args:
        rows: Encoded rows; the raw columns come before `input_ids`.
        predictions: One row for each; a name that the raw columns have too, such as `entities`,
            becomes `predicted_entities`.
    """
    raw = rows.column_names[: rows.column_names.index(FIRST_ENCODED)]
    table = rows.select(raw)
    for name in predictions.column_names:
        free = name if name not in raw else f"predicted_{name}"
        table = table.append_column(free, predictions[name])
    return table


def write_predictions(path: Path, table: pa.Table, label_names: Sequence[str]) -> None:
    """Writes predictions as Parquet; `label_names` in its metadata says the order of `scores`.

    Raises:
        EnvironmentProblem: If the machine refuses.
    """
    import json

    import pyarrow.parquet as pq

    names = json.dumps(list(label_names), ensure_ascii=False)
    try:
        pq.write_table(table.replace_schema_metadata({"label_names": names}), path)
    except OSError as error:
        raise cannot_write(path, error) from error


def per_class(measured: Measured, rows: pa.Table) -> pa.Table:
    """Metrics of each class, those named `<metric>/<class>`, with their bounds.

    Returns:
        `label`, `rows` (rows or entities of it), and for each metric `<metric>`, `<metric>_low`,
        `<metric>_high`; null where undefined. The most frequent class comes first.
    """
    metrics: dict[str, None] = {}
    labels: dict[str, None] = {}
    for name in measured.values:
        metric, slash, label = name.partition("/")
        if slash:
            metrics[metric] = labels[label] = None
    counts = class_counts(rows)
    order = sorted(labels, key=lambda label: -counts.get(label, 0))
    columns: dict[str, list[object]] = {
        "label": list(order),
        "rows": [counts.get(label, 0) for label in order],
    }
    for metric in metrics:
        found = [measured.intervals.get(f"{metric}/{label}") for label in order]
        columns[metric] = [one and one.value for one in found]
        columns[f"{metric}_low"] = [one and one.low for one in found]
        columns[f"{metric}_high"] = [one and one.high for one in found]
    return pa.table(columns)


def write_decision_tables(directory: Path, found: Decisions, num_bins: int) -> None:
    """Writes `confusion.csv`, `pr_curve.csv` and `reliability.csv`, for DVC's plots.

    Args:
        directory: Where to.
        found: Decisions over a split.
        num_bins: Bins of the reliability diagram.
    """
    write_csv(directory / "confusion.csv", _confusion_table(confusion_counts(found), found.names))
    main = found.rankings.get(ALL) or next(iter(found.rankings.values()))
    write_csv(directory / "pr_curve.csv", precision_recall(main))
    write_csv(directory / "reliability.csv", reliability(found, num_bins))


def write_csv(path: Path, table: pa.Table) -> None:
    """Writes a table with a header, numbers with at most six decimal places.

    Raises:
        EnvironmentProblem: If the machine refuses.
    """
    import csv

    try:
        with path.open("w", encoding="utf-8", newline="") as stream:
            writer = csv.writer(stream, lineterminator="\n")
            writer.writerow(table.column_names)
            columns = [column.to_pylist() for column in table.columns]
            for line in zip(*columns, strict=True):
                writer.writerow(
                    round(cell, 6) if isinstance(cell, float) else cell for cell in line
                )
    except OSError as error:
        raise cannot_write(path, error) from error


def _confusion_table(counts: IntArray, names: Sequence[str]) -> pa.Table:
    """One line for each decision, as DVC's template `confusion` counts them."""
    cells = np.arange(counts.size).repeat(counts.ravel())
    actual, predicted = np.divmod(cells, len(names))
    known = pa.array(names, pa.string())
    return pa.table(
        {"actual": known.take(pa.array(actual)), "predicted": known.take(pa.array(predicted))}
    )
