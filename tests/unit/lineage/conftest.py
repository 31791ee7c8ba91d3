"""A project with the shipped configuration and a real MLflow store."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from pipeline.config.schema import TrackingConfig
from pipeline.tracking.reading import RunReader
from tests.unit.lineage.tracked_runs import TrackRun, track_run


@pytest.fixture
def root(tmp_path: Path, empty_store: Path, repository: Path) -> Path:
    """The project's root."""
    folder = tmp_path / "project"
    shutil.copytree(repository / "conf", folder / "conf")
    (folder / "params.yaml").write_text("experiment: sports_news\n", encoding="utf-8")
    shutil.copyfile(empty_store, folder / "mlflow.db")
    return folder


@pytest.fixture
def reader(root: Path) -> RunReader:
    """Reads the project's store."""
    return RunReader(TrackingConfig(), root)


@pytest.fixture
def track(root: Path) -> TrackRun:
    """Tracks runs in the project."""
    return lambda key, **options: track_run(root, key, **options)
