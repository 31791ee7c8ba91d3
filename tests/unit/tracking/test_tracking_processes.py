from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from pipeline.config.schema import TrackingConfig
from pipeline.tracking import sender
from pipeline.tracking.run import RunLog, open_run
from pipeline.tracking.sync import sync
from tests.journals import no_senders
from tests.unit.tracking.outages import LONGEST_ENDING_SECONDS, ending_seconds, senders, wait_until

Query = Callable[[str], list[tuple[Any, ...]]]
Points = Callable[[], Counter[tuple[str, int]]]

TRAINING = """
import sys, time
from pathlib import Path
from pipeline.config.schema import TrackingConfig
from pipeline.tracking.run import open_run
root, key, steps, seconds = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), float(sys.argv[4])
with open_run(TrackingConfig(), root=root, key=key, experiment="text/news", run_name=key,
              tags={}, system_metrics=False) as run:
    for step in range(steps):
        run.log_metrics({"loss": 1 / (step + 1)}, step)
    print("ready", flush=True)
    time.sleep(seconds)
"""


def start(root: Path, key: str = "k1") -> RunLog:
    return open_run(
        TrackingConfig(),
        root=root,
        key=key,
        experiment="text/news",
        run_name=key,
        tags={},
        system_metrics=False,
    )


def train(root: Path, key: str, steps: int, seconds: float) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", TRAINING, root, key, str(steps), str(seconds)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def log_steps(run: RunLog, steps: range) -> None:
    for step in steps:
        run.log_metrics({"loss": 1 / (step + 1)}, step)


def once(steps: range) -> Counter[tuple[str, int]]:
    return Counter({("loss", step): 1 for step in steps})


@contextmanager
def locked(root: Path) -> Iterator[None]:
    """Another program keeps the database for itself."""
    code = (
        "import sqlite3, sys\n"
        "connection = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=60)\n"
        "connection.execute('BEGIN EXCLUSIVE')\n"
        "print('locked', flush=True)\n"
        "sys.stdin.read()\n"
        "connection.execute('ROLLBACK')"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, root / "mlflow.db"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "locked\n"
    try:
        yield
    finally:
        process.communicate()


def test_a_database_that_is_locked_in_the_middle_and_at_the_end(
    root: Path,
    points: Points,
    query: Query,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sender, "_PATIENCE_SECONDS", 2.5)
    monkeypatch.setattr(sender, "_CLOSE_SECONDS", 0.1)
    run = start(root)
    log_steps(run, range(300))
    wait_until(lambda: len(points()) == 300, 120)
    with locked(root):
        begin = time.monotonic()
        log_steps(run, range(300, 600))
        assert time.monotonic() - begin < 1
        time.sleep(1)
    wait_until(lambda: len(points()) == 600, 120)
    with locked(root):
        log_steps(run, range(600, 900))
        assert ending_seconds(run) < LONGEST_ENDING_SECONDS
    assert "301 events wait for MLflow" in capsys.readouterr().err
    assert sync(root).waiting == ()
    assert points() == once(range(900))
    assert query("SELECT status FROM runs") == [("FINISHED",)]


@pytest.mark.slow
def test_sixteen_processes_start_together_on_a_fresh_database(tmp_path: Path) -> None:
    processes = [train(tmp_path, f"run{number}", 100, 0) for number in range(16)]
    ends = [(process.communicate()[0], process.returncode) for process in processes]
    assert [code for _, code in ends] == [0] * 16
    assert not any("Traceback" in said for said, _ in ends)
    wait_until(lambda: not senders(tmp_path), 120)
    assert sync(tmp_path).waiting == ()
    connection = sqlite3.connect(tmp_path / "mlflow.db")
    stored = connection.execute(
        "SELECT runs.name, count(*), count(DISTINCT metrics.step) FROM runs "
        "JOIN metrics ON metrics.run_uuid = runs.run_uuid "
        "WHERE runs.status = 'FINISHED' GROUP BY runs.run_uuid"
    ).fetchall()
    experiments = connection.execute("SELECT count(*) FROM experiments").fetchone()
    connection.close()
    assert sorted(stored) == sorted((f"run{number}", 100, 100) for number in range(16))
    assert experiments == (2,)


def test_a_sender_that_is_killed_gets_a_successor_at_the_end(
    root: Path, points: Points, query: Query, capsys: pytest.CaptureFixture[str]
) -> None:
    run = start(root)
    log_steps(run, range(300))
    wait_until(lambda: len(points()) > 0, 120)
    (process,) = senders(root)
    process.kill()
    log_steps(run, range(300, 600))
    run.finish()
    assert capsys.readouterr().err == ""
    assert points() == once(range(600))
    assert query("SELECT status FROM runs") == [("FINISHED",)]


def test_training_and_sender_are_killed_and_the_run_goes_on(
    root: Path, points: Points, query: Query
) -> None:
    training = train(root, "k1", 300, 60)
    assert training.stdout is not None
    assert training.stdout.readline() == "ready\n"
    wait_until(lambda: senders(root) != [])
    (process,) = senders(root)
    os.kill(training.pid, signal.SIGKILL)
    process.kill()
    training.communicate()
    run = start(root)
    log_steps(run, range(250, 400))
    run.finish()
    assert sync(root).waiting == ()
    assert points() == once(range(400))
    assert query("SELECT name, status FROM runs") == [("k1", "FINISHED")]


def test_the_next_run_delivers_what_an_earlier_one_left(root: Path, query: Query) -> None:
    with no_senders():
        run = start(root, "earlier")
        log_steps(run, range(100))
        run.finish()
    assert query("SELECT count(*) FROM runs") == [(0,)]
    start(root, "later").finish()
    wait_until(
        lambda: (
            sorted(query("SELECT name, status FROM runs"))
            == [("earlier", "FINISHED"), ("later", "FINISHED")]
        ),
        120,
    )
    wait_until(lambda: query("SELECT count(*) FROM metrics") == [(100,)], 120)
    wait_until(lambda: not senders(root), 60)


def test_the_sender_takes_idle_time_only_and_one_that_starves_gets_a_successor(
    root: Path, points: Points, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = start(root)
    wait_until(lambda: senders(root) != [])
    (process,) = senders(root)
    assert process.nice() == 19
    assert os.sched_getscheduler(process.pid) == os.SCHED_IDLE
    assert os.getsid(process.pid) == os.getsid(0)
    assert os.getpgid(process.pid) != os.getpgid(0)
    monkeypatch.setattr(sender, "_STARVED_SECONDS", -1.0)
    log_steps(run, range(100))
    process.suspend()
    run.finish()
    assert points() == once(range(100))
    assert not process.is_running()
