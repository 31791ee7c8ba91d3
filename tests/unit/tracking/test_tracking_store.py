from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.config.schema import TrackingConfig
from pipeline.tracking.run import open_run
from pipeline.tracking.status import check_store, run_hint
from pipeline.tracking.store import artifact_location, ensure_database, resolve_uri
from pipeline.tracking.sync import sync
from tests.journals import no_senders

PROCESS = """
import sys
from pathlib import Path
from pipeline.tracking.store import connect
root = Path(sys.argv[1])
client = connect(f"sqlite:///{root}/mlflow.db", root)
client.create_run("0")
"""


def test_processes_that_start_together_make_one_database(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONWARNINGS": "ignore"}
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", PROCESS, tmp_path],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=environment,
            text=True,
        )
        for _ in range(2)
    ]
    results = [(process.communicate()[0], process.returncode) for process in processes]
    assert results == [("", 0)] * 2
    connection = sqlite3.connect(tmp_path / "mlflow.db")
    assert connection.execute("SELECT count(*) FROM runs").fetchone() == (2,)
    assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    connection.close()
    left = {path.name for path in tmp_path.iterdir()}
    assert left <= {"mlflow.db", "mlflow.db.lock", "mlflow.db-wal", "mlflow.db-shm"}


def test_an_existing_database_is_left_alone(root: Path) -> None:
    before = (root / "mlflow.db").read_bytes()
    ensure_database(root / "mlflow.db", artifacts=root / "mlruns")
    assert (root / "mlflow.db").read_bytes() == before


def test_the_config_comes_before_the_variable_and_the_root(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    assert resolve_uri(None, tmp_path) == f"sqlite:///{tmp_path}/mlflow.db"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://host:1")
    assert resolve_uri(None, tmp_path) == "http://host:1"
    assert resolve_uri("sqlite:///sub/x.db", tmp_path) == f"sqlite:///{tmp_path}/sub/x.db"
    assert resolve_uri("sqlite:////abs/x.db", tmp_path) == "sqlite:////abs/x.db"


def test_artifacts_lie_in_the_root_unless_a_server_keeps_them(tmp_path: Path) -> None:
    assert artifact_location("http://host", tmp_path, "a/b") is None
    first = artifact_location("sqlite:////x", tmp_path, "news/体育")
    second = artifact_location("sqlite:////x", tmp_path, "news:体育")
    assert first is not None
    assert second is not None
    assert Path(first).parent == tmp_path / "mlruns"
    assert first != second


def test_the_check_says_what_is_wrong(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    healthy = check_store(TrackingConfig(), root)
    assert healthy.reachable
    assert healthy.writable
    assert healthy.latency_seconds is not None
    assert healthy.remedy is None
    assert not check_store(TrackingConfig(enabled=False), root).enabled
    (tmp_path / "mlflow.db").write_bytes(b"garbage " * 1000)
    damaged = check_store(TrackingConfig(), tmp_path)
    assert not damaged.reachable
    assert "damaged" in damaged.message
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://me:planted@127.0.0.1:9")
    silent = check_store(TrackingConfig(), root)
    assert not silent.reachable
    assert silent.uri == "http://me:***@127.0.0.1:9"
    assert "planted" not in str(silent)


def test_a_locked_database_is_reachable_but_not_writable(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.tracking.status._CONNECT_SECONDS", 0.1)
    blocker = sqlite3.connect(root / "mlflow.db", isolation_level=None)
    blocker.execute("BEGIN IMMEDIATE")
    status = check_store(TrackingConfig(), root)
    blocker.close()
    assert status.reachable
    assert not status.writable
    assert "locked" in status.message


def test_the_hint_names_experiment_run_and_command(root: Path) -> None:
    assert run_hint(TrackingConfig(), root, "none") is None
    with no_senders():
        open_run(
            TrackingConfig(), root=root, key="k", experiment="text/news", run_name="one", tags={}
        ).finish()
    sync(root)
    hint = run_hint(TrackingConfig(), root, "k")
    assert hint is not None
    assert (hint.experiment, hint.run_name, hint.command) == ("text/news", "one", "mlflow ui")
    assert hint.run_id is not None
    assert hint.url is not None
    assert hint.url.endswith(f"/runs/{hint.run_id}")
