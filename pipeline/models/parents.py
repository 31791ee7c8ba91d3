"""What is known of a checkpoint that another training made."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pipeline.artifacts import MANIFEST_FILE, content_hash, unchanged_file_sha256
from pipeline.config.model import CheckpointConfig
from pipeline.manifest import ParentModel
from pipeline.models.locate import read_json_object, weight_files
from pipeline.models.pins import ORIGIN


def weights_identity(directory: Path) -> str:
    """SHA-256 of a model's weights; that of a list of them where they are in several files.

    Raises:
        CheckpointError: If it has none.
    """
    hashes = [unchanged_file_sha256(path) for path in weight_files(directory)]
    return hashes[0] if len(hashes) == 1 else content_hash(hashes)


def parent_model(checkpoint: CheckpointConfig, directory: Path) -> ParentModel | None:
    """The model that a training begins with, where another training made it.

    Args:
        checkpoint: What the config says.
        directory: Where it lies.

    Raises:
        CheckpointError: If its records are damaged.
    """
    origin, manifest = directory.parent / ORIGIN, directory / MANIFEST_FILE
    told: dict[str, Any] = {}
    if checkpoint.source == "run" and origin.is_file():
        told = read_json_object(origin)
    made = read_json_object(manifest) if manifest.is_file() else {}
    if not (told or made):
        return None
    return ParentModel(
        location=checkpoint.location,
        weights_sha256=weights_identity(directory),
        run_key=made.get("run_key"),
        run_id=told.get("run_id"),
        experiment=made.get("experiment"),
    )
