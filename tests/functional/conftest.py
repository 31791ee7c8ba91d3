"""Projects for the tests of whole commands: a fresh one, and one in which `dvc repro` has run."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from filelock import FileLock

from tests.functional.project import Project, make_project


@pytest.fixture
def project(repository: Path, tmp_path: Path) -> Project:
    """A fresh clone in which nothing has run."""
    return make_project(repository, tmp_path / "project")


@pytest.fixture(scope="session")
def _finished(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The one finished project of this test run; workers share it, tests copy it."""
    base = tmp_path_factory.getbasetemp()
    shared = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "finished"
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
