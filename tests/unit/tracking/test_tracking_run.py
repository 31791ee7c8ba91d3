from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from pipeline.config.schema import TrackingConfig
from pipeline.tracking import sender
from pipeline.tracking.journal import journal_directory
from pipeline.tracking.params import MAX_PARAM
from pipeline.tracking.run import RunLog, open_run
from pipeline.tracking.sync import sync
from tests.journals import no_senders
from tests.mlflow_server import free_port, mlflow_server

Query = Callable[[str], list[tuple[Any, ...]]]
Points = Callable[[], Counter[tuple[str, int]]]

TRAINING = """
import sys, time
from pathlib import Path
from pipeline.config.schema import TrackingConfig
from pipeline.tracking.run import open_run
root, steps = Path(sys.argv[1]), int(sys.argv[2])
run = open_run(TrackingConfig(), root=root, key="k1", experiment="text/news", run_name="one",
               tags={}, system_metrics=False)
for step in range(steps):
    run.log_metrics({"loss": 1 / (step + 1)}, step)
print("ready", flush=True)
time.sleep(60)
"""


def start(root: Path, key: str = "k1", uri: str | None = None, **kwargs: Any) -> RunLog:
    return open_run(
        TrackingConfig(uri=uri),
        root=root,
        key=key,
        experiment="text/news",
        run_name="one",
        tags={"stage": "train"},
        system_metrics=False,
        **kwargs,
    )


def test_a_run_is_whole_in_the_store_when_it_finishes(
    root: Path, query: Query, points: Points, capsys: pytest.CaptureFixture[str]
) -> None:
    config = root / "config.yaml"
    config.write_text("hub:\n  auth_token: planted-1\n")
    with start(root) as run:
        run.log_params({"optimizer": {"lr": 0.1}, "long": "y" * 7_000, "api_key": "planted-2"})
        for step in range(50):
            run.log_metrics({"loss": 0.5}, step)
        run.log_artifact(config)
        run.log_dataset("news", "d1", "training", source="https://me:planted-3@host/x")
        config.unlink()
    assert points() == Counter({("loss", step): 1 for step in range(50)})
    assert query("SELECT name, status FROM runs") == [("one", "FINISHED")]
    params: dict[str, str] = dict(query("SELECT key, value FROM params"))
    assert params["optimizer.lr"] == "0.1"
    assert params["long"] == "7,000 characters, in the artifact params/long.txt"
    stored = {path.name: path for path in (root / "mlruns").rglob("*") if path.is_file()}
    assert stored["long.txt"].read_text() == "y" * 7_000
    assert stored["config.yaml"].read_text() == "hub:\n  auth_token: ***\n"
    for file in root.rglob("*"):
        assert not file.is_file() or b"planted" not in file.read_bytes(), file
    assert capsys.readouterr() == ("", "")


def test_parameters_arrive_however_many_and_long_they_are(root: Path, query: Query) -> None:
    settings = {"list": ["a", {"b": [1, None]}], "empty": "", "exact": "x" * MAX_PARAM}
    many = {f"p{number}": number for number in range(250)}
    with no_senders(), start(root) as run:
        run.log_params({**settings, "group": many})
    sync(root)
    found: dict[str, str] = dict(query("SELECT key, value FROM params"))
    assert len(found) == 253
    assert found["group.p249"] == "249"
    assert json.loads(found["list"]) == settings["list"]
    assert found["exact"] == settings["exact"]


def test_evaluate_continues_the_run_of_train(root: Path, query: Query, points: Points) -> None:
    with no_senders(), start(root) as run:
        run.log_metrics({"loss": 0.5}, 0)
    sync(root)
    with no_senders():
        run = start(root)
    with pytest.raises(ZeroDivisionError), run:
        run.log_metrics({"test/f1": 1 / 0}, 0)
    sync(root)
    assert query("SELECT status FROM runs") == [("FAILED",)]
    assert points() == Counter({("loss", 0): 1})
    with start(root) as run:
        run.log_metrics({"test/f1": 0.9}, 0)
    assert points() == Counter({("loss", 0): 1, ("test/f1", 0): 1})
    assert query("SELECT status FROM runs") == [("FINISHED",)]


def test_after_kill_9_the_store_has_all_and_the_resumed_run_logs_no_step_twice(
    root: Path, query: Query, points: Points
) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", TRAINING, root, "300"], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    deadline = time.monotonic() + 20
    while query("SELECT status FROM runs") != [("KILLED",)] and time.monotonic() < deadline:
        time.sleep(0.1)
    assert query("SELECT status FROM runs") == [("KILLED",)]
    assert len(points()) == 300
    with start(root) as run:
        for step in range(250, 400):
            run.log_metrics({"loss": 1 / (step + 1)}, step)
    assert points() == Counter({("loss", step): 1 for step in range(400)})
    assert query("SELECT status FROM runs") == [("FINISHED",)]


