"""The tracked run of a model: train opens it, evaluate and export continue it."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pipeline.artifacts import lasting_root
from pipeline.config.compose import config_hash
from pipeline.config.schema import Config
from pipeline.provenance import Provenance, collect
from pipeline.tracking.journal import journal_directory
from pipeline.tracking.run import RunLog, open_run

_ELSEWHERE = (
    "trained on another machine, or its log was removed here; "
    "manifest.json beside the model says where it came from"
)


def open_stage_run(
    config: Config,
    *,
    root: Path,
    key: str,
    stage: Literal["train", "evaluate", "export"],
    provenance: Provenance | None = None,
) -> RunLog:
    """Opens the run with this key, or continues it; a context manager that ends it.

    Train describes source, versions and machine in tags. The stages after it only add the revision
    they ran from, unless the run is not known here: then they describe it, and a tag says so.

    Args:
        config: The resolved configuration.
        root: The project's root.
        key: The run's key, from the training state or the model's manifest.
        stage: Which stage asks.
        provenance: Where the process comes from, if it is known already.
    """
    lasting = lasting_root(root)
    known = journal_directory(lasting, key).is_dir()
    provenance = provenance or collect(root)
    tags: dict[str, str] = {"stage": stage}
    if stage == "train" or not known:
        tags |= provenance.tags() | {"config.hash": config_hash(config)}
    if stage != "train":
        tags[f"{stage}.git.revision"] = provenance.git.revision or "none"
        if not known:
            tags["origin"] = _ELSEWHERE
    return open_run(
        config.tracking,
        root=lasting,
        key=key,
        experiment=f"{config.task.name}/{config.data.name}",
        run_name=f"{config.experiment}-{config.model.name}-seed{config.seed}",
        tags=tags,
        system_metrics=stage == "train",
    )
