"""What is needed to make a tracked run again, read from the store and checked before any work."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from pipeline.comparison.loading import CONFIG, PATCH, title
from pipeline.comparison.selecting import expand
from pipeline.errors import UserError
from pipeline.tracking.reading import RunReader, RunRecord
from pipeline.tracking.secrets import MASK

METRICS = "evaluation/metrics.json"
_MOST_NAMED = 10


@dataclass(frozen=True)
class Origin:
    """Where a trained model came from.

    Attributes:
        record: Its run.
        revision: The commit, 40 hex digits.
        patch: How the source tree differed from it; empty where it did not.
        config: The resolved configuration, as YAML gives it.
        evaluated: Whether the model was evaluated on the test split.
        notes: What is not known, and may make a difference.
    """

    record: RunRecord
    revision: str
    patch: bytes
    config: Mapping[str, Any]
    evaluated: bool
    notes: tuple[str, ...]


def model_run(reader: RunReader, word: str) -> RunRecord:
    """The run of one trained model that a word means.

    Args:
        reader: Reads the store.
        word: As `RunReader.find` takes it; a parent of one model stands for it.

    Raises:
        UserError: If it means no run, or a parent of none or several models, which are named.
    """
    record = reader.find(word)
    models = [run for run in expand(reader, record) if "data.hash" in run.tags]
    if len(models) == 1:
        return models[0]
    if not models:
        raise UserError(
            f"{title(record)} trained no model, so there is nothing to reproduce",
            remedy="`python -m pipeline runs` lists runs that did",
        )
    lines = [f"  {run.run_id}  {run.name}" for run in models[:_MOST_NAMED]]
    if len(models) > _MOST_NAMED:
        lines.append(f"  and {len(models) - _MOST_NAMED} more")
    raise UserError(
        f"{title(record)} holds {len(models)} trained models:\n" + "\n".join(lines),
        remedy="name one of them",
    )


def find_origin(reader: RunReader, record: RunRecord) -> Origin:
    """Reads what made a model.

    Args:
        reader: Reads the store.
        record: The model's run.

    Raises:
        UserError: If the run is still going on, or does not tell its revision or configuration, or
            its uncommitted changes were not kept whole.
    """
    if record.status == "RUNNING":
        raise UserError(f"{title(record)} is still going on", remedy="wait for its end")
    revision = record.tags.get("git.revision")
    if revision is None:
        raise UserError(
            f"{title(record)} does not tell its git revision: it was not run in a git repository",
            remedy="commit the project, then train again; runs made from a commit can be "
            "reproduced",
        )
    notes: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        into = Path(folder)
        config = _config(reader, record, into)
        patch = _patch(reader, record, into, notes)
        evaluated = reader.artifact(record.run_id, METRICS, into) is not None
    later = record.tags.get("evaluate.git.revision", revision)
    if evaluated and later != revision:
        notes.append(
            f"it was evaluated from revision {later[:8]}, which may measure otherwise than "
            f"{revision[:8]}, which trained it"
        )
    return Origin(record, revision, patch, config, evaluated, tuple(notes))


def _config(reader: RunReader, record: RunRecord, into: Path) -> Mapping[str, Any]:
    path = reader.artifact(record.run_id, CONFIG, into)
    if path is None:
        raise UserError(
            f"{title(record)} has no artifact {CONFIG}, or it is not to be reached from here",
            remedy="look at the run's artifacts in the MLflow UI; a store without a server keeps "
            "them on the machine that ran it",
        )
    text = path.read_text(encoding="utf-8")
    try:
        values = yaml.safe_load(text)
    except yaml.YAMLError:  # a mask where a value stood alone is no YAML
        values = None
    known = values if isinstance(values, dict) else {}
    if MASK in (text if not known else str({**known, "tracking": None})):
        raise UserError(
            f"the configuration of {title(record)} held a secret, which tracking does not keep",
            remedy=f"look for {MASK} in its artifact {CONFIG}; keep secrets in environment "
            "variables, not in conf/",
        )
    if not known:
        raise UserError(
            f"the artifact {CONFIG} of {title(record)} is not a configuration",
            remedy="train it again",
        )
    return known


def _patch(reader: RunReader, record: RunRecord, into: Path, notes: list[str]) -> bytes:
    if record.tags.get("git.dirty") == "false":
        return b""
    for holder in _with_ancestors(reader, record):
        path = reader.artifact(holder.run_id, PATCH, into)
        if path is not None:
            return _checked(path.read_bytes(), record, notes)
    notes.append(
        "its source tree had uncommitted changes, and none of them was kept (large new files never "
        "are)"
    )
    return b""


def _with_ancestors(reader: RunReader, record: RunRecord) -> Iterator[RunRecord]:
    """A run and what it is nested in: of a sweep only the outermost run keeps the patch."""
    yield record
    while record.parent_id is not None:
        record = reader.get(record.parent_id)
        yield record


def _checked(patch: bytes, record: RunRecord, notes: list[str]) -> bytes:
    if not patch.startswith(b"diff "):
        raise UserError(
            f"the uncommitted changes of {title(record)} were too many to keep: only their summary "
            f"is among its artifacts ({PATCH})",
            remedy="commit before training, then its runs can be reproduced",
        )
    expected = record.tags.get("git.diff_sha256")
    if expected in {None, hashlib.sha256(patch).hexdigest()}:
        return patch
    if MASK.encode() not in patch:
        raise UserError(
            f"the patch of {title(record)} is not the one it ran from: its sha256 is not "
            f"{expected}, as the tag git.diff_sha256 says",
            remedy=f"put the artifact {PATCH} back as it was",
        )
    notes.append(f"secrets in its uncommitted changes were masked, so the patch has {MASK} there")
    return patch
