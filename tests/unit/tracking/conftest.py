"""A real MLflow store in a directory of its own, made once and copied for each test."""

from __future__ import annotations

import shutil
import sqlite3
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipeline.tracking.store import ensure_database

Rows = list[tuple[Any, ...]]
Query = Callable[[str], Rows]


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh MLflow database."""
    folder = tmp_path_factory.mktemp("store")
    ensure_database(folder / "mlflow.db", artifacts=folder / "mlruns")
    return folder / "mlflow.db"


@pytest.fixture
def root(tmp_path: Path, empty_store: Path) -> Path:
    """A project root with a fresh store."""
    folder = tmp_path / "root"
    folder.mkdir()
    shutil.copyfile(empty_store, folder / "mlflow.db")
    return folder


@pytest.fixture
def query(root: Path) -> Query:
    """Asks the store's database, behind MLflow's back."""

    def ask(sql: str) -> Rows:
        connection = sqlite3.connect(root / "mlflow.db")
        try:
            return connection.execute(sql).fetchall()
        finally:
            connection.close()

    return ask


@pytest.fixture
def points(query: Query) -> Callable[[], Counter[tuple[str, int]]]:
    """How often each metric point (name, step) is in the store; system metrics left out."""

    def count() -> Counter[tuple[str, int]]:
        rows = query("SELECT key, step FROM metrics WHERE key NOT LIKE 'system/%'")
        return Counter((str(key), int(step)) for key, step in rows)

    return count
