"""Opens a run, or continues it, by its key."""

from __future__ import annotations

import getpass
import re
from collections.abc import Mapping
from pathlib import Path

from pipeline.config.schema import TrackingConfig
from pipeline.console import warn
from pipeline.tracking.journal import JournalWriter, journal_directory
from pipeline.tracking.log import RunLog
from pipeline.tracking.secrets import Redactor
from pipeline.tracking.sender import Sender
from pipeline.tracking.store import resolve_uri

__all__ = ["RunLog", "open_run"]

_KEY = re.compile(r"[\w-][\w.-]{0,199}", re.ASCII)


def open_run(
    tracking: TrackingConfig,
    *,
    root: Path,
    key: str,
    experiment: str,
    run_name: str,
    tags: Mapping[str, str],
    parent: str | None = None,
    system_metrics: bool = True,
) -> RunLog:
    """Opens the run with this key, or continues it.

    Events go to `<root>/.cache/tracking/<key>/journal.jsonl`; a background sender carries them to
    MLflow, together with what earlier commands left there. The same key is the same MLflow run, in
    this process and in later ones, and a metric point that the journal has is not logged again.

    A run with a parent is nested in it, has no sender of its own and is carried by the parent's,
    whose key its own has to begin with.

    Args:
        tracking: The tracking section. Disabled, the result takes all calls and does nothing.
        root: `artifacts.lasting_root()`, for the journal, `mlflow.db` and `mlruns/`.
        key: Names the run: ASCII letters, digits, `_`, `-`, `.`; at most 200 characters.
        experiment: The MLflow experiment, unless the config names one. Fixed by the first opening.
        run_name: The run's name, unless the config names one. Fixed by the first opening.
        tags: Tags to set.
        parent: Key of the run it is nested in; its own key is `<parent>-…`.
        system_metrics: Whether processor, memory, disk and GPU use are sampled every five seconds.

    Raises:
        ValueError: If the key has other characters, or does not begin with the parent's.
    """
    if _KEY.fullmatch(key) is None:
        raise ValueError(f"a run key has letters, digits, '_', '-' and '.', got {key!r}")
    if parent is not None and not key.startswith(f"{parent}-"):
        raise ValueError(f"the key of a run nested in {parent} begins with {parent}-, got {key!r}")
    if not tracking.enabled:
        return RunLog(key)
    root = root.resolve()
    uri = resolve_uri(tracking.uri, root)
    redactor = Redactor()
    directory = journal_directory(root, key)
    try:
        journal = JournalWriter(directory)
        journal.append(
            "open",
            store=redactor.text(uri),
            experiment=redactor.text(tracking.experiment or experiment),
            run_name=redactor.text(tracking.run_name or run_name),
            parent=parent,
            tags={
                "mlflow.user": _user(),
                "mlflow.source.name": "python -m pipeline",
                "mlflow.source.type": "LOCAL",
            },
        )
    except OSError as error:
        warn(
            f"tracking: nothing of this run is logged: cannot write {directory}: "
            f"{error.strerror or error}; its results are not affected"
        )
        return RunLog(key)
    run = RunLog(key, journal, None if parent else Sender(directory, uri, root))
    run.set_tags(tags)
    if system_metrics:
        run.sample_system()
    return run


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "unknown"
