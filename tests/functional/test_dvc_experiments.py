from __future__ import annotations

import json
import shutil
import time
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from pipeline.config.schema import EvaluationConfig, TrackingConfig
from pipeline.evaluation.context import Context
from pipeline.evaluation.details import write_details
from pipeline.evaluation.measure import measure
from pipeline.tasks.registry import load_task
from pipeline.tracking.reading import RunReader
from tests.functional.project import TIMEOUT_SECONDS, Project

pytestmark = pytest.mark.functional


def experiments(project: Project) -> dict[str, dict[str, Any]]:
    """Name to what `dvc exp show` says of each experiment."""
    shown = json.loads(project.run("dvc", "exp", "show", "--json"))
    found = {}
    for revision in shown:
        for group in revision.get("experiments") or ():
            for experiment in group["revs"]:
                found[experiment["name"]] = experiment
    return found


def wait_for_queue(project: Project) -> None:
    """Waits until DVC's worker has done all experiments of its queue."""
    deadline = time.monotonic() + TIMEOUT_SECONDS
    while (status := project.run("dvc", "queue", "status")).count("Success") < 2:
        assert "Failed" not in status, status
        assert time.monotonic() < deadline, status
        time.sleep(1.0)


def test_queued_experiments_run_and_are_shown_and_compared(finished: Project) -> None:
    grid = ("--name", "grid", "--set-param", "seed=1,2")
    finished.run("dvc", "exp", "run", "--queue", *grid, "evaluate")
    finished.run("dvc", "queue", "start")
    wait_for_queue(finished)

    found = experiments(finished)
    assert {"grid-1", "grid-2"} <= set(found)
    tracked = RunReader(TrackingConfig(), finished.root).latest(roles={"model"})
    runs = {run.tags["dvc.experiment"]: run for run in tracked if "dvc.experiment" in run.tags}
    for name in ("grid-1", "grid-2"):
        shown = found[name]["data"]["metrics"]["outputs/evaluation/headline.json"]["data"]
        assert runs[name].metrics["test/accuracy"] == shown["test"]["accuracy"]
        assert runs[name].tags["dvc.baseline"] == finished.run("git", "rev-parse", "HEAD").strip()
        assert runs[name].status == "FINISHED"
    assert [runs[f"grid-{number}"].params["seed"] for number in (1, 2)] == ["1", "2"]

    difference = json.loads(
        finished.run("dvc", "metrics", "diff", "--json", "grid-1", "grid-2", "--all")
    )
    assert "outputs/evaluation/headline.json" in json.dumps(difference)


TASKS = {
    "sequence_to_sequence": ("target", ["ein Hund", "drei"], ["ein Hund", "vier"], set()),
    "regression": ("target", [1.0, 2.0], [1.5, 1.0], {"numbers"}),
    "text_pair_ranking": ("relevance", [1.0, 0.0], [0.3, 0.6], {"ranks"}),
}
"""By kind of task its target, references and predictions, and what is drawn besides scores."""


def evaluate(directory: Path, kind: str) -> None:
    """Writes what an evaluation of two rows does."""
    target, references, given, _ = TASKS[kind]
    task = load_task(kind, {})
    texts = {"text": ["one", "one"], "text_pair": ["two", "three"]}
    rows = pa.table({"id": ["a", "b"], **texts, target: references, "length": [1, 1]})
    predictions = pa.table({"prediction": given})
    shutil.rmtree(directory)
    directory.mkdir()
    write_details(
        directory,
        rows,
        predictions,
        measure(task, predictions, rows, (), num_samples=100, confidence=0.95, seed=0),
        Context(task.columns, (), task.state(), task.units(rows)),
        scores=task.example_scores(predictions, rows, ()),
        title=kind,
        settings=EvaluationConfig(),
    )


def test_plots_of_every_task_are_drawn_and_compared_without_a_complaint(finished: Project) -> None:
    printed = finished.run("dvc", "plots", "show", "--out", "plots")
    assert "failed" not in printed
    page = (finished.root / "plots" / "index.html").read_text(encoding="utf-8")
    for name in ("confusion", "reliability", "curves", "scores"):
        assert name in page

    for kind in TASKS:
        evaluate(finished.root / "outputs" / "evaluation", kind)
        printed = finished.run("dvc", "plots", "diff", "--json", "HEAD")
        assert "failed" not in printed, kind
        shown = json.loads(printed[printed.index("{") :])
        assert "errors" not in shown
        drawn = {
            Path(name).stem
            for name, plots in shown["data"].items()
            if any("workspace" in plot["revisions"] for plot in plots) and name.endswith(".csv")
        }
        assert drawn == {"scores"} | TASKS[kind][3]
        pictures = {Path(name).stem for name in shown["data"] if name.endswith(".png")}
        assert drawn <= pictures
