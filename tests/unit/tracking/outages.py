"""A real tracking server behind a misbehaving proxy, and what is counted on both sides."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import psutil
from mlflow.tracking import MlflowClient

from pipeline.config.schema import TrackingConfig
from pipeline.tracking.journal import journal_directory, read_entries
from pipeline.tracking.run import RunLog, open_run
from tests.unit.tracking.misbehaving_proxy import MisbehavingProxy

LONGEST_ENDING_SECONDS = 40.0
"""What the end of a run may take at worst, on a busy machine too."""

Points = Counter[tuple[str, int, float]]


@dataclass
class Outage:
    """One run, its server, and the proxy between them.

    Attributes:
        root: The project's root.
        proxy: The proxy that the run is told to use.
        server: The address of the server itself.
        key: The run's key, which names its experiment too.
    """

    root: Path
    proxy: MisbehavingProxy
    server: str
    key: str

    def start(self) -> RunLog:
        """Opens the run, or continues it."""
        return open_run(
            TrackingConfig(uri=self.proxy.uri),
            root=self.root,
            key=self.key,
            experiment=self.key,
            run_name=self.key,
            tags={"stage": "train"},
            system_metrics=False,
        )

    def sent(self) -> Points:
        """How often each point (name, step, value) was logged: what the journal holds."""
        return Counter(
            (name, event["step"], value)
            for event, _ in read_entries(journal_directory(self.root, self.key))
            if event["type"] == "metrics"
            for name, value in event["metrics"].items()
        )

    def stored(self) -> Points:
        """How often each point is in the server, over all runs of the experiment."""
        client = MlflowClient(self.server)
        points: Points = Counter()
        for run_id in self.run_ids():
            for name in client.get_run(run_id).data.metrics:
                history = client.get_metric_history(run_id, name)
                points.update((name, point.step, point.value) for point in history)
        return points

    def run_ids(self) -> list[str]:
        """All runs of the experiment."""
        client = MlflowClient(self.server)
        experiment = client.get_experiment_by_name(self.key)
        if experiment is None:
            return []
        return [run.info.run_id for run in client.search_runs([experiment.experiment_id])]

    def status(self) -> str:
        """The status of the only run."""
        (run_id,) = self.run_ids()
        return str(MlflowClient(self.server).get_run(run_id).info.status)

    def artifacts(self, directory: str) -> list[str]:
        """The files in a directory of the only run."""
        (run_id,) = self.run_ids()
        return [file.path for file in MlflowClient(self.server).list_artifacts(run_id, directory)]


def log_steps(run: RunLog, steps: range) -> float:
    """Logs two metrics a step; returns the seconds of the slowest call."""
    slowest = 0.0
    for step in steps:
        begin = time.monotonic()
        run.log_metrics({"train/loss": 1 / (step + 1), "train/lr": step * 0.5}, step)
        slowest = max(slowest, time.monotonic() - begin)
    return slowest


def ending_seconds(run: RunLog) -> float:
    """Ends a run; returns how long that took."""
    begin = time.monotonic()
    run.finish()
    return time.monotonic() - begin


def logged(steps: range) -> Points:
    """What `log_steps` must have brought into the store: each point once."""
    points: Points = Counter()
    for step in steps:
        points["train/loss", step, 1 / (step + 1)] += 1
        points["train/lr", step, step * 0.5] += 1
    return points


def senders(root: Path) -> list[psutil.Process]:
    """The sender processes that work for a root."""
    found = []
    for process in psutil.process_iter(["cmdline"]):
        command = process.info["cmdline"] or []
        if "pipeline.tracking.follow" in command and command[-1] == str(root):
            found.append(process)
    return found


def wait_until(true: Callable[[], bool], seconds: float = 30.0) -> None:
    """Waits for something to become true.

    Raises:
        AssertionError: If it does not.
    """
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.05)
