"""A project whose sweep jobs train in a fraction of a second, and one for promotions."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def prepared_project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project, made once."""
    from pipeline.stages.datasets import prepared_dataset
    from tests.sweep_jobs import job_config, write_jobs_project

    root = write_jobs_project(tmp_path_factory.mktemp("prepared") / "project")
    prepared_dataset(job_config(), root=root)
    return root


@pytest.fixture
def root(prepared_project: Path, tmp_path: Path) -> Path:
    """A copy of the project for a test of its own."""
    return shutil.copytree(prepared_project, tmp_path / "project")


@pytest.fixture(scope="session")
def promotable(tmp_path_factory: pytest.TempPathFactory, repository: Path) -> Path:
    """A project in git with the shipped configuration, made once."""
    from tests.promotable_projects import make_promotable

    return make_promotable(repository, tmp_path_factory.mktemp("promotable") / "project")
