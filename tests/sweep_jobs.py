"""A project whose sweep jobs train in a fraction of a second, and the driver's end of a line."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.artifacts import read_json
from pipeline.config.schema import Config
from pipeline.sweep.layout import JobLayout
from pipeline.sweep.workers.jobs import Job, JobResult
from pipeline.sweep.workers.link import Line, Message, receive, send
from pipeline.sweep.workers.trial import run_job
from pipeline.tracking.journal import journal_directory, read_entries
from tests.checkpoints import WORDS, write_checkpoint
from tests.training_project import config

PARENT = "study"
DIVERGING = {"lr": 1e30}
_ROWS = 120


def write_jobs_project(root: Path) -> Path:
    """Writes a checkpoint and raw texts; returns the root."""
    (root / "conf").mkdir(parents=True)
    (root / "conf" / "config.yaml").write_text("{}\n")
    write_checkpoint("bert", root / "checkpoint")
    write_raw_data(root)
    return root


def write_raw_data(root: Path, seed: int = 0) -> None:
    """Writes `data/tiny.csv`: random texts, no two alike; those about sports hold `match`."""
    generator = np.random.default_rng(seed)
    words = [word for word in WORDS if word != "match"]
    texts: dict[str, str] = {}
    while len(texts) < _ROWS:
        chosen = list(generator.choice(words, generator.integers(6, 20)))
        is_sports = len(texts) % 2 == 1
        texts[" ".join([*chosen, *["match"] * is_sports])] = "sports" if is_sports else "other"
    lines = [f"{text},{label}" for text, label in texts.items()]
    (root / "data").mkdir(exist_ok=True)
    (root / "data" / "tiny.csv").write_text("\n".join(["text,label", *lines]) + "\n")


def job_config(**sections: Any) -> Config:
    """Two epochs of 14 steps, tracked; keywords replace keys of sections."""
    trainer = {"max_epochs": 2, **sections.pop("trainer", {})}
    return config(**{"tracking": {"enabled": True}, "trainer": trainer, **sections})


def make_job(root: Path, number: int = 0, settings: Config | None = None, **values: Any) -> Job:
    """A trial's job: one seed, no pruning, weights kept, judged by `log_loss`, unless told else."""
    made = settings or job_config()
    return Job.model_validate(
        {
            "name": f"tiny-{number:04d}",
            "directory": str(root / "runs" / "sweeps" / "tiny" / "trials" / f"{number:04d}"),
            "run_key": f"{PARENT}-{number:04d}",
            "parent_key": PARENT,
            "mlflow_experiment": "text_classification/tiny",
            "tags": {"sweep": "tiny", "trial": str(number), "trial_state": "running"},
            "config": made.model_dump(mode="json"),
            "seeds": (made.seed,),
            "objectives": ("log_loss",),
            "constraints": (),
            "prunes": False,
            "over_seeds": False,
            "keeps_model": True,
            **values,
        },
        strict=False,
    )


Answer = Callable[[Message], bool | None]
"""A driver's verdict on a question; None for silence."""


class Driver:
    """The driver's end of a line: keeps what it hears, and answers questions.

    Args:
        connection: To the worker.
        answer: Its verdicts, by default yes; called in the thread that listens.

    Attributes:
        heard: The messages, in order.
    """

    def __init__(self, connection: Connection, answer: Answer = lambda _: True) -> None:
        self.connection = connection
        self.heard: list[Message] = []
        self._answer = answer
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def of(self, kind: str) -> list[Any]:
        """What the messages of one kind hold."""
        return [message[kind] for message in self.heard if kind in message]

    def join(self) -> None:
        """Waits until the worker has let go of the connection."""
        self._thread.join(30)
        assert not self._thread.is_alive()

    def _listen(self) -> None:
        with suppress(EOFError, OSError):
            while True:
                message = receive(self.connection)
                self.heard.append(message)
                if "validation" in message or "trained" in message:
                    verdict = self._answer(message)
                    if verdict is not None:
                        send(self.connection, verdict=verdict)


@contextmanager
def line_to_driver(answer: Answer = lambda _: True) -> Iterator[tuple[Line, Driver]]:
    """Both ends of a line in one process."""
    here, there = Pipe()
    driver, line = Driver(here, answer), Line(there)
    try:
        yield line, driver
    finally:
        line.close()
        driver.join()
        here.close()


def do_job(job: Job, root: Path, answer: Answer = lambda _: True) -> tuple[JobResult, Driver]:
    """Does a job in this process."""
    with line_to_driver(answer) as (line, driver):
        return run_job(job, root=root, line=line), driver


@dataclass(frozen=True)
class Tracked:
    """What the journal of a run holds.

    Attributes:
        parent: Key of the run it is nested in.
        name: Its name.
        experiment: Its experiment.
        params: All parameters.
        tags: The tags as they stand at the end.
        metrics: The last value of each metric.
        points: How often each point, by name and step, is there; those of the system left out.
        status: How it ended last; None while it runs.
    """

    parent: str | None
    name: str
    experiment: str
    params: dict[str, str]
    tags: dict[str, str]
    metrics: dict[str, float]
    points: Counter[tuple[str, int]]
    status: str | None


def tracked(root: Path, key: str) -> Tracked:
    """Reads the journal of a run."""
    events = [event for event, _ in read_entries(journal_directory(root, key))]
    opened = next(event for event in events if event["type"] == "open")
    params: dict[str, str] = {}
    tags: dict[str, str] = {}
    metrics: dict[str, float] = {}
    points: Counter[tuple[str, int]] = Counter()
    status = None
    for event in events:
        kind = event["type"]
        status = event["status"] if kind == "finish" else None
        params |= event.get("params", {})
        tags |= event.get("tags", {})
        for name, value in event.get("metrics", {}).items():
            if not name.startswith("system/"):
                metrics[name] = value
                points[name, event["step"]] += 1
    return Tracked(
        opened["parent"],
        opened["run_name"],
        opened["experiment"],
        params,
        tags,
        metrics,
        points,
        status,
    )


def model_of(job: Job, seed: int = 0) -> Path:
    """Where a job leaves its model."""
    return JobLayout(Path(job.directory)).outputs(seed, Path()).model


def weights(job: Job, seed: int = 0) -> bytes:
    """The weights that a job has left."""
    return (model_of(job, seed) / "model.safetensors").read_bytes()


def saved_states(root: Path) -> list[Path]:
    """Training states that take up room."""
    return sorted((root / ".cache" / "training").glob("*/state-*"))


def result_file(job: Job) -> Any:
    """`result.json` as it stands on the disk."""
    return read_json(JobLayout(Path(job.directory)).result)
