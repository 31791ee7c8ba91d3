"""Fixtures that every test may use."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import pytest

from tests.checkpoints import MakeCheckpoint, write_checkpoint

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
os.environ["DVC_NO_ANALYTICS"] = "1"
os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
os.environ["DO_NOT_TRACK"] = "1"
os.environ.pop("MLFLOW_TRACKING_URI", None)
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A shell starts background jobs so, and their children would never see a Ctrl-C.
    signal.signal(signal.SIGINT, signal.default_int_handler)
os.environ.pop("DVC_ROOT", None)

REPOSITORY = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def repository() -> Path:
    """The root of the checkout under test."""
    return REPOSITORY


@pytest.fixture(scope="session")
def newsroom() -> Path:
    """The shipped corpus."""
    return REPOSITORY / "data" / "newsroom" / "newsroom.jsonl"


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real public data sets, which the repository does not ship."""
    folder = REPOSITORY.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip(f"real data sets are not here: {folder} does not exist")
    return folder


@pytest.fixture
def make_checkpoint(tmp_path: Path) -> MakeCheckpoint:
    """Writes a tiny checkpoint: `make_checkpoint("bert")`; keywords go into its config."""

    def make(kind: str, name: str | None = None, **config: Any) -> Path:
        return write_checkpoint(kind, tmp_path / (name or kind), **config)

    return make
