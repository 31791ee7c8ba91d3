from __future__ import annotations

import json
import statistics
from pathlib import Path
from typing import Any

import pytest
import torch

from pipeline.manifest import Manifest
from pipeline.stages.invoke import run_stage
from pipeline.statistics.student import mean_interval
from pipeline.tracking.journal import read_entries
from tests.group_project import write_group_project
from tests.journals import no_senders

torch.set_num_threads(1)

SEEDS = (0, 1, 2)


@pytest.fixture(scope="module")
def root(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with an evaluated group, whose journals keep all that was logged."""
    made = write_group_project(
        repository, tmp_path_factory.mktemp("tracked") / "project", uri="http://127.0.0.1:9"
    )
    with no_senders():
        for command in ("seeds=2", "seeds=[2]"):
            run_stage("evaluate", [command, "trainer.max_epochs=1"], root=made)
    return made


def journals(root: Path) -> dict[str, list[dict[str, Any]]]:
    """The events of each run by its key."""
    return {
        directory.name: [entry.event for entry in read_entries(directory)]
        for directory in (root / ".cache" / "tracking").iterdir()
    }


def tags(events: list[dict[str, Any]]) -> dict[str, str]:
    return {k: v for event in events if event["type"] == "tags" for k, v in event["tags"].items()}


def metrics(events: list[dict[str, Any]]) -> dict[str, float]:
    found = [event["metrics"] for event in events if event["type"] == "metrics"]
    return {name: value for values in found for name, value in values.items()}


def group_of(root: Path) -> tuple[str, list[dict[str, Any]]]:
    (found,) = ((k, e) for k, e in journals(root).items() if tags(e).get("role") == "group")
    return found


def test_the_seeds_runs_are_nested_in_one_run_of_the_group(root: Path) -> None:
    key, events = group_of(root)
    members = {name: found for name, found in journals(root).items() if name != key}
    assert set(members) == {f"{key}-seed{seed}" for seed in SEEDS}
    opened = next(event for event in events if event["type"] == "open")
    assert opened["parent"] is None
    assert opened["run_name"].startswith("tiny-tiny-")
    assert "seed" not in opened["run_name"]
    for seed in SEEDS:
        found = members[f"{key}-seed{seed}"]
        assert {e["parent"] for e in found if e["type"] == "open"} == {key}
        assert tags(found)["group"] == key
        assert tags(found)["role"] == "model"
        assert tags(found)["config.group"] == tags(events)["config.group"]
        (manifest,) = (root / "runs").glob(f"*/seed{seed}/model")
        assert Manifest.read(manifest).run_key == f"{key}-seed{seed}"
    assert events[-1] == {**events[-1], "type": "finish", "status": "FINISHED"}


def test_the_group_s_run_has_mean_interval_and_spread_of_each_metric(root: Path) -> None:
    _, events = group_of(root)
    logged = metrics(events)
    for split, read in (("val", validation), ("test", measured)):
        values = [read(root, seed) for seed in SEEDS]
        interval = mean_interval(values, 0.95)
        assert interval is not None
        assert logged[f"group/{split}/log_loss_mean"] == statistics.fmean(values)
        assert logged[f"group/{split}/log_loss_sd"] == statistics.stdev(values)
        assert logged[f"group/{split}/log_loss_low"] == interval[0]
        assert logged[f"group/{split}/log_loss_high"] == interval[1]
    assert "group/test/accuracy_mean" in logged
    assert not {name for name in logged if name.startswith(("test/", "val/"))}


def test_the_group_s_run_says_which_seeds_it_has_and_shows_a_table(root: Path) -> None:
    _, events = group_of(root)
    found = tags(events)
    assert found["seeds"] == "0, 1, 2"
    assert found["num_seeds"] == "3"
    assert found["data.name"] == "tiny"
    description = found["mlflow.note.content"]
    assert "| seed | val/log_loss | test/log_loss |" in description
    for seed in SEEDS:
        row = f"| {seed} | {validation(root, seed):.4f} | {measured(root, seed):.4f} |"
        assert row in description
    assert "| test/accuracy |" in description
    params = {k: v for e in events if e["type"] == "params" for k, v in e["params"].items()}
    assert params["optimizer.lr"] == "0.01"
    assert "seed" not in params


def validation(root: Path, seed: int) -> float:
    (model,) = (root / "runs").glob(f"*/seed{seed}/model")
    return Manifest.read(model).validation["log_loss"]


def measured(root: Path, seed: int) -> float:
    (path,) = (root / "runs").glob(f"*/seed{seed}/evaluation/metrics.json")
    return float(json.loads(path.read_text())["test"]["log_loss"]["value"])
