"""Keeps workers busy with what a search, or the comparison after it, has for them."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Protocol, Self

from pipeline.errors import PipelineError
from pipeline.sweep.board import Board, WorkerLine
from pipeline.sweep.study.records import StudyRecord
from pipeline.sweep.workers.crew import Crew, Ended, Event, Lost, Trained, Validation, Worker
from pipeline.sweep.workers.jobs import Job, JobResult
from pipeline.training.signals import StopRequest

_POLL_SECONDS = 0.25
_BOARD_SECONDS = 0.5


class JobSource(Protocol):
    """Where jobs come from, and where their outcomes go."""

    @property
    def has_work(self) -> bool:
        """Whether there is a job to begin now."""
        ...

    @property
    def waits(self) -> bool:
        """Whether there may be more jobs later, though none is running here."""
        ...

    def record(self) -> StudyRecord:
        """The study as it is now."""
        ...

    def next_job(self) -> Job | None:
        """The next job; None if there is none to begin now."""
        ...

    def goes_on(self, job: Job, *, seed: int, number: int, value: float) -> bool:
        """Takes a validation's value; whether the job should go on."""
        ...

    def keeps(self, job: Job, metrics: Mapping[str, float]) -> bool:
        """Whether weights of these metrics are worth keeping."""
        ...

    def ended(self, job: Job, result: JobResult) -> None:
        """A job has come to its end."""
        ...

    def lost(self, job: Job, reason: str) -> None:
        """A worker died over a job."""
        ...

    def suspend(self, job: Job) -> None:
        """A job was stopped, to be gone on with by a later command."""
        ...

    def beat(self) -> None:
        """Called several times a second."""
        ...


class SweepStopped(PipelineError):
    """A signal ended the sweep.

    Args:
        number: The signal's number.
    """

    run_status = "KILLED"

    def __init__(self, number: int) -> None:
        super().__init__(
            "the sweep was stopped: finished trials are kept, running ones have saved their state",
            remedy="run the same command again, which goes on from here",
        )
        self.exit_code = 128 + number


class Runner:
    """Runs jobs on workers, which start when there is a first job at the latest, and then stay.

    Args:
        make_crew: Starts the workers.
        board: Shows them.
        stop: Knows of signals.
    """

    def __init__(self, make_crew: Callable[[], Crew], board: Board, stop: StopRequest) -> None:
        self._make_crew = make_crew
        self._crew: Crew | None = None
        self._board = board
        self._stop = stop
        self._shown_at = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._crew is None:
            return
        if kind is not None and issubclass(kind, Exception):
            self._crew.stop()  # the driver fails, but what runs need not be lost
        self._crew.close()

    def start(self) -> None:
        """Starts the workers, so that they are ready sooner."""
        self._crew = self._crew or self._make_crew()

    def run(self, source: JobSource) -> None:
        """Runs jobs until there are none left.

        Raises:
            SweepStopped: After SIGINT or SIGTERM; running jobs are suspended.
            EnvironmentProblem: If workers cannot be started.
        """
        while source.has_work or source.waits or (self._crew is not None and self._crew.busy):
            self._crew = self._crew or self._make_crew()
            if self._stop.received:
                self._suspend(self._crew, source)
            self._assign(self._crew, source)
            for event in self._crew.poll(_POLL_SECONDS):
                self._handle(self._crew, event, source)
            source.beat()
            self._show(self._crew, source)

    def _assign(self, crew: Crew, source: JobSource) -> None:
        for worker in crew.idle:
            job = source.next_job()
            if job is None:
                return
            crew.assign(worker, job)

    def _handle(self, crew: Crew, event: Event, source: JobSource) -> None:
        if isinstance(event, Validation):
            verdict = source.goes_on(
                event.job, seed=event.seed, number=event.number, value=event.value
            )
            crew.answer(event.worker, verdict=verdict)
        elif isinstance(event, Trained):
            crew.answer(event.worker, verdict=source.keeps(event.job, event.metrics))
        elif isinstance(event, Ended):
            source.ended(event.job, event.result)
        else:
            source.lost(event.job, event.reason)

    def _suspend(self, crew: Crew, source: JobSource) -> None:
        for event in crew.stop():
            if isinstance(event, Ended):
                source.ended(event.job, event.result)
            elif isinstance(event, Lost):
                source.suspend(event.job)
        raise SweepStopped(self._stop.received)

    def _show(self, crew: Crew, source: JobSource) -> None:
        now = time.monotonic()
        if now - self._shown_at >= _BOARD_SECONDS:
            self._shown_at = now
            self._board.update([_line(worker, now) for worker in crew.workers], source.record())


def _line(worker: Worker, now: float) -> WorkerLine:
    """What the board shows of a worker."""
    if worker.job is None:
        return WorkerLine(worker.index + 1, None, "waiting" if worker.is_ready else "starting")
    told = worker.progress
    seconds = now - worker.since
    trial = worker.job.tags.get("trial")
    phase = told.get("phase", "preparing data")
    if trial is None and phase == "training":
        phase = "confirming"
    of_each = int(told.get("total_steps", 0))
    seed, seeds = int(told.get("seed", 0)), len(worker.job.seeds)
    step = int(told.get("step", 0))
    done, total = max(seed - 1, 0) * of_each + step, seeds * of_each
    epochs = int(told.get("epochs", 0))
    return WorkerLine(
        index=worker.index + 1,
        trial=None if trial is None else int(trial),
        phase=phase,
        seed=seed,
        seeds=seeds,
        epoch=min(step * epochs // of_each + 1, epochs) if of_each else 0,
        epochs=epochs,
        step=done,
        total_steps=total,
        value=told.get("value"),
        seconds=seconds,
        seconds_left=seconds / done * (total - done) if done else None,
    )
