"""The driver's workers: started, given jobs, listened to, replaced when they die."""

from __future__ import annotations

import queue
import secrets
import time
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from threading import Thread
from typing import Any

from pipeline.errors import EnvironmentProblem
from pipeline.sweep.workers.jobs import Job, JobResult
from pipeline.sweep.workers.launching import Launched, Launcher
from pipeline.sweep.workers.link import Message, knows_key, receive, send

_STARTS = 3
"""How often in a row a worker may die before it is ready."""
_DEATH_SECONDS = 5.0
"""How long to wait for the reason of a worker's end once its connection has closed."""
_STOP_SECONDS = 60.0
"""How long workers have to save their states when they are stopped."""


@dataclass
class Worker:
    """A worker as the driver knows it.

    Attributes:
        index: Its number, from 0.
        launched: Its process.
        connection: To it; None until it has connected.
        is_ready: Whether it has connected and imported what it needs.
        job: What it does.
        since: When it took the job, by the monotonic clock.
        progress: What it last told of it.
    """

    index: int
    launched: Launched
    connection: Connection | None = None
    is_ready: bool = False
    job: Job | None = None
    since: float = 0.0
    progress: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Ended:
    """A job has come to its end."""

    job: Job
    result: JobResult


@dataclass(frozen=True)
class Lost:
    """A worker died, or was stopped, over its job.

    Attributes:
        job: What it did.
        reason: How the worker ended.
    """

    job: Job
    reason: str


@dataclass(frozen=True)
class Validation:
    """A worker asks whether to go on; answer with `Crew.answer`.

    Attributes:
        worker: Who asks.
        job: What it does.
        seed: Which of the job's seeds, from 0.
        number: Of the validation, from 1; of the seed, from 0, where seeds are compared.
        value: The first objective.
    """

    worker: Worker
    job: Job
    seed: int
    number: int
    value: float


@dataclass(frozen=True)
class Trained:
    """A worker asks whether to keep the weights; answer with `Crew.answer`.

    Attributes:
        worker: Who asks.
        job: What it did.
        metrics: What it came to.
    """

    worker: Worker
    job: Job
    metrics: dict[str, float]


Event = Ended | Lost | Validation | Trained


