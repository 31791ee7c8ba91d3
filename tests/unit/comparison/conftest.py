"""Reads the store of a project."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.config.schema import TrackingConfig
from pipeline.tracking.reading import RunReader


@pytest.fixture
def reader(root: Path) -> RunReader:
    """Reads that store."""
    return RunReader(TrackingConfig(), root)
