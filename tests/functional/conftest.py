"""Projects for the tests of whole commands: a fresh one, and one in which `dvc repro` has run."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from filelock import FileLock

from pipeline.tracking.store import ensure_database
from tests.functional.project import Project, make_project


@pytest.fixture
def project(repository: Path, tmp_path: Path) -> Project:
    """A fresh clone in which nothing has run."""
    return make_project(repository, tmp_path / "project")


@pytest.fixture(scope="session")
def _shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of this test run, which all its workers share."""
    base = tmp_path_factory.getbasetemp()
    return base.parent if "PYTEST_XDIST_WORKER" in os.environ else base


@pytest.fixture(scope="session")
def _empty_store(_shared: Path) -> Path:
    """An MLflow database without runs; one worker makes it, tests copy it."""
    database = _shared / "empty-store" / "mlflow.db"
    ensure_database(database, artifacts=database.with_name("mlruns"))
    return database


@pytest.fixture
def tracked(project: Project, _empty_store: Path) -> Project:
    """A fresh clone whose tracking store is there, as it takes seconds to make."""
    shutil.copyfile(_empty_store, project.root / "mlflow.db")
    return project


@pytest.fixture(scope="session")
def _finished(repository: Path, _shared: Path) -> Project:
    """The one finished project of this test run; workers share it, tests copy it."""
    shared = _shared / "finished"
    with FileLock(shared.with_suffix(".lock")):
        if not (shared / ".complete").exists():
            shutil.rmtree(shared, ignore_errors=True)
            made = make_project(repository, shared)
            made.run("dvc", "repro")
            made.commit("The first run")
            (shared / ".complete").touch()
    return Project(shared)


@pytest.fixture
def finished(_finished: Project, tmp_path: Path) -> Project:
    """A clone in which `dvc repro` has run and its results are committed."""
    return _finished.copy(tmp_path / "project")
