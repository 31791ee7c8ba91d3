"""The training process's side of the background sender."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from pathlib import Path

from pipeline.console import notice
from pipeline.tracking.journal import family
from pipeline.tracking.secrets import Redactor
from pipeline.tracking.state import DeliveryState, pending_events
from pipeline.tracking.store import URI_VARIABLE

_PATIENCE_SECONDS = 10.0
"""How long `wait_until_delivered` waits without any progress."""
_LONGEST_WAIT_SECONDS = 30.0
_CLOSE_SECONDS = 2.0
_LOOK_SECONDS = 0.05
_FAILURES = 2
"""So many failed attempts after the run's end say that waiting is in vain."""


class Sender:
    """Starts the sender process (`follow`) of a run and waits for it at the end.

    The process carries the run's journal and those of the runs nested in it.

    A process, not a thread: importing MLflow (more than a second of work) and writing to its store
    never hold Python's lock here, no lock is held when a data worker is forked, and what a killed
    training had logged is still delivered. The store's address, which may hold a password, travels
    in the environment, which other users cannot read.

    If no process can be started, the journal simply waits for a later command.

    Args:
        directory: The journal's directory.
        uri: The store's address.
        root: The directory of `mlflow.db` and `mlruns/`.
    """

    def __init__(self, directory: Path, uri: str, root: Path) -> None:
        self._directory = directory
        self._store = Redactor().text(uri)
        package = Path(__file__).resolve().parent.parent.parent
        environment = dict(os.environ)
        environment.pop("PYTEST_CURRENT_TEST", None)
        environment[URI_VARIABLE] = uri
        search = [str(package), environment.get("PYTHONPATH", "")]
        environment["PYTHONPATH"] = os.pathsep.join(filter(None, search))
        self._process: subprocess.Popen[bytes] | None = None
        with contextlib.suppress(OSError):
            self._process = subprocess.Popen(  # noqa: S603 - the arguments are our own
                [sys.executable, "-P", "-m", "pipeline.tracking.follow", directory, root],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                cwd=root,
                env=environment,
                start_new_session=True,
            )

    def wait_until_delivered(self) -> None:
        """Waits for the store to have all events, as long as there is progress or hope."""
        if self._process is None:
            return
        begin = progress = time.monotonic()
        least, failures = self._standing()
        self._wake()
        while self._process.poll() is None:
            now = time.monotonic()
            waiting, attempts = self._standing()
            if waiting == 0 or attempts >= failures + _FAILURES:
                return
            if waiting < least:
                least, progress, failures = waiting, now, attempts
            if now - progress > _PATIENCE_SECONDS or now - begin > _LONGEST_WAIT_SECONDS:
                return
            if attempts > 0:
                self._wake()
            time.sleep(_LOOK_SECONDS)

    def end(self) -> None:
        """Lets the process end; one that hangs in a request is killed, which loses nothing."""
        if self._process is None:
            return
        self._wake()
        try:
            self._process.wait(_CLOSE_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._process.stdin is not None:
            with contextlib.suppress(OSError):
                self._process.stdin.close()

    def report(self) -> None:
        """Says in one notice what the store has not taken, and why; nothing if it has all."""
        state = DeliveryState.read(self._directory, self._store)
        if waiting := self._standing()[0]:
            events = "1 event waits" if waiting == 1 else f"{waiting:,} events wait"
            reason = state.error or f"the tracking store {self._store} did not answer in time"
            remedy = state.remedy or "run `python -m pipeline sync`"
            notice(
                f"tracking: {events} for MLflow in {self._directory} (`python -m pipeline sync` "
                f"delivers them; the run's results are complete): {reason}\n  remedy: {remedy}"
            )
        if state.refused:
            items = "1 item" if state.refused == 1 else f"{state.refused:,} items"
            notice(f"tracking: the store {self._store} refused {items}: {state.refusal}")

    def _standing(self) -> tuple[int, int]:
        """Events of the run and of those nested in it that wait, and failed attempts in a row."""
        directories = family(self._directory)
        waiting = sum(pending_events(directory, self._store) for directory in directories)
        states = [DeliveryState.read(directory, self._store) for directory in directories]
        return waiting, max(state.attempts for state in states)

    def _wake(self) -> None:
        if self._process is not None and self._process.stdin is not None:
            with contextlib.suppress(OSError):
                self._process.stdin.write(b"\n")
                self._process.stdin.flush()
