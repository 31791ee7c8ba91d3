"""Models of other trainings must be pinned by content: each of them may be trained anew."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from pipeline.artifacts import cache_root, content_hash
from pipeline.config.model import CheckpointConfig
from pipeline.errors import CheckpointError

MODEL, ORIGIN = "model", "origin.json"
"""In the directory of a fetched checkpoint: its files, and which run made them."""


def fetched_directory(checkpoint: CheckpointConfig, root: Path) -> Path:
    """Where the model of source run lies once it was fetched; one place for each pinned content.

    Args:
        checkpoint: What the config says, pins included.
        root: The project's root.

    Returns:
        A directory that holds `MODEL` and `ORIGIN`; it need not exist.
    """
    return cache_root(root) / fetched_name(checkpoint)


def fetched_name(checkpoint: CheckpointConfig) -> str:
    """The same as a path below `.cache/`."""
    return f"checkpoints/{content_hash([checkpoint.location, checkpoint.sha256])[:32]}"


def pins_weights(checkpoint: CheckpointConfig) -> bool:
    """Whether the config pins any file of weights."""
    return any(name.endswith(".safetensors") for name in checkpoint.sha256)


def pin_lines(found: Mapping[str, str]) -> str:
    """What to paste so that weights are pinned, into a file or behind a command.

    Args:
        found: SHA-256 of the weights, by file.
    """
    lines = "".join(f"\n    {name}: {sha}" for name, sha in found.items())
    pairs = ", ".join(f"{name}: {sha}" for name, sha in found.items())
    return (
        f"paste this under model.checkpoint.sha256:{lines}\n  or add to the command: "
        f"'model.checkpoint.sha256={{{pairs}}}'"
    )


def unpinned(checkpoint: CheckpointConfig, found: Mapping[str, str]) -> CheckpointError:
    """The refusal of a trained model without pins.

    Args:
        checkpoint: What the config says.
        found: SHA-256 of its weights as they are now, by file.
    """
    return CheckpointError(
        f"model.checkpoint.location: {checkpoint.location} is the model of another training, which "
        "may be made anew, and nothing pins its weights",
        remedy=pin_lines(found),
    )
