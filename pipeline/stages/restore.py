"""Puts a stage's last outputs back when it fails under DVC, which removes them before it runs."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import yaml

from pipeline.artifacts import replace_directory
from pipeline.errors import PipelineError

STAGE_VARIABLE = "DVC_STAGE"


def restore_outputs(root: Path) -> tuple[str, ...]:
    """Copies the outputs that `dvc.lock` records for the running stage back from DVC's cache.

    The layout of cache and lock file is documented in DVC's user guide ("Internal directories and
    files"). Outputs that are there, that were never made, or whose cached files are gone are left
    alone: `dvc checkout` knows more, for example a remote.

    Args:
        root: The directory of `dvc.yaml`.

    Returns:
        The outputs put back, as `dvc.yaml` names them; none where no DVC stage runs.
    """
    stage = os.environ.get(STAGE_VARIABLE)
    lock = root / "dvc.lock"
    if stage is None or not lock.is_file():
        return ()
    recorded = (yaml.safe_load(lock.read_text(encoding="utf-8")) or {}).get("stages", {})
    restored = []
    for output in recorded.get(stage, {}).get("outs", ()):
        target = root / output["path"]
        if not target.exists() and _copy(output, target, root / ".dvc" / "cache" / "files" / "md5"):
            restored.append(str(output["path"]))
    return tuple(restored)


def _copy(output: dict[str, Any], target: Path, cache: Path) -> bool:
    digest = str(output.get("md5", ""))
    try:
        if not digest.endswith(".dir"):
            shutil.copyfile(_cached(cache, digest), target)
            return True
        entries = json.loads(_cached(cache, digest).read_text(encoding="utf-8"))
        with replace_directory(target) as fresh:
            for entry in entries:
                path = fresh / entry["relpath"]
                path.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(_cached(cache, entry["md5"]), path)
    except (OSError, ValueError, KeyError, PipelineError):
        return False
    return True


def _cached(cache: Path, digest: str) -> Path:
    return cache / digest[:2] / digest[2:]
