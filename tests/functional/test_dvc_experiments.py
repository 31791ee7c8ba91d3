from __future__ import annotations

import json

import pytest

from tests.functional.project import Project

pytestmark = pytest.mark.functional


def experiments(project: Project) -> dict[str, dict[str, object]]:
    """Name to what `dvc exp show` says of each experiment."""
    shown = json.loads(project.run("dvc", "exp", "show", "--json"))
    found = {}
    for revision in shown:
        for group in revision.get("experiments") or ():
            for experiment in group["revs"]:
                found[experiment["name"]] = experiment
    return found


def test_experiments_run_queue_show_and_compare(finished: Project) -> None:
    finished.run("dvc", "exp", "run", "--name", "slower", "--set-param", "optimizer.lr=5e-4")
    finished.run(
        "dvc", "exp", "run", "--queue", "--name", "grid", "--set-param", "seed=1,2"
    )  # fmt: skip
    finished.run("dvc", "queue", "start")
    finished.run("dvc", "queue", "logs", "grid-1", "--follow", code=None)
    finished.run("dvc", "queue", "logs", "grid-2", "--follow", code=None)

    found = experiments(finished)
    assert {"slower", "grid-1", "grid-2"} <= set(found)
    for name in ("slower", "grid-1", "grid-2"):
        assert "outputs/evaluation/headline.json" in found[name]["data"]["metrics"]  # type: ignore[index]

    difference = json.loads(
        finished.run("dvc", "metrics", "diff", "--json", "grid-1", "grid-2", "--all")
    )
    assert "outputs/evaluation/headline.json" in json.dumps(difference)


def test_plots_are_drawn_from_the_outputs(finished: Project) -> None:
    finished.run("dvc", "plots", "show", "--out", "plots")
    page = (finished.root / "plots" / "index.html").read_text(encoding="utf-8")
    for name in ("confusion", "reliability", "curves"):
        assert name in page
