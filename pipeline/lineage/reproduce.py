"""Makes a tracked run again, from its revision and configuration, and says whether it is equal."""

from __future__ import annotations

import datetime
import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from pipeline.artifacts import (
    Outputs,
    cache_root,
    file_sha256,
    lasting_root,
    read_json,
    shown,
    write_text,
)
from pipeline.comparison.loading import title
from pipeline.config.compose import compose
from pipeline.config.model import CheckpointConfig
from pipeline.config.schema import TrackingConfig
from pipeline.console import notice, out, warn
from pipeline.data.store import INFO_FILE
from pipeline.errors import PipelineError, UserError
from pipeline.lineage.checking import Check, check_hash, check_numbers, check_predictions
from pipeline.lineage.inputs import input_paths, levels_above, provide
from pipeline.lineage.machines import differences
from pipeline.lineage.origin import METRICS, Origin, find_origin, model_run
from pipeline.lineage.running import Stages, ending_gently
from pipeline.lineage.verdict import DATA, Verdict, verdict_table
from pipeline.lineage.worktree import CleanTree, alone, require_revision
from pipeline.manifest import FILE_NAME as MANIFEST
from pipeline.models.locate import WEIGHTS
from pipeline.provenance import machine
from pipeline.reports.words import duration
from pipeline.stages.checkpoints import fetch_checkpoint
from pipeline.tracking.marking import set_tags
from pipeline.tracking.reading import RunReader


def reproduce(word: str, root: Path) -> int:
    """Makes a run again in a clean worktree, and prints and records whether it is equal.

    The worktree is at the run's revision, with its uncommitted changes; the stages run with the
    code there, the run's resolved configuration and its number of threads, without training states
    of earlier runs, and log nothing. It is removed afterwards, unless something differs.

    Args:
        word: A run by id, beginning of an id, name or key; a parent of one model stands for it.
        root: The project's root.

    Returns:
        0 if all that the run recorded is equal, otherwise 1.

    Raises:
        UserError: If the run cannot be found, does not say enough, or its revision or data are not
            here.
        EnvironmentProblem: If the store does not answer, or a stage fails.
    """
    tracking = compose([], root).tracking
    lasting = lasting_root(root)
    reader = RunReader(tracking, lasting)
    origin = find_origin(reader, model_run(reader, word))
    require_revision(root, origin.revision)
    checkpoint = (origin.config.get("model") or {}).get("checkpoint") or {"source": "scratch"}
    fetch_checkpoint(CheckpointConfig.model_validate(checkpoint), tracking, root)
    paths = input_paths(origin.config)
    folder = cache_root(root) / "reproduce" / origin.record.run_id[:12]
    log = folder.with_suffix(".log")
    tree = CleanTree(root, folder, above=levels_above(paths))

    def discard() -> None:
        tree.remove()
        log.unlink(missing_ok=True)

    with alone(folder), ending_gently(discard):
        try:
            _prepare_tree(origin, tree, paths, root)
        except PipelineError:
            tree.remove()
            raise
        try:
            notice(f"what the stages say: {shown(log, root)}")
            verdict = _run_again(origin, tree, reader, log)
        except PipelineError:
            _kept(tree, root)
            raise
        if verdict.is_equal:
            discard()
    out.print(verdict_table(verdict))
    if not verdict.is_equal:
        _kept(tree, root)
    _record(tracking, lasting, origin, verdict)
    return 0 if verdict.is_equal else 1


def _prepare_tree(origin: Origin, tree: CleanTree, paths: list[str], root: Path) -> None:
    tree.make(origin.revision)
    if origin.patch:
        tree.apply(origin.patch)
    provide(paths, tree, root)
    quiet = {**(origin.config.get("tracking") or {}), "enabled": False}
    text = yaml.safe_dump(
        {**origin.config, "tracking": quiet}, sort_keys=False, allow_unicode=True, width=100
    )
    write_text(Outputs(tree.project / "outputs").config, text)
    changes = ", with its uncommitted changes" if origin.patch else ""
    notice(f"reproducing {title(origin.record)} at revision {origin.revision[:12]}{changes}")
    seconds = origin.record.metrics.get("cost/train_seconds")
    if seconds is not None:
        notice(f"training took {duration(seconds)} then, without validation")


def _run_again(origin: Origin, tree: CleanTree, reader: RunReader, log: Path) -> Verdict:
    tags = origin.record.tags
    threads = tags.get("threads")
    outputs = Outputs(tree.project / "outputs")
    total = 3 if origin.evaluated else 2
    stages = Stages(tree.project, log, total=total, threads=threads)
    stages.run("prepare")
    fingerprint = str(read_json(outputs.dataset / INFO_FILE)["fingerprint"])
    if fingerprint != tags["data.hash"]:
        raise UserError(
            f"the data are not those of the run: their hash is {fingerprint[:16]}…, the run's was "
            f"{tags['data.hash'][:16]}…",
            remedy="put the raw files back as they were; the run's artifact dataset/quality.html "
            "tells what was in them",
        )
    checks = [Check(DATA, True, f"hash {fingerprint[:16]}…")]
    stages.run("train")
    checks += _check_training(origin, outputs, reader)
    if origin.evaluated:
        stages.run("evaluate")
        checks += _check_evaluation(origin, outputs, reader)
    return Verdict(origin, tuple(checks), tuple(differences(tags, threads=threads)))


def _check_training(origin: Origin, outputs: Outputs, reader: RunReader) -> list[Check]:
    """Compares the weights, and the validation metrics of the kept ones with tracked points."""
    weights = outputs.model / WEIGHTS
    found = file_sha256(weights) if weights.is_file() else None
    manifest = read_json(outputs.model / MANIFEST)
    values: dict[str, float] = manifest["validation"]
    recorded: dict[str, float] = {}
    for name in values:
        for step, value, _ in reader.history(origin.record.run_id, f"val/{name}"):
            if step == manifest["best_step"]:
                recorded[name] = value
    return [
        check_hash("weights", origin.record.tags.get("weights.sha256"), found),
        check_numbers("validation", recorded, values),
    ]


def _check_evaluation(origin: Origin, outputs: Outputs, reader: RunReader) -> list[Check]:
    directory = str(Path(METRICS).parent)
    with tempfile.TemporaryDirectory() as folder:
        recorded = reader.artifact(origin.record.run_id, directory, Path(folder))
        assert recorded is not None
        metrics: Mapping[str, Any] = json.loads((Path(folder) / METRICS).read_text("utf-8"))
        return [
            check_numbers("metrics", metrics, read_json(outputs.evaluation / Path(METRICS).name)),
            check_predictions(recorded, outputs.evaluation),
        ]


def _kept(tree: CleanTree, root: Path) -> None:
    notice(f"to look at: {shown(tree.project, root)} (removed when the run is reproduced again)")


def _record(tracking: TrackingConfig, root: Path, origin: Origin, verdict: Verdict) -> None:
    """Writes the verdict as tags on the run, so that `runs show` tells it."""
    now = datetime.datetime.now(datetime.UTC)
    tags = {
        "reproduced.verdict": verdict.in_words,
        "reproduced.at": f"{now:%Y-%m-%d %H:%M} UTC",
        "reproduced.host": machine().host,
        "reproduced.revision": origin.revision,
    }
    try:
        set_tags(tracking, root, origin.record.run_id, tags)
    except PipelineError as error:
        warn(f"the verdict is not recorded in MLflow: {error.message}")
