from __future__ import annotations

import json
import os
import shlex
import signal
import statistics
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from pipeline.artifacts import file_sha256
from pipeline.config.schema import TrackingConfig
from pipeline.tracking.journal import read_entries
from pipeline.tracking.reading import RunReader
from tests.functional.project import Project

pytestmark = pytest.mark.functional

LONGER = (
    "seeds=2",
    "trainer.max_epochs=3",
    "trainer.state_interval_seconds=0.05",
    "tracking.log_model=false",
)


def steps_of(project: Project, seed: int) -> list[int]:
    """The optimizer steps of a seed's training whose loss is in its journal."""
    return [
        entry.event["step"]
        for directory in (project.root / ".cache" / "tracking").glob(f"*-seed{seed}")
        for entry in read_entries(directory)
        if "train/loss" in entry.event.get("metrics", ())
    ]


def stop(project: Project, number: signal.Signals, *, seed: int, step: int) -> str:
    """Starts two seeds and stops them both when one of them has come to a step."""
    process = project.start("python", "-m", "pipeline", "train", *LONGER)
    deadline = time.monotonic() + 400
    while max(steps_of(project, seed), default=0) < step:
        assert process.poll() is None, process.stdout.read() if process.stdout else ""
        assert time.monotonic() < deadline
        time.sleep(0.02)
    os.killpg(process.pid, number)
    output, _ = process.communicate(timeout=120)
    return output


def weights(project: Project) -> dict[str, str]:
    return {
        path.parent.parent.name: file_sha256(path)
        for path in (project.root / "runs").glob("*/seed*/model/model.safetensors")
    }


@pytest.mark.slow
def test_a_group_that_was_killed_and_interrupted_goes_on_and_ends_alike(
    tracked: Project, tmp_path: Path
) -> None:
    tracked.call("prepare", *LONGER)
    undisturbed = tracked.copy(tmp_path / "undisturbed")
    undisturbed.call("train", *LONGER)

    stop(tracked, signal.SIGKILL, seed=1, step=15)
    assert list(weights(tracked)) == ["seed0"]
    told = stop(tracked, signal.SIGINT, seed=1, step=45)
    assert "seed 0 is trained already" in told
    assert "resum" in told.lower(), "seed 1 went on from its state"
    assert "same command" in told
    assert "Traceback" not in told
    tracked.call("train", *LONGER)

    assert weights(tracked) == weights(undisturbed)
    assert set(weights(tracked)) == {"seed0", "seed1"}
    reader = RunReader(TrackingConfig(), tracked.root)
    (group,) = reader.latest(roles={"group"})
    members = reader.children(group.run_id)
    assert {run.status for run in (group, *members)} == {"FINISHED"}
    assert sorted(run.params["seed"] for run in members) == ["0", "1"]
    for run in members:
        counts = Counter(step for step, _, _ in reader.history(run.run_id, "train/loss"))
        assert sorted(counts) == list(range(1, max(counts) + 1))
        assert set(counts.values()) == {1}


def test_evaluated_seeds_are_a_group_in_mlflow_as_on_disk(tracked: Project) -> None:
    told = tracked.call("evaluate", "seeds=[3,5]")
    assert "python -m pipeline compare" in told
    assert told.count("prepared newsroom_sports") == 1

    values = {seed: measured(tracked, seed) for seed in (3, 5)}
    reader = RunReader(TrackingConfig(), tracked.root)
    (group,) = reader.latest(roles={"group"})
    assert group.metrics["group/test/accuracy_mean"] == statistics.fmean(values.values())
    assert {
        int(run.params["seed"]): run.metrics["test/accuracy"]
        for run in reader.children(group.run_id)
    } == values
    before = reader.history(group.run_id, "group/test/accuracy_mean")
    again = tracked.call("evaluate", "seeds=[3,5]")
    assert "seeds 3, 5 are trained already" in again
    assert reader.history(group.run_id, "group/test/accuracy_mean") == before
    assert len(reader.latest(roles={"model"})) == 2

    assert group.name == hint(again)


def hint(told: str) -> str:
    """The group's name in the command that is proposed at the end."""
    return shlex.split(told.split("python -m pipeline compare ")[1])[0]


def measured(project: Project, seed: int) -> float:
    (path,) = (project.root / "runs").glob(f"*/seed{seed}/evaluation/metrics.json")
    metrics: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return float(metrics["test"]["accuracy"]["value"])


def test_hydra_s_notation_of_several_values_is_answered_with_ours(project: Project) -> None:
    told = project.call("train", "seed=1,2", code=2)
    assert "write seeds=[1,2], which trains one model for each" in told
    assert not (project.root / "runs").exists()
