from __future__ import annotations

import os
import re
import signal
import sqlite3
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest
import yaml

from pipeline.manifest import Manifest
from pipeline.sweep.study.records import StudyRecord
from pipeline.sweep.study.stored import find_study
from tests.functional.project import Project

pytestmark = pytest.mark.functional

TINY: dict[str, Any] = {
    "description": "a tiny model",
    "experiment": "sports_news",
    "overrides": [
        "model=bert_scratch",
        "method=full",
        "model.architecture.hidden_size=32",
        "model.architecture.num_layers=1",
        "trainer.max_epochs=3",
        "trainer.max_tokens_per_batch=1024",
        "trainer.state_interval_seconds=0.05",
    ],
    "n_trials": 4,
    "workers": 2,
    "threads": 1,
    "sampler": {"kind": "tpe", "n_startup_trials": 2},
    "pruner": {"kind": "median", "n_startup_trials": 2},
    "confirm": {"seeds": 2},
    "space": {
        "optimizer.lr": {"type": "float", "low": 1.0e-4, "high": 1.0e-2, "log": True},
        "scheduler.warmup_ratio": {"type": "float", "low": 0.0, "high": 0.3, "step": 0.05},
    },
    "initial": [{"optimizer.lr": 3.0e-3, "scheduler.warmup_ratio": 0.1}],
}
STATUSES = {"complete": "FINISHED", "pruned": "KILLED", "failed": "FAILED"}

TRIALS = """
SELECT CAST(number.value AS INTEGER), state.value, runs.status, parent.value FROM runs
JOIN tags number ON number.run_uuid = runs.run_uuid AND number.key = 'trial'
LEFT JOIN tags state ON state.run_uuid = runs.run_uuid AND state.key = 'trial_state'
LEFT JOIN tags parent ON parent.run_uuid = runs.run_uuid AND parent.key = 'mlflow.parentRunId'
ORDER BY 1
"""


def add_sweep(project: Project, name: str, **changes: Any) -> None:
    """Writes a sweep file and commits it, as promotion wants a clean tree."""
    text = yaml.safe_dump({**TINY, **changes}, sort_keys=False)
    (project.root / "sweeps" / f"{name}.yaml").write_text(text, encoding="utf-8")
    project.commit(f"Sweep {name}")


def study(project: Project, name: str) -> StudyRecord:
    return find_study(name, (), project.root).read()


def ask_store(project: Project, sql: str) -> list[tuple[Any, ...]]:
    with sqlite3.connect(project.root / "mlflow.db") as store:
        return store.execute(sql).fetchall()


def workers_of(driver: subprocess.Popen[str]) -> list[psutil.Process]:
    children = psutil.Process(driver.pid).children()
    return [
        child for child in children if "pipeline.sweep.workers.worker" in " ".join(child.cmdline())
    ]


def wait_until(true: Callable[[], bool], driver: subprocess.Popen[str] | None = None) -> None:
    deadline = time.monotonic() + 240
    while not true():
        assert time.monotonic() < deadline
        if driver is not None and driver.poll() is not None:
            output = driver.stdout.read() if driver.stdout else ""
            raise AssertionError(f"the sweep ended too early: {output}")
        time.sleep(0.05)


def journal(project: Project, name: str) -> str:
    path = project.root / "runs" / "sweeps" / name / "study.journal"
    return path.read_text(encoding="utf-8") if path.is_file() else ""


def ended(project: Project, name: str) -> int:
    return len(re.findall(r'"state":[123],', journal(project, name)))


def training(project: Project, name: str) -> bool:
    """Whether a state of a running trial is on the disk."""
    return any((project.root / ".cache" / "training").glob("*/state-*.pt"))


