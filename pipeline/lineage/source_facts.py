"""Where a run came from, as labelled lines."""

from __future__ import annotations

from collections.abc import Iterator

from pipeline.lineage.defaults import changed_settings
from pipeline.lineage.words import seed_of
from pipeline.tracking.reading import RunReader, RunRecord

Fact = tuple[str, str]
"""A label, which may be empty to continue the fact before, and a text."""

_FIRST_VERSIONS = ("python", "torch", "transformers", "pytorch-lightning", "numpy")
_SWEEP_TAGS = ("sweep", "trial", "study")
_MOST_SETTINGS = 30


def source_facts(reader: RunReader, record: RunRecord) -> Iterator[Fact]:
    """What made a run, and on what.

    Args:
        reader: Reads the store, for the names of the runs it is nested in.
        record: The run.

    Yields:
        Label and text; nothing for what the run does not tell.
    """
    yield from _source(record)
    yield from _config(record)
    yield from _data(record)
    yield from _checkpoint(record)
    yield from _machine(record)
    yield from _dvc(record)
    yield from _family(reader, record)
    if "origin" in record.tags:
        yield "origin", record.tags["origin"]


def _source(record: RunRecord) -> Iterator[Fact]:
    tags = record.tags
    if "git.revision" not in tags:
        yield "source", "unknown: it was not run in a git repository"
        return
    branch = f" on {tags['git.branch']}" if "git.branch" in tags else ""
    yield "source", f"{tags['git.revision']}{branch}"
    if tags.get("git.dirty") == "true":
        yield "", "with uncommitted changes: git/diff.patch among the artifacts"
    later = tags.get("evaluate.git.revision", "none")
    if later not in {"none", tags["git.revision"]}:
        yield "", f"evaluated from {later}"


def _config(record: RunRecord) -> Iterator[Fact]:
    if "config.hash" in record.tags:
        yield "config", f"config.yaml, hash {record.tags['config.hash'][:16]}"
    if seed_of(record):
        yield "seed", seed_of(record)
    changed = changed_settings(record.params)
    for number, (name, (value, default)) in enumerate(list(changed.items())[:_MOST_SETTINGS]):
        yield "settings" if number == 0 else "", f"{name} = {value} (by default {default})"
    if len(changed) > _MOST_SETTINGS:
        yield "", f"and {len(changed) - _MOST_SETTINGS} more that differ from the defaults"


def _data(record: RunRecord) -> Iterator[Fact]:
    tags = record.tags
    if "data.hash" in tags:
        yield "data", f"{tags.get('data.name', 'unnamed')}, hash {tags['data.hash']}"
    digests = ", ".join(f"{link.context} {link.digest[:12]}" for link in record.datasets)
    if digests:
        yield "" if "data.hash" in tags else "data", f"digests: {digests}"
    if "data.test_hash" in tags:
        yield "", f"test rows: hash {tags['data.test_hash'][:16]}"


def _checkpoint(record: RunRecord) -> Iterator[Fact]:
    params = record.params
    told = record.tags.get("checkpoint")
    if told is None and params.get("model.checkpoint.source", "scratch") != "scratch":
        told = f"{params['model.checkpoint.source']} {params.get('model.checkpoint.location', '')}"
        revision = params.get("model.checkpoint.revision", "null")
        told += "" if revision == "null" else f" at {revision}"
    if told is not None:
        yield "checkpoint", told
    elif "model.name" in params:
        yield "checkpoint", f"none: {params['model.name']} starts from random weights"
    yield from _parent_model(record)


def _parent_model(record: RunRecord) -> Iterator[Fact]:
    """Which training made the weights that this one began with, where one did."""
    names = {"run_id": "run", "experiment": "experiment", "weights_sha256": "weights"}
    told = [
        f"{word} {record.tags[f'checkpoint.{name}']}"
        for name, word in names.items()
        if f"checkpoint.{name}" in record.tags
    ]
    if told:
        yield "", f"trained by {', '.join(told)}"


def _machine(record: RunRecord) -> Iterator[Fact]:
    tags = record.tags
    if "host" in tags:
        threads = f", threads {tags['threads']}" if "threads" in tags else ""
        gpu = f", {tags['gpu']}" if "gpu" in tags else ""
        yield "machine", f"{tags['host']}: {tags.get('cpu', 'unknown processor')}{gpu}{threads}"
    known = [name for name in _FIRST_VERSIONS if f"version.{name}" in tags]
    if known:
        yield "versions", ", ".join(f"{name} {tags[f'version.{name}']}" for name in known)
        yield "", "all packages: environment/requirements.txt among the artifacts"


def _dvc(record: RunRecord) -> Iterator[Fact]:
    told = [
        f"{name} {record.tags[f'dvc.{name}']}"
        for name in ("stage", "experiment", "baseline")
        if f"dvc.{name}" in record.tags
    ]
    if told:
        yield "dvc", ", ".join(told)


def _family(reader: RunReader, record: RunRecord) -> Iterator[Fact]:
    if record.parent_id is not None:
        parent = reader.get(record.parent_id)
        role = f", {parent.role}" if parent.role else ""
        yield "nested in", f"{parent.name} ({parent.run_id[:8]}{role})"
    if "group" in record.tags:
        yield "group", record.tags["group"]
    told = [f"{name} {record.tags[name]}" for name in _SWEEP_TAGS if name in record.tags]
    if told:
        yield "sweep", ", ".join(told).removeprefix("sweep ")
