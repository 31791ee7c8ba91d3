from __future__ import annotations

import json
import time
from typing import Any

import pytest

from pipeline.config.schema import TrackingConfig
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


def test_plots_are_drawn_from_the_outputs(finished: Project) -> None:
    finished.run("dvc", "plots", "show", "--out", "plots")
    page = (finished.root / "plots" / "index.html").read_text(encoding="utf-8")
    for name in ("confusion", "reliability", "curves"):
        assert name in page
