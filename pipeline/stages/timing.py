"""How long prepare took, kept for the run that trains on its dataset: prepare knows no run."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from pipeline.artifacts import cache_root, read_json, write_json
from pipeline.errors import PipelineError


def keep_prepare_seconds(fingerprint: str, seconds: float, root: Path) -> None:
    """Writes down, outside DVC's outputs, how long a dataset took; a refusal costs the note only.

    Args:
        fingerprint: The dataset's.
        seconds: How long.
        root: The project's root.
    """
    with suppress(PipelineError):
        write_json(_path(fingerprint, root), {"prepare_seconds": seconds})


def prepare_seconds(fingerprint: str, root: Path) -> float | None:
    """How long a dataset took; None if it was made elsewhere, or long ago.

    Args:
        fingerprint: The dataset's.
        root: The project's root.
    """
    path = _path(fingerprint, root)
    if path.is_file():
        with suppress(PipelineError, KeyError, TypeError, ValueError):
            return float(read_json(path)["prepare_seconds"])
    return None


def _path(fingerprint: str, root: Path) -> Path:
    return cache_root(root) / "prepared" / f"{fingerprint[:32]}.json"
