"""Results as files for people and other tools: predictions, metrics by class, curves."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from pipeline.artifacts import cannot_write
from pipeline.data.mapping import SLICES
from pipeline.data.quality.statistics import class_counts
from pipeline.errors import UserError
from pipeline.evaluation.curves import confusion_counts, precision_recall, reliability
from pipeline.evaluation.decisions import ALL, Decisions
from pipeline.evaluation.measure import Measured
from pipeline.tasks.base import IntArray

FIRST_ENCODED = "length"
_LABEL_NAMES = b"label_names"
_PREDICTIONS = b"predictions"


def readable_predictions(rows: pa.Table, predictions: pa.Table) -> pa.Table:
    """The raw columns of rows beside their predictions.

    The metadata holds `predictions`, JSON: the name in this table and that in `predictions` of each
    predicted column.

    Args:
        rows: Encoded rows; the raw columns come before `length`.
        predictions: One row for each; a name that the raw columns have too, such as `entities`,
            becomes `predicted_entities`.
    """
    table = raw_columns(rows)
    renamed: dict[str, str] = {}
    for name in predictions.column_names:
        free = name
        while free in table.column_names:
            free = f"predicted_{free}"
        table = table.append_column(free, predictions[name])
        renamed[free] = name
    return table.replace_schema_metadata({_PREDICTIONS: json.dumps(renamed, ensure_ascii=False)})


def write_predictions(path: Path, table: pa.Table, label_names: Sequence[str]) -> None:
    """Writes predictions as Parquet; `label_names` in its metadata says the order of `scores`.

    Args:
        path: The file.
        table: From `readable_predictions`.
        label_names: Names by label id.

    Raises:
        EnvironmentProblem: If the machine refuses.
    """
    import pyarrow.parquet as pq

    names = json.dumps(list(label_names), ensure_ascii=False)
    known = table.schema.metadata or {}
    try:
        pq.write_table(table.replace_schema_metadata({**known, _LABEL_NAMES: names}), path)
    except OSError as error:
        raise cannot_write(path, error) from error


@dataclass(frozen=True)
class StoredPredictions:
    """Predictions of a split as an evaluation wrote them: what `task.metrics` takes.

    Attributes:
        rows: The raw columns, with the references.
        predictions: What the task decoded, one row for each.
        label_names: Names by label id.
    """

    rows: pa.Table
    predictions: pa.Table
    label_names: tuple[str, ...]


def read_predictions(path: Path) -> StoredPredictions:
    """Reads predictions again; the task's metrics over them are those of the evaluation, exactly.

    Raises:
        UserError: If the file is missing or damaged, or an earlier version wrote it.
    """
    import pyarrow.parquet as pq

    remedy = "run `python -m pipeline evaluate` again, which writes it"
    try:
        table = pq.read_table(path)
    except FileNotFoundError:
        raise UserError(f"{path} is missing", remedy=remedy) from None
    except (OSError, pa.ArrowInvalid) as error:
        raise UserError(f"{path} is no readable Parquet file: {error}", remedy=remedy) from error
    known = table.schema.metadata or {}
    if not {_LABEL_NAMES, _PREDICTIONS} <= known.keys():
        raise UserError(
            f"{path} does not say which of its columns are predictions: an earlier version of "
            "this pipeline wrote it",
            remedy=remedy,
        )
    renamed = json.loads(known[_PREDICTIONS])
    raw = [name for name in table.column_names if name not in renamed]
    table = table.replace_schema_metadata(None)
    return StoredPredictions(
        table.select(raw),
        table.select(list(renamed)).rename_columns(list(renamed.values())),
        tuple(json.loads(known[_LABEL_NAMES])),
    )


def raw_columns(rows: pa.Table) -> pa.Table:
    """The columns that a dataset has before it is encoded; all, where it is not."""
    names = rows.column_names
    return rows.select(names[: names.index(FIRST_ENCODED)] if FIRST_ENCODED in names else names)


def test_hash(rows: pa.Table) -> str:
    """SHA-256 of a split's raw columns but `slices`, values and order, as 64 hex digits.

    The same for encoded rows and for `StoredPredictions.rows`: runs of the same hash were measured
    on the same examples, however each model encodes them.
    """
    raw = raw_columns(rows)
    digest = hashlib.sha256()
    for name in sorted(set(raw.column_names) - {SLICES}):
        digest.update(json.dumps(name).encode())
        for chunk in raw[name].chunks:
            text = json.dumps(chunk.to_pylist(), default=str, separators=(",", ":"))
            digest.update(f"{text[1:-1]},".encode() if len(chunk) else b"")
    return digest.hexdigest()


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


def write_decision_tables(
    directory: Path, found: Decisions, num_bins: int, *, confusion: bool = True
) -> None:
    """Writes `confusion.csv`, `pr_curve.csv` and `reliability.csv`, for DVC's plots.

    Args:
        directory: Where to.
        found: Decisions over a split.
        num_bins: Bins of the reliability diagram.
        confusion: Whether it makes sense to say with what a label was confused.
    """
    if confusion:
        counts = _confusion_table(confusion_counts(found), found.names)
        write_csv(directory / "confusion.csv", counts)
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
