"""Brings a model of the tracking store here before the stages that begin with it."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.artifacts import (
    cannot_write,
    file_sha256,
    lasting_root,
    replace_directory,
    write_json,
)
from pipeline.config.model import CheckpointConfig
from pipeline.config.schema import TrackingConfig
from pipeline.console import notice
from pipeline.errors import CheckpointError
from pipeline.models.locate import WEIGHTS, weight_files
from pipeline.models.pins import (
    MODEL,
    ORIGIN,
    fetched_directory,
    pin_lines,
    pins_weights,
    unpinned,
)

if TYPE_CHECKING:
    from pipeline.tracking.fetching import ModelFetcher, StoredModel


def fetch_checkpoint(checkpoint: CheckpointConfig, tracking: TrackingConfig, root: Path) -> None:
    """Fetches the checkpoint of source run below `.cache/checkpoints/`, unless it is there.

    What is pinned is what is used: an alias that has moved since gives the pinned weights as long
    as they are here, and is an error where they have to be fetched.

    Args:
        checkpoint: What the config says; without effect for any other source.
        tracking: The tracking section; its store is read even where runs are not logged.
        root: The project's root.

    Raises:
        UserError: If the store has no such run or version, or the run logged no model.
        CheckpointError: If its weights are not pinned, or not the pinned ones; with the lines to
            paste.
        EnvironmentProblem: If the store does not answer, or the disk is full.
    """
    if checkpoint.source != "run":
        return
    target = fetched_directory(checkpoint, root)
    if (target / MODEL).is_dir():
        return
    from filelock import FileLock

    from pipeline.tracking.fetching import ModelFetcher

    fetcher = ModelFetcher(tracking, lasting_root(root))
    found = fetcher.find(checkpoint.location)
    told = found.weights_sha256
    if told is not None and not pins_weights(checkpoint):
        raise unpinned(checkpoint, {WEIGHTS: told})
    if told is not None and checkpoint.sha256.get(WEIGHTS, told) != told:
        raise _other_weights(checkpoint, fetcher, found, {WEIGHTS: told})
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise cannot_write(target, error) from error
    with FileLock(target.with_suffix(".lock")):
        if not (target / MODEL).is_dir():
            _fetch(checkpoint, fetcher, found, target)
            notice(f"fetched {checkpoint.location}: {found}")


def _fetch(
    checkpoint: CheckpointConfig, fetcher: ModelFetcher, found: StoredModel, target: Path
) -> None:
    with (
        replace_directory(target) as fresh,
        tempfile.TemporaryDirectory(prefix=".fetched-", dir=target.parent) as scratch,
    ):
        directory = fetcher.download(found, Path(scratch))
        weights = {path.name: file_sha256(path) for path in weight_files(directory)}
        if not checkpoint.sha256.keys() >= weights.keys():
            raise unpinned(checkpoint, weights)
        if any(checkpoint.sha256[name] != sha for name, sha in weights.items()):
            raise _other_weights(checkpoint, fetcher, found, weights)
        directory.rename(fresh / MODEL)
        write_json(fresh / ORIGIN, {"run_id": found.record.run_id, "name": found.record.name})


def _other_weights(
    checkpoint: CheckpointConfig,
    fetcher: ModelFetcher,
    found: StoredModel,
    weights: dict[str, str],
) -> CheckpointError:
    """The refusal of a model that is not the pinned one: an alias has moved, or the pin is wrong.

    Args:
        checkpoint: What the config says.
        fetcher: Knows the versions that have the pinned weights.
        found: What the address means now.
        weights: SHA-256 of its weights, by file.
    """
    kept = ""
    if checkpoint.location.startswith("models:/") and WEIGHTS in checkpoint.sha256:
        versions = fetcher.versions_with(checkpoint.location, checkpoint.sha256[WEIGHTS])
        if versions:
            kept = f"to keep the pinned weights, set model.checkpoint.location to {versions[0]}; "
    return CheckpointError(
        f"{checkpoint.location} is {found} now, whose weights are not those that "
        "model.checkpoint.sha256 pins",
        remedy=f"{kept}to take the new ones, {pin_lines(weights)}",
    )
