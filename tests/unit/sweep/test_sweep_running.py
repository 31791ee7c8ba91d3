from __future__ import annotations

import io
import os
import signal
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from rich.console import Console

from pipeline.sweep.board import Board, WorkerLine
from pipeline.sweep.study.records import StudyRecord
from pipeline.sweep.workers.crew import Crew
from pipeline.sweep.workers.jobs import Job, JobResult
from pipeline.sweep.workers.running import Runner, SweepStopped
from pipeline.training.signals import StopRequest
from tests.scripted_workers import ScriptedLauncher, busy, inquisitive, mortal, obedient
from tests.stored_studies import record
from tests.sweep_jobs import make_job

ROOT = Path("/nowhere")


class Jobs:
    """A source with these jobs; a job that was lost is there once more."""

    def __init__(self, *jobs: Job, verdict: bool = True) -> None:
        self.left = list(jobs)
        self.told: list[str] = []
        self.results: list[JobResult] = []
        self.beats = 0
        self.verdict = verdict
        self.waits = False

    @property
    def has_work(self) -> bool:
        return bool(self.left)

    def record(self) -> StudyRecord:
        return record()

    def next_job(self) -> Job | None:
        return self.left.pop(0) if self.left else None

    def goes_on(self, job: Job, *, seed: int, number: int, value: float) -> bool:
        self.told.append(f"{job.name} validation {number} of seed {seed}: {value}")
        return self.verdict

    def keeps(self, job: Job, metrics: Mapping[str, float]) -> bool:
        self.told.append(f"{job.name} trained: {dict(metrics)}")
        return self.verdict

    def ended(self, job: Job, result: JobResult) -> None:
        self.told.append(f"{job.name} {result.state}")
        self.results.append(result)

    def lost(self, job: Job, reason: str) -> None:
        self.told.append(f"{job.name} lost: {reason}")
        self.left.append(job)

    def suspend(self, job: Job) -> None:
        self.told.append(f"{job.name} suspended")

    def beat(self) -> None:
        self.beats += 1


class Watched(Board):
    """Keeps what it is to show."""

    def __init__(self) -> None:
        super().__init__(n_trials=5, workers=2, console=Console(file=io.StringIO()))
        self.lines: list[WorkerLine] = []

    def update(self, lines: Sequence[WorkerLine], record: StudyRecord) -> None:
        self.lines.extend(lines)


def run(launcher: ScriptedLauncher, size: int, *sources: Jobs) -> list[WorkerLine]:
    board = Watched()
    with StopRequest() as stop, Runner(lambda: Crew(launcher, size), board, stop) as runner:
        for source in sources:
            runner.run(source)
    return board.lines


def test_all_jobs_are_done_and_workers_stay_for_the_next_source() -> None:
    launcher = ScriptedLauncher(obedient)
    search = Jobs(*(make_job(ROOT, number) for number in range(5)))
    confirmation = Jobs(make_job(ROOT, 9))
    run(launcher, 2, search, confirmation)
    assert sorted(search.told) == [f"tiny-{number:04d} complete" for number in range(5)]
    assert confirmation.told == ["tiny-0009 complete"]
    assert launcher.started == 2
    assert search.beats > 0


def test_without_jobs_no_worker_is_started() -> None:
    launcher = ScriptedLauncher(obedient)
    run(launcher, 2, Jobs())
    assert launcher.started == 0


@pytest.mark.parametrize("verdict", [True, False])
def test_the_source_answers_what_workers_ask(verdict: bool) -> None:
    source = Jobs(make_job(ROOT, 3), verdict=verdict)
    run(ScriptedLauncher(inquisitive), 1, source)
    asked, *rest = source.told
    assert asked == "tiny-0003 validation 1 of seed 0: 0.5"
    if verdict:
        assert rest == ["tiny-0003 trained: {'log_loss': 0.5}", "tiny-0003 complete"]
        assert source.results[0].reason == "kept"
    else:
        assert rest == ["tiny-0003 pruned"]


def test_a_job_whose_worker_died_may_be_done_by_the_next() -> None:
    source = Jobs(make_job(ROOT))
    run(ScriptedLauncher(mortal, obedient), 1, source)
    assert source.told == ["tiny-0000 lost: its script ended", "tiny-0000 complete"]


def test_a_signal_suspends_what_runs_and_says_how_to_go_on() -> None:
    class Interrupted(Jobs):
        def beat(self) -> None:
            super().beat()
            if self.beats == 4:
                os.kill(os.getpid(), signal.SIGINT)

    source = Interrupted(*(make_job(ROOT, number) for number in range(3)))
    with pytest.raises(SweepStopped, match="run the same command again") as stopped:
        run(ScriptedLauncher(busy), 2, source)
    assert sorted(source.told) == ["tiny-0000 suspended", "tiny-0001 suspended"]
    assert [job.name for job in source.left] == ["tiny-0002"]
    assert stopped.value.exit_code == 130
    assert stopped.value.run_status == "KILLED"


def test_the_board_shows_what_each_worker_does() -> None:
    class Slow(Jobs):
        def goes_on(self, job: Job, *, seed: int, number: int, value: float) -> bool:
            runner._shown_at = 0.0
            runner._show(crew, self)
            return super().goes_on(job, seed=seed, number=number, value=value)

    seeded = make_job(ROOT, 7, seeds=(0, 1))
    source = Slow(seeded)
    board = Watched()
    crew = Crew(ScriptedLauncher(inquisitive), 1)
    with StopRequest() as stop, Runner(lambda: crew, board, stop) as runner:
        runner.run(source)
    [line] = [line for line in board.lines if line.phase == "training"]
    assert (line.index, line.trial, line.seed, line.seeds) == (1, 7, 1, 2)
    assert (line.step, line.total_steps, line.epoch, line.epochs) == (5, 40, 2, 4)
    assert line.value == 0.5
    assert line.seconds_left == pytest.approx(7 * line.seconds)
    assert any(line.phase == "starting" for line in board.lines)