class Crew:
    """Workers side by side, each its own process.

    Args:
        launcher: Starts them.
        size: How many.

    Attributes:
        workers: All of them.
    """

    def __init__(self, launcher: Launcher, size: int) -> None:
        self._launcher = launcher
        self._key = secrets.token_bytes(32)
        self._listener = launcher.listener()
        self._arrived: queue.Queue[Connection] = queue.Queue()
        self._strangers: list[Connection] = []
        self._failed_starts = 0
        self._is_stopping = False
        Thread(target=self._welcome, name="crew", daemon=True).start()
        self.workers = [Worker(index, self._start(index)) for index in range(size)]

    def close(self) -> None:
        """Ends the workers that are left, and lets go of everything."""
        for worker in self.workers:
            self._dismiss(worker)
        self._listener.close()
        self._launcher.close()

    @property
    def idle(self) -> list[Worker]:
        """Workers that wait for a job."""
        return [worker for worker in self.workers if worker.is_ready and worker.job is None]

    @property
    def busy(self) -> list[Worker]:
        """Workers that do a job."""
        return [worker for worker in self.workers if worker.job is not None]

    def assign(self, worker: Worker, job: Job) -> None:
        """Gives an idle worker a job."""
        worker.job, worker.since, worker.progress = job, time.monotonic(), {}
        self._tell(worker, job=job.model_dump(mode="json"))

    def answer(self, worker: Worker, *, verdict: bool) -> None:
        """Answers a worker's question."""
        self._tell(worker, verdict=verdict)

    def poll(self, seconds: float) -> list[Event]:
        """Waits until something happens, or so long, and tells what.

        Dead workers are replaced.

        Raises:
            EnvironmentProblem: If workers die before they can work.
        """
        events = self._listen(seconds)
        for worker in self.workers:
            if worker.connection is None and not worker.is_ready:
                reason = worker.launched.death()
                if reason is not None:
                    self._failed_starts += 1
                    if self._failed_starts >= _STARTS:
                        raise EnvironmentProblem(
                            f"{self._failed_starts} workers in a row ended before they were ready: "
                            f"{reason}",
                            remedy="read what they printed; run `python -m pipeline doctor`",
                        )
                    self._replace(worker)
        return events

    def stop(self) -> list[Event]:
        """Lets the workers save their training states and end.

        Returns:
            What happened meanwhile: a job whose worker stopped is lost, for now.
        """
        self._is_stopping = True
        for worker in self.workers:
            self._tell(worker, stop=True)
        events: list[Event] = []
        deadline = time.monotonic() + _STOP_SECONDS
        while self.busy and time.monotonic() < deadline:
            events += [e for e in self._listen(0.2) if isinstance(e, (Ended, Lost))]
        events += [Lost(w.job, "it did not stop in time") for w in self.busy if w.job is not None]
        return events

    def _listen(self, seconds: float) -> list[Event]:
        while not self._arrived.empty():
            self._strangers.append(self._arrived.get())
        known = {w.connection: w for w in self.workers if w.connection is not None}
        events: list[Event] = []
        for connection in wait([*known, *self._strangers], seconds):
            assert isinstance(connection, Connection)
            worker = known.get(connection)
            try:
                message = receive(connection)
            except (EOFError, OSError):
                message = None
            if worker is None:
                self._introduce(connection, message)
            elif message is None:
                events += self._lose(worker)
            else:
                events += self._take(worker, message)
        if not known and not self._strangers:
            time.sleep(seconds)
        return events

    def _introduce(self, connection: Connection, message: Message | None) -> None:
        """Finds out which worker a new connection belongs to."""
        self._strangers.remove(connection)
        if message is None or "ready" not in message:
            connection.close()
            return
        worker = self.workers[int(message["ready"]["worker"])]
        worker.connection, worker.is_ready = connection, True
        self._failed_starts = 0

    def _take(self, worker: Worker, message: Message) -> list[Event]:
        job = worker.job
        if job is None:
            return []
        if "progress" in message:
            worker.progress = message["progress"]
        elif "validation" in message:
            return [Validation(worker, job, **message["validation"])]
        elif "trained" in message:
            return [Trained(worker, job, message["trained"])]
        elif "ended" in message:
            result = JobResult.model_validate(message["ended"], strict=False)
            worker.job, worker.progress = None, {}
            worker.is_ready = not result.unexpected  # otherwise it ends now, and is replaced
            return [Ended(job, result)]
        return []

    def _lose(self, worker: Worker) -> list[Event]:
        """Lets a worker go whose connection has closed, and starts another unless all stop."""
        job = worker.job
        deadline = time.monotonic() + _DEATH_SECONDS
        while (reason := worker.launched.death()) is None and time.monotonic() < deadline:
            time.sleep(0.01)
        self._dismiss(worker)
        if not self._is_stopping:
            self._replace(worker)
        return [] if job is None else [Lost(job, reason or "it let go of the connection")]

    def _dismiss(self, worker: Worker) -> None:
        worker.launched.kill()
        if worker.connection is not None:
            worker.connection.close()
        worker.connection, worker.is_ready, worker.job = None, False, None

    def _replace(self, worker: Worker) -> None:
        self._dismiss(worker)
        self.workers[worker.index] = Worker(worker.index, self._start(worker.index))

    def _start(self, index: int) -> Launched:
        return self._launcher.start(self._listener.address, index, self._key)

    def _tell(self, worker: Worker, **message: object) -> None:
        """Sends a message; that a worker has gone is noticed when listening."""
        if worker.connection is not None:
            with suppress(OSError):
                send(worker.connection, **message)

    def _welcome(self) -> None:
        """Accepts connections, in a thread of its own."""
        while True:
            try:
                connection = self._listener.accept()
            except ConnectionError:
                continue
            except OSError:
                return
            Thread(target=self._admit, args=(connection,), name="crew", daemon=True).start()

    def _admit(self, connection: Connection) -> None:
        """Lets in who knows the key; whoever says nothing, or nonsense, keeps nobody waiting."""
        if knows_key(connection, self._key):
            self._arrived.put(connection)
        else:
            connection.close()
