"""What determines a training: runs of equal key come to equal weights."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pipeline
from pipeline.artifacts import content_hash, file_sha256, unchanged_file_sha256
from pipeline.config.model import ModelConfig
from pipeline.config.schema import (
    MethodConfig,
    OptimizerConfig,
    SchedulerConfig,
    TaskConfig,
    TrainerConfig,
)
from pipeline.provenance import versions

_LIBRARIES = ("python", "torch", "transformers", "pytorch-lightning", "numpy")
_CODE = ("data", "images", "models", "tasks", "training")
_NOT_DETERMINING = {"name", "state_interval_seconds", "log_every_n_steps"}


def training_key(
    *,
    dataset_fingerprint: str,
    checkpoint_files: Iterable[Path],
    task: TaskConfig,
    model: ModelConfig,
    method: MethodConfig,
    optimizer: OptimizerConfig,
    scheduler: SchedulerConfig,
    trainer: TrainerConfig,
    world_size: int,
    seed: int,
) -> str:
    """Hashes all that the trained weights depend on, as 64 hex digits.

    Names of options, how often states are saved and how much is logged are left out. The code that
    trains and the versions of libraries are in: a state of other code is not gone on from.

    Args:
        dataset_fingerprint: The prepared data.
        checkpoint_files: The pretrained weights.
        task: The section of the config; a task of the user's own counts with its source.
        model: The section of the config.
        method: The section of the config.
        optimizer: The section of the config.
        scheduler: The section of the config.
        trainer: The section of the config.
        world_size: How many processes share the data.
        seed: The run's seed.
    """
    sections = (task, model, method, optimizer, scheduler, trainer)
    installed = versions()
    return content_hash(
        {
            "dataset": dataset_fingerprint,
            "weights": [unchanged_file_sha256(path) for path in checkpoint_files],
            "config": [
                section.model_dump(mode="json", exclude=_NOT_DETERMINING) for section in sections
            ],
            "world_size": world_size,
            "seed": seed,
            "code": code_hashes(task.kind),
            "versions": {name: installed.get(name) for name in _LIBRARIES},
        }
    )


def code_hashes(task_kind: str) -> Mapping[str, Any]:
    """SHA-256 of the source files that training runs, by path within the package."""
    package = Path(pipeline.__file__).parent
    found = {
        path.relative_to(package).as_posix(): file_sha256(path)
        for room in _CODE
        for path in sorted((package / room).rglob("*.py"))
    }
    module, _, own = task_kind.partition(":")
    spec = importlib.util.find_spec(module) if own else None
    if spec is not None and spec.origin is not None:
        found[task_kind] = file_sha256(Path(spec.origin))
    return found