def test_a_disabled_tracker_takes_every_call_and_writes_nothing(tmp_path: Path) -> None:
    tracking = TrackingConfig(enabled=False)
    with open_run(
        tracking, root=tmp_path, key="k", experiment="e", run_name="r", tags={"a": "b"}
    ) as run:
        run.log_params({"a": 1})
        run.log_metrics({"a": 1.0}, 0)
        run.log_artifact(tmp_path / "missing")
        run.log_text("text", "a.txt")
        run.log_dataset("d", "x", "test", source="s")
        run.set_tags({"a": "b"})
    assert run.key == "k"
    assert list(tmp_path.iterdir()) == []


def test_a_key_that_is_no_file_name_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="a run key has letters"):
        start(tmp_path, key="../x")


@pytest.fixture
def server(root: Path) -> Iterator[tuple[str, Callable[[], None]]]:
    """The address of a tracking server that is down, and a function that starts it."""
    port = free_port()
    with ExitStack() as servers:

        def up() -> None:
            store = ("--backend-store-uri", f"sqlite:///{root}/mlflow.db")
            served = ("--artifacts-destination", str(root / "served"))
            servers.enter_context(mlflow_server(root, *store, *served, port=port))

        yield f"http://127.0.0.1:{port}", up


@pytest.mark.slow
def test_a_run_survives_a_server_that_is_down_and_sync_delivers_it(
    root: Path,
    points: Points,
    query: Query,
    server: tuple[str, Callable[[], None]],
    capsys: pytest.CaptureFixture[str],
) -> None:
    uri, up = server
    artifact = root / "report.txt"
    artifact.write_text("fine")
    with start(root, uri=uri) as run:
        for step in range(20):
            run.log_metrics({"loss": 0.5}, step)
        run.log_artifact(artifact)
    said = capsys.readouterr().err
    assert "wait for MLflow" in said
    assert uri in said
    assert "python -m pipeline sync" in said
    assert "Traceback" not in said
    report = sync(root)
    assert report.runs == 0
    (waiting,) = report.waiting
    assert waiting.key == "k1"
    assert "does not answer" in waiting.reason
    assert not points()
    up()
    report = sync(root)
    assert (report.runs, report.waiting) == (1, ())
    assert points() == Counter({("loss", step): 1 for step in range(20)})
    assert query("SELECT status FROM runs") == [("FINISHED",)]
    assert [path.read_text() for path in (root / "served").rglob("report.txt")] == ["fine"]
    assert sync(root).events == 0


def test_a_locked_database_does_not_hold_up_a_run(
    root: Path,
    points: Points,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(sender, "_PATIENCE_SECONDS", 2.5)
    monkeypatch.setattr(sender, "_CLOSE_SECONDS", 0.1)
    blocker = sqlite3.connect(root / "mlflow.db", isolation_level=None)
    blocker.execute("BEGIN EXCLUSIVE")
    begin = time.monotonic()
    with start(root) as run:
        for step in range(10):
            run.log_metrics({"loss": 0.5}, step)
    assert time.monotonic() - begin < 20
    blocker.execute("ROLLBACK")
    blocker.close()
    assert "13 events wait for MLflow" in capsys.readouterr().err
    assert sync(root).waiting == ()
    assert points() == Counter({("loss", step): 1 for step in range(10)})


def test_a_damaged_database_is_named_and_a_new_one_gets_everything(
    root: Path, points: Points, capsys: pytest.CaptureFixture[str]
) -> None:
    database = root / "mlflow.db"
    healthy = database.read_bytes()
    database.write_bytes(b"no database at all " * 1000)
    with start(root) as run:
        run.log_metrics({"loss": 0.5}, 0)
    said = capsys.readouterr().err
    assert (
        f"the tracking store sqlite:///{database} cannot be used: the database is damaged" in said
    )
    assert "mv " in said
    database.write_bytes(healthy)
    assert sync(root).runs == 1
    assert points() == Counter({("loss", 0): 1})


def test_a_mistyped_address_is_named_without_its_password(
    root: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "htp://me:planted@host")
    with start(root) as run:
        run.log_metrics({"loss": 0.5}, 0)
    said = capsys.readouterr().err
    assert "htp://me:***@host is of no kind" in said
    assert "did you mean 'http'?" in said
    assert "planted" not in said
    assert all(b"planted" not in f.read_bytes() for f in root.rglob("*") if f.is_file())
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    (waiting,) = sync(root).waiting
    assert "needs its password" in waiting.reason


def test_a_journal_that_cannot_be_written_costs_the_tracking_only(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / ".cache").write_text("a file where a directory should be")
    with start(tmp_path) as run:
        run.log_metrics({"loss": 0.5}, 0)
    assert "nothing of this run is logged" in capsys.readouterr().err


def test_a_changed_parameter_gets_a_notice_and_a_tag(
    root: Path, query: Query, capsys: pytest.CaptureFixture[str]
) -> None:
    with no_senders(), start(root) as run:
        run.log_params({"a": 1, "b": 2})
        run.log_params({"a": 1, "b": 3})
    sync(root)
    assert sorted(query("SELECT key, value FROM params")) == [("a", "1"), ("b", "2")]
    assert query("SELECT value FROM tags WHERE key = 'changed.b'") == [("3",)]
    assert "changed.b" in capsys.readouterr().err
    assert journal_directory(root, "k1").is_dir()
