"""Workers of a crew that follow a script instead of training, in threads."""

from __future__ import annotations

import threading
from collections.abc import Callable
from multiprocessing.connection import Client, Connection, Listener
from typing import Any

from pipeline.sweep.workers.jobs import JobResult
from pipeline.sweep.workers.link import receive, send
from pipeline.sweep.workers.worker import Address

Script = Callable[[Connection], None]
"""What a worker does once it has said that it is ready; it has gone when this returns."""


class ScriptedWorker:
    """A thread that talks to the driver as a worker's process does.

    Args:
        script: What it does; None for a worker that ends before it is ready.
        address: Where the driver listens.
        index: The worker's number.
        key: The secret of the connection.
    """

    def __init__(self, script: Script | None, address: Address, index: int, key: bytes) -> None:
        self._script = script
        self._address = address
        self._index = index
        self._key = key
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def death(self) -> str | None:
        """How it ended."""
        return None if self._thread.is_alive() else "its script ended"

    def kill(self) -> None:
        """Nothing to do: the thread ends when the driver closes the connection."""

    def _run(self) -> None:
        if self._script is None:
            return
        try:
            with Client(self._address, authkey=self._key) as connection:
                send(connection, ready={"worker": self._index, "pid": 0})
                self._script(connection)
        except (EOFError, OSError):
            return


class ScriptedLauncher:
    """Starts scripted workers.

    Args:
        *scripts: Of the first worker, the second, and so on; the last one of all others too.
        family: What they connect through.

    Attributes:
        started: How many were started.
    """

    def __init__(self, *scripts: Script | None, family: str = "AF_UNIX") -> None:
        self.started = 0
        self._scripts = scripts
        self._family = family

    def listener(self) -> Listener:
        """A socket."""
        return Listener(family=self._family)

    def start(self, address: Address, index: int, key: bytes) -> ScriptedWorker:
        """Starts the next worker."""
        script = self._scripts[min(self.started, len(self._scripts) - 1)]
        self.started += 1
        return ScriptedWorker(script, address, index, key)

    def close(self) -> None:
        """Nothing to give back."""


def next_job(connection: Connection) -> dict[str, Any]:
    """Waits for a job; ends the worker when it is told to stop."""
    message = receive(connection)
    if "stop" in message:
        raise EOFError
    job: dict[str, Any] = message["job"]
    return job


def end(connection: Connection, job: dict[str, Any], **result: Any) -> None:
    """Says that a job is complete, or how else it ended."""
    values = {"run_key": job["run_key"], "state": "complete", **result}
    ended = JobResult.model_validate(values, strict=False)
    send(connection, ended=ended.model_dump(mode="json"))


def obedient(connection: Connection) -> None:
    """Does one job after the other at once."""
    while True:
        end(connection, next_job(connection))


def defective(connection: Connection) -> None:
    """Fails its first job for a reason that nobody expected, and ends a little later."""
    end(connection, next_job(connection), state="failed", unexpected=True)
    connection.poll(0.3)


def mortal(connection: Connection) -> None:
    """Dies over its first job."""
    next_job(connection)


def busy(connection: Connection) -> None:
    """Works on its first job until it is stopped."""
    next_job(connection)
    next_job(connection)


def inquisitive(connection: Connection) -> None:
    """Asks at a validation and at the end whether to go on and whether to keep the weights."""
    while True:
        job = next_job(connection)
        told = {"phase": "training", "seed": 1, "step": 5, "total_steps": 20, "epochs": 4}
        send(connection, progress={**told, "value": 0.5})
        send(connection, validation={"seed": 0, "number": 1, "value": 0.5})
        if not receive(connection)["verdict"]:
            end(connection, job, state="pruned", reason="pruned at validation 1")
            continue
        send(connection, trained={"log_loss": 0.5})
        kept = receive(connection)["verdict"]
        end(connection, job, reason="kept" if kept else "")
