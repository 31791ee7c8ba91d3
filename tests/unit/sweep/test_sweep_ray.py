"""Jobs on workers that a real Ray of this machine runs."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import psutil
import pytest

from pipeline.sweep.definition.settings import RaySettings
from pipeline.sweep.layout import JobLayout
from pipeline.sweep.workers.crew import Crew, Ended, Event, Lost, Trained, Validation
from pipeline.sweep.workers.on_ray import RayLauncher
from tests.sweep_jobs import job_config, make_job, saved_states, tracked, write_jobs_project

ray = pytest.importorskip("ray", reason="ray is not installed: pip install -e '.[ray]'")


@pytest.fixture
def two_cores(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Ray's files in a directory of its own, with a short path, and two cores to give away."""
    folder = tempfile.mkdtemp(prefix="ray-")
    monkeypatch.setenv("RAY_TMPDIR", folder)
    monkeypatch.setenv("RAY_OVERRIDE_RESOURCES", '{"CPU": 2}')
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    yield
    ray.shutdown()
    shutil.rmtree(folder, ignore_errors=True)


def poll_until(crew: Crew, true: Callable[[list[Event]], Any]) -> list[Event]:
    """Says yes to questions meanwhile; gives all events."""
    events: list[Event] = []
    deadline = time.monotonic() + 120
    while not true(events):
        assert time.monotonic() < deadline, events
        for event in crew.poll(0.1):
            events.append(event)
            if isinstance(event, (Validation, Trained)) and not true(events):
                crew.answer(event.worker, verdict=True)
    return events


def is_over(events: list[Event]) -> bool:
    return any(isinstance(event, (Ended, Lost)) for event in events)


def has_validated(events: list[Event]) -> bool:
    return any(isinstance(event, Validation) for event in events)


def workers() -> list[psutil.Process]:
    """The processes of workers; Ray names them after their tasks."""
    return [
        child
        for child in psutil.Process().children(recursive=True)
        if child.cmdline() and child.cmdline()[0].startswith("ray::sweep-worker-")
    ]


@pytest.mark.slow
def test_ray_runs_jobs_within_its_resources_and_replaces_a_worker_that_is_killed(
    two_cores: None, tmp_path: Path
) -> None:
    root = write_jobs_project(tmp_path / "project")
    settings = RaySettings(cpus_per_worker=2.0)
    with closing(Crew(RayLauncher(settings, root, threads=1), 2)) as crew:
        poll_until(crew, lambda _: crew.idle)
        assert ray.available_resources().get("CPU", 0.0) == 0.0
        first = crew.idle[0]
        [process] = workers()
        assert process.environ()["OMP_NUM_THREADS"] == "1"
        waiting = crew.workers[1 - first.index]
        assert (waiting.is_ready, waiting.launched.death()) == (False, None)

        quick_states = job_config(trainer={"state_interval_seconds": 0.001})
        job = make_job(root, 0, quick_states, prunes=True)
        crew.assign(first, job)
        poll_until(crew, has_validated)
        process.kill()
        [lost] = poll_until(crew, is_over)
        assert isinstance(lost, Lost)
        assert lost.job == job
        assert lost.reason.startswith("its Ray task ended: ")
        assert saved_states(root)

        poll_until(crew, lambda _: crew.idle)
        [other] = workers()
        assert other.pid not in (process.pid, os.getpid())
        crew.assign(crew.idle[0], job)
        ended = poll_until(crew, is_over)[-1]
        assert isinstance(ended, Ended)
        assert ended.result.state == "complete", ended.result.reason
        assert tracked(root, "study-0000").status == "FINISHED"
        assert "resuming after step" in JobLayout(Path(job.directory)).log.read_text()

        stopped = make_job(root, 1, prunes=True)
        crew.assign(crew.idle[0], stopped)
        poll_until(crew, has_validated)
        [event] = crew.stop()
        assert isinstance(event, Lost)
        assert event.job == stopped
        assert len(saved_states(root)) == 1
    assert not ray.is_initialized()
    assert workers() == []