@pytest.mark.slow
def test_a_sweep_survives_kills_and_ends_as_a_pinned_experiment(tracked: Project) -> None:
    add_sweep(tracked, "tiny")
    driver = tracked.start("python", "-m", "pipeline", "sweep", "tiny")
    wait_until(lambda: ended(tracked, "tiny") >= 1 and training(tracked, "tiny"), driver)
    os.kill(workers_of(driver)[0].pid, signal.SIGKILL)
    before = ended(tracked, "tiny")
    wait_until(lambda: ended(tracked, "tiny") > before and training(tracked, "tiny"), driver)
    orphans = workers_of(driver)
    driver.kill()
    driver.communicate()
    wait_until(lambda: not any(orphan.is_running() for orphan in orphans))
    found = study(tracked, "tiny")
    lost = {trial.number for trial in found.of("running")}
    finished = {trial.number: trial for trial in found.finished}
    assert lost
    assert "not running" in tracked.call("sweep", "status", "tiny")

    output = tracked.call("sweep", "tiny")
    record = study(tracked, "tiny")
    assert [trial.number for trial in record.trials] == list(range(4))
    assert {trial.outcome for trial in record.trials} <= {"complete", "pruned"}
    assert lost <= {trial.number for trial in record.finished}
    assert all(record.trials[number] == trial for number, trial in finished.items())
    assert record.trials[0].params == TINY["initial"][0]

    (parent,) = ask_store(
        tracked,
        "SELECT runs.run_uuid, status FROM runs JOIN tags ON tags.run_uuid = runs.run_uuid "
        "WHERE key = 'sweep_role' AND value = 'study'",
    )
    assert parent[1] == "FINISHED"
    expected = [
        (trial.number, trial.outcome, STATUSES[trial.outcome], parent[0]) for trial in record.trials
    ]
    assert ask_store(tracked, TRIALS) == expected, "each trial once, with its state"
    assert not ask_store(tracked, "SELECT name FROM runs WHERE status = 'RUNNING'")
    assert "runs/sweeps/tiny/report/report.html" in output
    assert (tracked.root / "runs/sweeps/tiny/report/report.html").is_file()

    tracked.call("sweep", "promote", "tiny")
    tracked.run("dvc", "repro", "train")
    manifest = Manifest.read(tracked.root / "outputs" / "model")
    assert record.best is not None
    assert manifest.validation["accuracy"] == record.best.values[0]
    wanted = record.best.metrics or {}
    assert manifest.validation == {name: wanted[name] for name in manifest.validation}
    other = next(trial for trial in record.of("complete") if trial != record.best)
    refused = tracked.call("sweep", "promote", "tiny", "--trial", str(other.number), code=2)
    assert "tiny_best" in refused
    assert "--overwrite" in refused


@pytest.mark.slow
def test_ctrl_c_stops_a_sweep_which_goes_on_up_to_its_number_of_trials(tracked: Project) -> None:
    add_sweep(tracked, "tiny", n_trials=3, confirm={"seeds": 0}, initial=[])
    driver = tracked.start("python", "-m", "pipeline", "sweep", "tiny")
    wait_until(lambda: ended(tracked, "tiny") >= 1 and training(tracked, "tiny"), driver)
    os.kill(driver.pid, signal.SIGINT)
    output, _ = driver.communicate(timeout=120)
    assert driver.returncode == 130, output
    assert "run the same command again" in output
    assert "Traceback" not in output
    stopped = study(tracked, "tiny")
    assert not stopped.of("running")
    assert not ask_store(tracked, "SELECT name FROM runs WHERE status = 'RUNNING'")

    tracked.call("sweep", "tiny")
    record = study(tracked, "tiny")
    assert [trial.number for trial in record.finished] == [0, 1, 2]
    tracked.call("sweep", "tiny", "n_trials=4", "workers=1", "keep_models=2")
    assert len(study(tracked, "tiny").finished) == 4
    kept = list((tracked.root / "runs/sweeps/tiny/trials").glob("*/seed0/model"))
    assert len(kept) <= 2
    shutdown = tracked.call("sweep", "tiny", "optimizer.weight_decay=0.1", code=2)
    assert "searches something else" in shutdown


def test_failed_trials_are_recorded_with_their_reasons_and_the_sweep_goes_on(
    tracked: Project,
) -> None:
    space = {
        "optimizer.lr": {"type": "choice", "choices": [3.0e-3, 1.0e20]},
        "scheduler.warmup_ratio": {"type": "choice", "choices": [None, 0.1]},
        "scheduler.num_warmup_steps": {"type": "choice", "choices": [None, 5]},
    }
    overrides = [*TINY["overrides"], "trainer.max_epochs=1"]
    further: dict[str, Any] = {"confirm": {"seeds": 0}, "initial": [], "pruner": {"kind": "none"}}
    add_sweep(
        tracked,
        "grid",
        space=space,
        sampler={"kind": "grid"},
        n_trials=20,
        overrides=overrides,
        stop={"failures_in_a_row": 8},
        **further,
    )
    output = tracked.call("sweep", "grid")
    assert "Traceback" not in output
    record = study(tracked, "grid")
    assert len(record.trials) == 8, "a grid ends when every point was tried"
    reasons = [trial.reason for trial in record.of("failed")]
    assert sum("give num_warmup_steps or warmup_ratio" in reason for reason in reasons) == 2
    assert sum("diverged" in reason for reason in reasons) == 3
    assert len(record.of("complete")) == 3
    expected = [(trial.number, trial.outcome, STATUSES[trial.outcome]) for trial in record.trials]
    assert [row[:3] for row in ask_store(tracked, TRIALS)] == expected


def test_an_uninterrupted_sweep_and_an_interrupted_one_draw_the_same_trials(
    tracked: Project, tmp_path: Path
) -> None:
    add_sweep(tracked, "tiny", n_trials=3, workers=1, confirm={"seeds": 0}, initial=[])
    whole = tracked.copy(tmp_path / "whole")
    whole.call("sweep", "tiny")
    for number in (2, 3):
        tracked.call("sweep", "tiny", f"n_trials={number}")
    one, other = study(whole, "tiny"), study(tracked, "tiny")
    assert [t.params for t in one.trials] == [t.params for t in other.trials]
    assert [t.values for t in one.trials] == [t.values for t in other.trials]
