"""Looks into the MLflow store behind its back."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Rows = list[tuple[Any, ...]]
Query = Callable[[str], Rows]


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
