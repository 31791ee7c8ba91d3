"""Projects with a store of their own, made once and copied for each test."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.tracking.store import ensure_database
from tests.registered_runs import RegistryProject


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh MLflow database."""
    folder = tmp_path_factory.mktemp("store")
    ensure_database(folder / "mlflow.db", artifacts=folder / "mlruns")
    return folder / "mlflow.db"


@pytest.fixture
def project(repository: Path, tmp_path: Path, empty_store: Path) -> RegistryProject:
    """The shipped configuration, and a store without runs."""
    return RegistryProject.make(repository, tmp_path / "project", store=empty_store)
