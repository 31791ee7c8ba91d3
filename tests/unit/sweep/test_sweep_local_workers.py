"""Jobs on real worker processes of this machine."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from pipeline.sweep.layout import JobLayout
from pipeline.sweep.workers.crew import Crew, Ended, Event, Lost, Trained, Validation
from pipeline.sweep.workers.jobs import Job
from pipeline.sweep.workers.local import LocalLauncher
from tests.sweep_jobs import (
    do_job,
    job_config,
    make_job,
    saved_states,
    tracked,
    weights,
    write_jobs_project,
)

BROKEN_TASK = """
from pipeline.tasks.text_classification import TextClassification

class Broken(TextClassification):
    def collate(self, *arguments, **options):
        raise RuntimeError("a bug of the user's own")
"""
TIMES = {"train_seconds", "tokens_per_second"}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = write_jobs_project(tmp_path_factory.mktemp("local") / "project")
    (root.parent / "broken_local_task.py").write_text(BROKEN_TASK)
    return root


@pytest.fixture(scope="module")
def crew(root: Path) -> Iterator[Crew]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(root.parent))
        made = Crew(LocalLauncher(root, root / "logs", threads=1, gpus=()), 2)
        try:
            yield made
        finally:
            made.close()


def poll_until(
    crew: Crew,
    true: Callable[[list[Event]], Any],
    verdict: Callable[[Event], bool] = lambda _: True,
) -> list[Event]:
    """Answers questions meanwhile; gives all events."""
    events: list[Event] = []
    deadline = time.monotonic() + 120
    while not true(events):
        assert time.monotonic() < deadline, events
        for event in crew.poll(0.1):
            events.append(event)
            if isinstance(event, (Validation, Trained)) and not true(events):
                crew.answer(event.worker, verdict=verdict(event))
    return events


def ready(crew: Crew) -> None:
    poll_until(crew, lambda _: len(crew.idle) == len(crew.workers))


def is_over(events: list[Event]) -> bool:
    return any(isinstance(event, (Ended, Lost)) for event in events)


def process(index: int) -> psutil.Process:
    """The process of a worker."""
    [found] = [
        child
        for child in psutil.Process().children()
        if child.cmdline()[1:3] == ["-m", "pipeline.sweep.workers.worker"]
        and child.cmdline()[-2] == str(index)
    ]
    return found


def log_of(job: Job) -> str:
    return JobLayout(Path(job.directory)).log.read_text()


def test_two_workers_do_jobs_side_by_side_and_prepare_their_data_once(
    crew: Crew, root: Path
) -> None:
    ready(crew)
    jobs = [make_job(root, number, job_config(seed=number)) for number in range(2)]
    for worker, job in zip(crew.idle, jobs, strict=True):
        crew.assign(worker, job)
    events = poll_until(crew, lambda events: sum(isinstance(e, Ended) for e in events) == 2)
    results = {event.job.name: event.result for event in events if isinstance(event, Ended)}
    assert [results[job.name].state for job in jobs] == ["complete"] * 2
    assert results["tiny-0000"].metrics["log_loss"] != results["tiny-0001"].metrics["log_loss"]
    assert sum("prepared tiny" in log_of(job) for job in jobs) == 1
    assert all("epoch 2/2, step 28/28" in log_of(job) for job in jobs)
    assert [path.read_text() for path in (root / "logs").iterdir()] == ["", ""]
    assert {process(index).environ()["OMP_NUM_THREADS"] for index in (0, 1)} == {"1"}


def test_a_job_is_pruned_when_the_driver_says_no(crew: Crew, root: Path) -> None:
    ready(crew)
    crew.assign(crew.idle[0], make_job(root, 10, prunes=True))
    events = poll_until(crew, is_over, lambda _: False)
    assert [type(event) for event in events] == [Validation, Ended]
    assert isinstance(events[-1], Ended)
    assert events[-1].result.state == "pruned"
    assert tracked(root, "study-0010").tags["trial_state"] == "pruned"


def test_a_job_whose_worker_is_killed_goes_on_in_another_to_the_same_end(
    crew: Crew, root: Path
) -> None:
    ready(crew)
    settings = job_config(trainer={"state_interval_seconds": 0.001}, seed=20)
    job = make_job(root, 20, settings, prunes=True)
    worker = crew.idle[0]
    killed = process(worker.index)
    crew.assign(worker, job)
    poll_until(crew, lambda events: any(isinstance(event, Validation) for event in events))
    os.kill(killed.pid, signal.SIGKILL)
    [lost] = poll_until(crew, is_over)
    assert isinstance(lost, Lost)
    assert lost.job == job
    assert lost.reason.startswith("its worker was killed by SIGKILL")
    assert len(saved_states(root)) >= 1

    crew.assign(crew.idle[0], job)
    events = poll_until(crew, is_over)
    ended = events[-1]
    assert isinstance(ended, Ended)
    assert "resuming after step" in log_of(job)
    undisturbed = make_job(root, 21, settings, prunes=True)
    expected, _ = do_job(undisturbed, root)
    for name in expected.metrics.keys() - TIMES:
        assert ended.result.metrics[name] == expected.metrics[name]
    assert weights(job, 20) == weights(undisturbed, 20)
    assert tracked(root, job.run_key).points == tracked(root, undisturbed.run_key).points

    ready(crew)
    assert process(worker.index).pid != killed.pid


def test_a_worker_that_ran_into_a_defect_is_replaced(crew: Crew, root: Path) -> None:
    ready(crew)
    worker = crew.idle[0]
    before = process(worker.index).pid
    job = make_job(root, 30, job_config(task={"kind": "broken_local_task:Broken"}))
    crew.assign(worker, job)
    [ended] = poll_until(crew, is_over)
    assert isinstance(ended, Ended)
    assert (ended.result.state, ended.result.unexpected) == ("failed", True)
    assert "Traceback" in log_of(job)
    assert "RuntimeError: a bug of the user's own" in log_of(job)
    assert worker not in crew.idle
    poll_until(crew, lambda _: crew.workers[worker.index] is not worker)
    assert process(worker.index).pid != before


def test_workers_that_are_stopped_save_their_training(crew: Crew, root: Path) -> None:
    """The last test of the crew: it starts no workers any more."""
    poll_until(crew, lambda _: crew.idle)
    job = make_job(root, 40, prunes=True)
    crew.assign(crew.idle[0], job)
    poll_until(crew, lambda events: any(isinstance(event, Validation) for event in events))
    [lost] = crew.stop()
    assert isinstance(lost, Lost)
    assert (lost.job, crew.busy) == (job, [])
    assert len(saved_states(root)) == 1
    assert tracked(root, job.run_key).status == "KILLED"
    assert "saving the training state" in log_of(job)
