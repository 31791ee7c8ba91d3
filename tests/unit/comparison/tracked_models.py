"""Models that never were, tracked as real ones: predictions made by hand in a real store."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import yaml

from pipeline.artifacts import content_hash
from pipeline.evaluation.tables import readable_predictions, test_hash, write_predictions
from pipeline.tasks.registry import load_task
from pipeline.tasks.spans import ENTITIES
from pipeline.tracking.journal import JournalWriter, journal_directory
from pipeline.tracking.log import RunLog

LABELS = ("business", "culture", "sports")
EXPERIMENT = "text_classification/news"
_WORDS = ("rain", "market", "match", "opera", "won", "fell", "rose", "again", "late", "home")


def news(count: int = 120, seed: int = 0, **columns: Sequence[Any]) -> pa.Table:
    """Labelled texts of one to twelve words.

    Args:
        count: How many.
        seed: Of labels and words.
        **columns: Further raw columns.
    """
    chance = np.random.default_rng(seed)
    texts = [" ".join(chance.choice(_WORDS, 1 + number % 12)) for number in range(count)]
    labels = [LABELS[number] for number in chance.integers(0, 3, count)]
    ids = [f"n{number}" for number in range(count)]
    return pa.table({"id": ids, "text": texts, "label": labels, **columns})


def guesses(
    rows: pa.Table,
    wrong: Sequence[int] = (),
    *,
    names: Sequence[str] = LABELS,
    sure: float = 0.8,
) -> pa.Table:
    """Predictions that are right but for some rows, where they name the next label.

    Args:
        rows: With `label`.
        wrong: Numbers of the rows.
        names: Label names by id.
        sure: The probability of each predicted label, a little higher for later rows.
    """
    ids = np.array([names.index(label) for label in rows["label"].to_pylist()])
    ids[list(wrong)] = (ids[list(wrong)] + 1) % len(names)
    high = sure + np.arange(len(ids)) / len(ids) / 100
    scores = np.repeat((1 - high)[:, None] / (len(names) - 1), len(names), axis=1)
    scores[np.arange(len(ids)), ids] = high
    return pa.table(
        {
            "prediction": [names[number] for number in ids],
            "label_id": pa.array(ids, pa.int64()),
            "score": high,
            "scores": pa.array(scores.tolist(), pa.list_(pa.float64())),
        }
    )


def found_entities(entities: Sequence[Sequence[tuple[int, int, str]]]) -> pa.Table:
    """Predicted entities of each row: start, end and type."""
    values = [
        [dict(zip(("start", "end", "type", "score"), (*one, 0.9), strict=True)) for one in row]
        for row in entities
    ]
    return pa.table({"entities": pa.array(values, ENTITIES)})


def track(
    root: Path,
    key: str,
    *,
    rows: pa.Table | None = None,
    predictions: pa.Table | None = None,
    names: Sequence[str] = LABELS,
    kind: str = "text_classification",
    seed: int = 0,
    settings: Mapping[str, Any] | None = None,
    tags: Mapping[str, str] | None = None,
    metrics: Mapping[str, float] | None = None,
    curves: Mapping[str, Sequence[float]] | None = None,
    role: str = "model",
    parent: str | None = None,
    experiment: str = EXPERIMENT,
    name: str | None = None,
    patch: str | None = None,
) -> None:
    """Tracks a run as train and evaluate do; it waits in a journal, which readers deliver.

    Args:
        root: The project's root, with a store.
        key: The run's key.
        rows: The test split; None for a run that was never evaluated.
        predictions: Those of these rows.
        names: Label names by id.
        kind: The task.
        seed: The seed.
        settings: Sections of the config that differ from the usual.
        tags: Further tags.
        metrics: Last values of metrics.
        curves: Values of metrics at steps 1, 2, …
        role: The run's role.
        parent: Key of the run it is nested in.
        experiment: The experiment.
        name: The run's name.
        patch: What its source tree differed by.
    """
    config = {
        "experiment": "news",
        "seed": seed,
        "data": {"name": "news"},
        "task": {"kind": kind, "options": {}, "primary_metric": None},
        "optimizer": {"lr": 0.001},
        "evaluation": {"num_bootstrap_samples": 500, "confidence": 0.95, "seed": 0},
        **(settings or {}),
    }
    group = content_hash({name: value for name, value in config.items() if name != "seed"})
    journal = JournalWriter(journal_directory(root, key))
    journal.append(
        "open",
        store=f"sqlite:///{root}/mlflow.db",
        experiment=experiment,
        run_name=name or f"{key}-seed{seed}",
        parent=parent,
        tags={},
    )
    with RunLog(key, journal) as log:
        log.set_tags({"role": role})
        if role != "model" and rows is None:
            return
        log.set_tags(
            {
                "seed": str(seed),
                "config.group": group,
                "git.revision": "1" * 40,
                "git.dirty": str(patch is not None).lower(),
                "data.name": "news",
            }
        )
        log.set_tags(tags or {})
        log.log_metrics(metrics or {}, 7)
        for metric, values in (curves or {}).items():
            for step, value in enumerate(values, start=1):
                log.log_metrics({metric: value}, step)
        log.log_text(yaml.safe_dump(config, sort_keys=False), "config.yaml")
        if patch is not None:
            log.log_text(patch, "git/diff.patch")
        if rows is None or predictions is None:
            return
        log.set_tags({"data.test_hash": test_hash(rows)})
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "predictions_test.parquet"
            write_predictions(path, readable_predictions(rows, predictions), names)
            log.log_artifact(path, "evaluation")


def values_of(rows: pa.Table, predictions: pa.Table, kind: str, names: Sequence[str]) -> Any:
    """The task's metrics, to hold a comparison against."""
    return load_task(kind, {}).metrics(predictions, rows, names)
