from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections import Counter
from pathlib import Path

import pytest

from tests.functional.project import SMALL, Project

pytestmark = pytest.mark.functional

LONGER = {"max_epochs": 6, "num_threads": 1, "state_interval_seconds": 0.05}
STOPS = {
    0.2: signal.SIGINT,
    0.45: signal.SIGKILL,
    0.7: signal.SIGTERM,
}
"""At which share of the steps which signal comes."""


def logged_steps(project: Project) -> list[int]:
    """The optimizer steps whose loss is in the tracking journal."""
    steps = []
    for path in (project.root / ".cache" / "tracking").glob("*/journal.jsonl"):
        for line in path.read_text(encoding="utf-8").splitlines():
            try:
                event = json.loads(line)
            except ValueError:
                continue
            if event.get("type") == "metrics" and "train/loss" in event["metrics"]:
                steps.append(event["step"])
    return steps


def stop_after(project: Project, steps: int, stop: signal.Signals) -> str:
    """Starts `dvc repro train` and stops it, as a terminal or a machine would, at a step."""
    process = project.start("dvc", "repro", "train")
    deadline = time.monotonic() + 300
    while max(logged_steps(project), default=0) < steps:
        assert process.poll() is None, process.stdout.read() if process.stdout else ""
        assert time.monotonic() < deadline
        time.sleep(0.02)
    os.killpg(process.pid, stop)
    output, _ = process.communicate(timeout=120)
    return output


def weights(project: Project) -> bytes:
    return (project.root / "outputs" / "model" / "model.safetensors").read_bytes()


@pytest.fixture
def longer(tracked: Project) -> Project:
    tracked.set_params(trainer={**SMALL["trainer"], **LONGER})
    tracked.commit("Train longer")
    return tracked


@pytest.mark.slow
def test_killed_and_stopped_training_goes_on_and_ends_with_the_same_weights(
    longer: Project, tmp_path: Path
) -> None:
    undisturbed = longer.copy(tmp_path / "undisturbed")
    for stage in ("compose", "prepare", "train"):
        undisturbed.call(stage)
    total = max(logged_steps(undisturbed))

    for share, number in STOPS.items():
        said = stop_after(longer, int(total * share), number)
        if number != signal.SIGKILL:
            assert "Traceback" not in said
            assert "same command" in said
    output = longer.run("dvc", "repro", "train")

    assert "resum" in output.lower()
    assert weights(longer) == weights(undisturbed)
    counts = Counter(logged_steps(longer))
    assert sorted(counts) == list(range(1, total + 1))
    assert set(counts.values()) == {1}
    journals = (longer.root / ".cache" / "tracking").glob("*/journal.jsonl")
    execution, model = sorted(path.parent.name for path in journals)
    assert model == f"{execution}-model"
    manifest = json.loads((longer.root / "outputs/model/manifest.json").read_text())
    assert manifest["steps"] == total


def test_a_store_that_is_down_costs_no_run(project: Project) -> None:
    project.set_params(tracking={"uri": "http://127.0.0.1:9"})
    output = project.call("export", "trainer.max_steps=5")
    (run,) = (project.root / "runs").iterdir()
    assert (run / "export" / "README.md").is_file()
    assert "python -m pipeline sync" in output
    assert logged_steps(project)
    assert "remedy" in project.call("sync", code=1)


def test_a_second_training_of_the_same_run_at_the_same_time_is_refused(longer: Project) -> None:
    longer.call("compose")
    longer.call("prepare")
    first = longer.start("python", "-m", "pipeline", "train")
    try:
        while not logged_steps(longer):
            assert first.poll() is None
            time.sleep(0.02)
        output = longer.call("train", code=1)
        assert "another process" in output
    finally:
        os.killpg(first.pid, signal.SIGKILL)
        first.communicate()


def test_ctrl_c_in_any_stage_shows_no_traceback(finished: Project) -> None:
    process = finished.start("python", "-m", "pipeline", "evaluate")
    time.sleep(2.0)
    os.killpg(process.pid, signal.SIGINT)
    try:
        output, _ = process.communicate(timeout=60)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        raise
    assert "Traceback" not in output
    assert any((finished.root / "outputs" / "evaluation").iterdir())
