"""Projects with a store of their own."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.registered_runs import RegistryProject


@pytest.fixture
def project(repository: Path, tmp_path: Path, empty_store: Path) -> RegistryProject:
    """The shipped configuration, and a store without runs."""
    return RegistryProject.make(repository, tmp_path / "project", store=empty_store)
