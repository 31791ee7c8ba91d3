"""A run's test predictions and configuration, fetched from the tracking store."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

from pipeline.config.schema import WITHOUT_EFFECT
from pipeline.errors import UserError
from pipeline.evaluation.tables import StoredPredictions, read_predictions
from pipeline.tasks.base import Task
from pipeline.tasks.registry import load_task
from pipeline.tracking.params import flatten
from pipeline.tracking.reading import RunReader, RunRecord

CONFIG = "config.yaml"
PREDICTIONS = "evaluation/predictions_test.parquet"
PATCH = "git/diff.patch"
SEARCHING = frozenset({"study", "trial", "seed"})
"""Roles of the runs of a sweep, which never see the test split and whose models MLflow lacks."""
_NOT_COMPARED = WITHOUT_EFFECT | {"seed"}


@dataclass(frozen=True)
class LoadedRun:
    """A run with what is compared of it.

    Attributes:
        record: The run as the store has it.
        values: Its resolved configuration.
        stored: Its predictions of the test split, with the references.
        patch: What its source tree differed from its commit by; empty where it did not.
    """

    record: RunRecord
    values: Mapping[str, Any]
    stored: StoredPredictions
    patch: str

    @property
    def title(self) -> str:
        """Name and the beginning of the id, for messages."""
        return title(self.record)

    @property
    def seed(self) -> int:
        """The seed it was trained with."""
        return int(self.values["seed"])

    @property
    def kind(self) -> str:
        """The task's kind, as the config names it."""
        return str(self.values["task"]["kind"])

    @cached_property
    def task(self) -> Task:
        """The task that measures it, with its own options."""
        return load_task(self.kind, self.values["task"].get("options") or {})

    @cached_property
    def settings(self) -> dict[str, str]:
        """The configuration by dotted path, without seed and what has no effect on results."""
        kept = {key: value for key, value in self.values.items() if key not in _NOT_COMPARED}
        return dict(flatten(kept))

    def setting(self, section: str, key: str, default: Any = None) -> Any:
        """A value of a section; the default where the run's version did not know it."""
        found = self.values.get(section)
        return found.get(key, default) if isinstance(found, Mapping) else default


def title(record: RunRecord) -> str:
    """A run's name and the beginning of its id, for messages."""
    return f"{record.name} ({record.run_id[:8]})"


def load_run(reader: RunReader, record: RunRecord, scratch: Path) -> LoadedRun:
    """Fetches a run.

    Args:
        reader: Reads the store.
        record: The run.
        scratch: An existing directory for what is fetched.

    Raises:
        UserError: If it has no test predictions or no configuration.
        EnvironmentProblem: If the store does not answer.
    """
    folder = scratch / record.run_id
    folder.mkdir(exist_ok=True)
    path = reader.artifact(record.run_id, PREDICTIONS, folder)
    if path is None:
        raise _without_predictions(record)
    config = reader.artifact(record.run_id, CONFIG, folder)
    if config is None:
        raise UserError(
            f"{title(record)} has no {CONFIG} among its artifacts, which says how it was trained",
            remedy="train it again with this version of the pipeline, or leave it out",
        )
    patch = None
    if record.tags.get("git.dirty") == "true":
        patch = reader.artifact(record.run_id, PATCH, folder)
    return LoadedRun(
        record,
        _read_config(config, record),
        _read(path, record),
        "" if patch is None else patch.read_text(encoding="utf-8", errors="replace"),
    )


def _read(path: Path, record: RunRecord) -> StoredPredictions:
    try:
        return read_predictions(path)
    except UserError as error:
        message = error.message.replace(str(path), f"the {PREDICTIONS} of {title(record)}")
        raise UserError(message, remedy=error.remedy) from error


def _read_config(path: Path, record: RunRecord) -> Mapping[str, Any]:
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except yaml.YAMLError:
        values = None
    task = values.get("task") if isinstance(values, dict) else None
    if not isinstance(task, dict) or "kind" not in task or "seed" not in values:
        raise UserError(
            f"the {CONFIG} of {title(record)} names no task and seed, so it is no configuration of "
            "this pipeline",
            remedy="compare runs that the pipeline trained",
        )
    return json.loads(json.dumps(values, default=str))  # type: ignore[no-any-return]


def _without_predictions(record: RunRecord) -> UserError:
    name = title(record)
    if record.role in SEARCHING:
        return UserError(
            f"{name} has no test predictions: what a sweep trains never sees the test split",
            remedy="pin the trial with `python -m pipeline sweep promote`, run `dvc repro`, and "
            "compare that run",
        )
    if record.status == "RUNNING":
        return UserError(
            f"{name} has no test predictions yet: it is still going on", remedy="wait for its end"
        )
    return UserError(
        f"{name} has no test predictions ({record.status.lower()}): it was never evaluated",
        remedy="run `python -m pipeline evaluate` with the overrides it was trained with, or "
        "`dvc repro` for the pinned run",
    )
