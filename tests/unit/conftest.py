"""A real MLflow store, made once and copied for each test that wants one."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from pipeline.tracking.store import ensure_database


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh MLflow database."""
    folder = tmp_path_factory.mktemp("store")
    ensure_database(folder / "mlflow.db", artifacts=folder / "mlruns")
    return folder / "mlflow.db"


@pytest.fixture
def root(tmp_path: Path, empty_store: Path) -> Path:
    """A project root with a fresh store; a directory of tests may have another."""
    folder = tmp_path / "root"
    folder.mkdir()
    shutil.copyfile(empty_store, folder / "mlflow.db")
    return folder
