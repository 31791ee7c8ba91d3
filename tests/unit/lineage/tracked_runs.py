"""Runs as the stages track them; they wait in journals, which readers deliver."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from pipeline.tracking.journal import JournalWriter, journal_directory
from pipeline.tracking.log import RunLog, Status

EXPERIMENT = "text_classification/newsroom_sports"
REVISION = "3f2a1b4c" * 5


class TrackRun(Protocol):
    """Tracks a run; see `track_run`."""

    def __call__(self, key: str, **options: Any) -> None: ...


def track_run(
    root: Path,
    key: str,
    *,
    name: str | None = None,
    role: str | None = "model",
    parent: str | None = None,
    experiment: str = EXPERIMENT,
    tags: Mapping[str, str] | None = None,
    params: Mapping[str, Any] | None = None,
    metrics: Mapping[str, float] | None = None,
    texts: Mapping[str, str] | None = None,
    status: Status = "FINISHED",
    revision: str | None = REVISION,
) -> None:
    """Tracks a run in a project.

    Args:
        root: The project's root.
        key: The run's key; of a nested run it begins with the parent's.
        name: The run's name; by default `name-<key>`.
        role: What it is a run of; None as before there were roles.
        parent: Key of the run it is nested in.
        experiment: The MLflow experiment.
        tags: Tags besides revision and role.
        params: Settings.
        metrics: Metrics at step 1.
        texts: Artifacts.
        status: How it ends.
        revision: The commit it ran from, on a clean tree; None outside a repository.
    """
    journal = JournalWriter(journal_directory(root, key))
    journal.append(
        "open",
        store=f"sqlite:///{root}/mlflow.db",
        experiment=experiment,
        run_name=name or f"name-{key}",
        parent=parent,
        tags={},
    )
    log = RunLog(key, journal)
    log.set_tags(
        {
            **({} if revision is None else {"git.revision": revision, "git.dirty": "false"}),
            **({} if role is None else {"role": role}),
            **({"data.hash": "d" * 64} if role == "model" else {}),
            **(tags or {}),
        }
    )
    log.log_params(params or {})
    log.log_metrics(metrics or {}, 1)
    for path, text in (texts or {}).items():
        log.log_text(text, path)
    log.finish(status)
