"""A project of its own with a sweep, to be edited."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import yaml

from pipeline.sweep.definition.checking import Checked, check_sweep
from pipeline.sweep.definition.loading import Sweep, load_sweep

LR = {"type": "float", "low": 1e-5, "high": 1e-3, "log": True}


def copy_project(repository: Path, root: Path) -> Path:
    """Copies the shipped configuration."""
    shutil.copytree(repository / "conf", root / "conf")
    shutil.copy(repository / "params.yaml", root)
    return root


def write_sweep(root: Path, *arguments: str, **settings: Any) -> Sweep:
    """Writes a sweep, of sports_news over the learning rate unless told otherwise, and loads it."""
    path = root / "sweeps" / "mine.yaml"
    path.parent.mkdir(exist_ok=True)
    values = {"experiment": "sports_news", "space": {"optimizer.lr": LR}, **settings}
    path.write_text(yaml.safe_dump(values, sort_keys=False), encoding="utf-8")
    return load_sweep("mine", arguments, root)


_CHECKED: dict[tuple[str, tuple[str, ...]], Checked] = {}


def check_shipped(sweep: Sweep, root: Path) -> Checked:
    """Checks a sweep over the shipped configuration, once for all tests that search the same."""
    key = (sweep.settings.model_dump_json(), sweep.arguments)
    if key not in _CHECKED:
        _CHECKED[key] = check_sweep(sweep, root)
    return _CHECKED[key]


def choice(*choices: Any, **when: Any) -> dict[str, Any]:
    """A parameter with these choices, under a condition."""
    return {"type": "choice", "choices": list(choices), **({"when": when} if when else {})}
