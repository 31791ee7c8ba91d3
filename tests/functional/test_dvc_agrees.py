"""What DVC's commands show are the numbers that MLflow has, to the last digit."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from pipeline.config.schema import TrackingConfig
from pipeline.manifest import Manifest
from pipeline.tracking.params import flatten
from pipeline.tracking.reading import RunReader, RunRecord
from tests.functional.project import SMALL, Project

pytestmark = pytest.mark.functional

HEADLINE = "outputs/evaluation/headline.json"
CURVES = "outputs/model/curves.json"
TABLES = ("confusion.csv", "pr_curve.csv", "reliability.csv")
TRACKED_AS = {"test": "test", "validation": "best/val"}
"""Where tracking has what DVC's table shows under a heading."""


@pytest.fixture
def reader(finished: Project) -> RunReader:
    return RunReader(TrackingConfig(), finished.root)


@pytest.fixture
def runs(finished: Project, reader: RunReader) -> dict[str, RunRecord]:
    """The run of the commit, and that of a longer experiment after it, by DVC's names."""
    model = finished.root / "outputs" / "model"
    first = Manifest.read(model).run_key
    finished.set_params(optimizer={"lr": 3.0e-3}, trainer={**SMALL["trainer"], "max_epochs": 2})
    finished.run("dvc", "exp", "run", "--name", "longer", "evaluate")
    second = Manifest.read(model).run_key
    assert first != second
    return {"HEAD": reader.find(first), "workspace": reader.find(second)}


def test_tables_differences_and_plots_show_what_tracking_has(
    finished: Project, reader: RunReader, runs: dict[str, RunRecord], tmp_path: Path
) -> None:
    shown = dvc(finished, "exp", "show", "--json")
    commit = next(entry for entry in shown if entry["rev"] != "workspace")
    (experiment,) = (one for group in commit["experiments"] for one in group["revs"])
    assert experiment["name"] == "longer"
    agrees(commit["data"], runs["HEAD"])
    agrees(experiment["data"], runs["workspace"])

    difference = dvc(finished, "metrics", "diff", "--json", "--all", "HEAD")[HEADLINE]
    assert {name.partition(".")[0] for name in difference} == set(TRACKED_AS)
    for name, found in difference.items():
        assert found.get("old") == runs["HEAD"].metrics.get(tracked_as(name))
        assert found.get("new") == runs["workspace"].metrics.get(tracked_as(name))

    plots = dvc(finished, "plots", "diff", "--json", "HEAD")["data"]
    for revision, run in runs.items():
        curves_agree(values(plots[CURVES], revision), run, reader)
        for name in TABLES:
            drawn = values(plots[f"outputs/evaluation/{name}"], revision)
            into = tmp_path / revision / name
            into.mkdir(parents=True)
            path = reader.artifact(run.run_id, f"evaluation/{name}", into)
            assert path is not None
            with path.open(encoding="utf-8", newline="") as stream:
                assert drawn == list(csv.DictReader(stream))


def agrees(data: dict[str, Any], run: RunRecord) -> None:
    """Metrics and parameters of a line of `dvc exp show`."""
    metrics = {
        f"{split}.{name}": value
        for split, found in data["metrics"][HEADLINE]["data"].items()
        for name, value in found.items()
    }
    assert {"test.accuracy", "test.accuracy_low", "validation.accuracy"} <= set(metrics)
    assert metrics == {name: run.metrics[tracked_as(name)] for name in metrics}
    params = dict(flatten(data["params"]["outputs/config.yaml"]["data"]))
    assert {"optimizer.lr", "seed", "trainer.max_epochs"} <= set(params)
    assert params == {name: run.params[name] for name in params}


def curves_agree(rows: list[dict[str, Any]], run: RunRecord, reader: RunReader) -> None:
    """A plot of learning curves: every drawn point, and no validation without one."""
    drawn = {(row["field"], row["step"]): row["dvc_inferred_y_value"] for row in rows}
    known = {
        (name.replace("/", "_"), step): value
        for name in ("train/loss_mean", "val/loss")
        for step, value, _ in reader.history(run.run_id, name)
    }
    assert drawn == known
    for column, name in (("val_accuracy", "val/accuracy"), ("epoch", "train/epoch")):
        history = {step: value for step, value, _ in reader.history(run.run_id, name)}
        assert {row["step"]: row[column] for row in rows} == {
            row["step"]: history[row["step"]] for row in rows
        }


def tracked_as(name: str) -> str:
    """The metric in tracking for a name of DVC's tables, such as `test.accuracy`."""
    heading, _, metric = name.partition(".")
    return f"{TRACKED_AS[heading]}/{metric}"


def values(plot: list[dict[str, Any]], revision: str) -> list[dict[str, Any]]:
    """The rows that a plot draws of a revision."""
    rows = plot[0]["content"]["data"]["values"]
    return [
        {name: value for name, value in row.items() if name != "rev"}
        for row in rows
        if row["rev"] == revision
    ]


def dvc(project: Project, *command: str) -> Any:
    """What a command of DVC's prints as JSON."""
    printed = project.run("dvc", *command)
    return json.loads(printed[min(filter(lambda at: at >= 0, map(printed.find, "[{"))) :])
