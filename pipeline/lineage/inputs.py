"""Brings what a configuration reads, and git does not hold, into a clean worktree."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from pipeline.config.model import CheckpointConfig
from pipeline.errors import UserError
from pipeline.lineage.worktree import CleanTree
from pipeline.models.pins import fetched_name


def input_paths(config: Mapping[str, Any]) -> list[str]:
    """The relative paths that a resolved configuration reads: raw data and a local checkpoint."""
    return list(dict.fromkeys(path for path in _paths(config) if not path.startswith("/")))


def levels_above(paths: list[str]) -> int:
    """How many directories above the project the highest of some paths leads."""
    parts = [PurePosixPath(os.path.normpath(path)).parts for path in paths]
    return max((one.count("..") for one in parts), default=0)


def provide(paths: list[str], tree: CleanTree, root: Path) -> None:
    """Makes paths of the configuration lead to something in a worktree.

    What git holds is there. What DVC tracks is checked out from the cache of the user's own tree.
    Anything else becomes a symbolic link to where the path leads from the user's own tree: nothing
    is copied, and the hash of the data will tell whether it is what it was.

    Args:
        paths: From `input_paths`.
        tree: The worktree.
        root: The project's root.

    Raises:
        UserError: If something is neither here nor there.
    """
    for path in paths:
        there = Path(os.path.abspath(tree.project / path))  # noqa: PTH100 (resolve follows links)
        if there.exists() or _checked_out(there, tree.project, root):
            continue
        here = root / path
        if not here.exists():
            raise UserError(
                f"{path}, which the run read, is neither in git at its revision nor here",
                remedy="put it there, or bring it from DVC's remote with `dvc fetch --all-commits`",
            )
        there.parent.mkdir(parents=True, exist_ok=True)
        there.symlink_to(here.resolve())


def _paths(config: Mapping[str, Any]) -> Iterator[str]:
    data = config.get("data") or {}
    for file in (data.get("files") or {}).values():
        yield str(file["path"])
        yield from (str(other["path"]) for other in (file.get("aligned") or {}).values())
    media = str((data.get("media") or {}).get("path", ""))
    if media:
        yield media
    dataset = str((data.get("hub") or {}).get("dataset", ""))
    if dataset.startswith("./"):
        yield dataset
    checkpoint = (config.get("model") or {}).get("checkpoint") or {}
    if checkpoint.get("source") == "directory":
        yield str(checkpoint["location"])
    if checkpoint.get("source") == "run":
        yield f".cache/{fetched_name(CheckpointConfig.model_validate(checkpoint))}"


def _checked_out(path: Path, project: Path, root: Path) -> bool:
    """Checks out what a `.dvc` file of the worktree tracks; whether the path exists then."""
    inside = [one for one in (path, *path.parents) if project in one.parents]
    holders = (one.with_name(f"{one.name}.dvc") for one in inside)
    tracked = next((one for one in holders if one.is_file()), None)
    if tracked is None:
        return False
    cache = _dvc(root, "cache", "dir")
    if cache is None:
        return False
    _dvc(project, "cache", "dir", "--local", cache.strip())
    _dvc(project, "config", "--local", "cache.type", "reflink,symlink,copy")
    _dvc(project, "checkout", "--quiet", str(tracked))
    return path.exists()


def _dvc(directory: Path, *arguments: str) -> str | None:
    """What a dvc command prints; None if it fails."""
    done = subprocess.run(  # noqa: S603 - our own arguments
        [sys.executable, "-m", "dvc", *arguments],
        cwd=directory,
        capture_output=True,
        text=True,
        env={name: value for name, value in os.environ.items() if not name.startswith("DVC_")},
        check=False,
    )
    return done.stdout if done.returncode == 0 else None
