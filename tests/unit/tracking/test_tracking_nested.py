from __future__ import annotations

import multiprocessing
import os
import signal
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipeline.config.schema import TrackingConfig
from pipeline.tracking.run import RunLog, open_run
from pipeline.tracking.sync import sync
from tests.journals import no_senders

Query = Callable[[str], list[tuple[Any, ...]]]
Points = Callable[[], Counter[tuple[str, int]]]

RUNS = """
SELECT key.value, parent_key.value, runs.status FROM runs
JOIN tags key ON key.run_uuid = runs.run_uuid AND key.key = 'pipeline.run_key'
LEFT JOIN tags parent ON parent.run_uuid = runs.run_uuid AND parent.key = 'mlflow.parentRunId'
LEFT JOIN tags parent_key
  ON parent_key.run_uuid = parent.value AND parent_key.key = 'pipeline.run_key'
ORDER BY key.value
"""


def start(root: Path, key: str, parent: str | None = None, uri: str | None = None) -> RunLog:
    return open_run(
        TrackingConfig(uri=uri),
        root=root,
        key=key,
        experiment="text/news",
        run_name=key,
        tags={},
        parent=parent,
        system_metrics=False,
    )


def log_and_die(root: Path) -> None:
    for number in (1, 2):
        start(root, f"sweep-{number}", "sweep").log_metrics({"loss": 0.5}, number)
    os.kill(os.getpid(), signal.SIGKILL)


def test_nested_runs_are_in_the_store_when_their_parent_finishes(
    root: Path, query: Query, points: Points
) -> None:
    with start(root, "sweep"):
        for number in range(3):
            with start(root, f"sweep-{number}", "sweep") as child:
                child.log_metrics({"loss": float(number)}, number)
                with start(root, f"sweep-{number}-s1", f"sweep-{number}"):
                    pass
    assert query(RUNS) == [
        ("sweep", None, "FINISHED"),
        *(
            row
            for number in range(3)
            for row in (
                (f"sweep-{number}", "sweep", "FINISHED"),
                (f"sweep-{number}-s1", f"sweep-{number}", "FINISHED"),
            )
        ),
    ]
    assert points() == {("loss", 0): 1, ("loss", 1): 1, ("loss", 2): 1}


def test_of_nested_runs_that_are_killed_one_taken_up_again_goes_on_and_the_other_is_killed(
    root: Path, query: Query, points: Points
) -> None:
    with start(root, "sweep"):
        process = multiprocessing.get_context("spawn").Process(target=log_and_die, args=(root,))
        process.start()
        process.join()
        with start(root, "sweep-1", "sweep") as child:
            child.log_metrics({"loss": 0.5}, 1)
            child.log_metrics({"loss": 0.4}, 3)
    assert query(RUNS) == [
        ("sweep", None, "FINISHED"),
        ("sweep-1", "sweep", "FINISHED"),
        ("sweep-2", "sweep", "KILLED"),
    ]
    assert points() == {("loss", 1): 1, ("loss", 2): 1, ("loss", 3): 1}


def test_sync_delivers_a_child_before_its_parent_in_the_right_order(
    root: Path, query: Query
) -> None:
    with no_senders():
        start(root, "sweep").finish()
        start(root, "sweep-1", "sweep").finish()
    for journal in (root / ".cache" / "tracking").glob("*/journal.jsonl"):
        os.utime(journal, (0, 0) if journal.parent.name == "sweep-1" else (9, 9))
    assert sync(root).waiting == ()
    assert query(RUNS) == [("sweep", None, "FINISHED"), ("sweep-1", "sweep", "FINISHED")]


def test_a_nested_run_is_named_after_its_parent(root: Path) -> None:
    with pytest.raises(ValueError, match="begins with sweep-"):
        start(root, "other-1", "sweep")
