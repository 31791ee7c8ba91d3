from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.source_imports import closure, imports, modules

FLOORS: tuple[tuple[str, ...], ...] = (
    ("errors", "artifacts", "console"),
    ("provenance", "manifest", "config"),
    ("audio", "images", "metrics", "statistics"),
    ("tasks",),
    ("data",),
    ("models",),
    ("tracking",),
    ("reports",),
    ("evaluation",),
    ("training", "export"),
    ("stages",),
    ("comparison",),
    ("lineage", "registry"),
    ("sweep",),
    ("cli",),
    ("__main__",),
)
"""Rooms of the package from the ground up: a module imports its own room and those below."""

STAGES = ("compose", "prepare", "train", "evaluate", "export")


def floor(module: str) -> int:
    room = module.split(".")[1]
    return next(number for number, rooms in enumerate(FLOORS) if room in rooms)


def room(module: str) -> str:
    return module.split(".")[1]


def test_imports_go_down_the_floors_only(repository: Path) -> None:
    known = {name: path for name, path in modules(repository).items() if "." in name}
    upward = [
        f"{name} imports {other}"
        for name, path in known.items()
        for other in imports(path, known)
        if room(other) != room(name)
        and floor(other) >= floor(name)
        and not (floor(other) == 0 and floor(name) == 0)
    ]
    assert not upward, "\n".join(upward)


def test_only_tracking_imports_mlflow(repository: Path) -> None:
    guilty = [
        name
        for name, path in modules(repository).items()
        if ("import mlflow" in (text := path.read_text(encoding="utf-8")) or "from mlflow" in text)
        and not name.startswith("pipeline.tracking")
    ]
    assert guilty == []


def test_only_the_sweep_imports_optuna_and_ray(repository: Path) -> None:
    guilty = [
        name
        for name, path in modules(repository).items()
        if re.search(r"^\s*(import|from) (optuna|ray)\b", path.read_text(encoding="utf-8"), re.M)
        and not name.startswith("pipeline.sweep")
    ]
    assert guilty == []


def test_the_driver_of_a_sweep_does_not_pay_for_torch() -> None:
    code = "import sys; import pipeline.sweep.driver; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    assert {"torch", "pytorch_lightning", "mlflow", "optuna", "matplotlib"}.isdisjoint(loaded)


@pytest.mark.parametrize("stage", STAGES)
def test_the_code_a_stage_runs_is_among_its_dependencies(repository: Path, stage: str) -> None:
    described = yaml.safe_load((repository / "dvc.yaml").read_text(encoding="utf-8"))
    dependencies = [repository / path for path in described["stages"][stage]["deps"]]
    known = modules(repository)
    run = closure(f"pipeline.stages.{stage}", known)
    for task in (name for name in known if name.startswith("pipeline.tasks.")):
        run |= closure(task, known)  # the registry imports tasks by name
    uncovered = [
        str(path.relative_to(repository))
        for path in sorted(run)
        if not any(path == other or other in path.parents for other in dependencies)
        and path.name != "__init__.py"
    ]
    assert uncovered == []


def test_help_pays_for_no_library() -> None:
    code = "import sys; import pipeline.cli as c; c.build_parser(); print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    heavy = {"torch", "pydantic", "hydra", "mlflow", "numpy", "pyarrow", "rich", "yaml"}
    assert heavy.isdisjoint(loaded)


@pytest.mark.parametrize("stage", ["compose", "prepare"])
def test_early_stages_do_not_pay_for_training_or_tracking(stage: str) -> None:
    code = f"import sys; import pipeline.stages.{stage}; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    assert {"torch", "pytorch_lightning", "mlflow", "sklearn", "matplotlib"}.isdisjoint(loaded)
