"""The training process's side of the background sender."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from pathlib import Path

from pipeline.console import notice
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
    """Starts the sender process (`follow`) for a journal and waits for it at the end.

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
        """Waits for the store to have the whole journal, as long as there is progress or hope."""
        if self._process is None:
            return
        begin = progress = time.monotonic()
        state = DeliveryState.read(self._directory, self._store)
        failures, offset = state.attempts, state.offset
        self._wake()
        while pending_events(self._directory, self._store) and self._process.poll() is None:
            now = time.monotonic()
            state = DeliveryState.read(self._directory, self._store)
            if state.offset != offset:
                offset, progress, failures = state.offset, now, state.attempts
            if state.attempts >= failures + _FAILURES:
                return
            if now - progress > _PATIENCE_SECONDS or now - begin > _LONGEST_WAIT_SECONDS:
                return
            if state.attempts > 0:
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
        if waiting := pending_events(self._directory, self._store):
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

    def _wake(self) -> None:
        if self._process is not None and self._process.stdin is not None:
            with contextlib.suppress(OSError):
                self._process.stdin.write(b"\n")
                self._process.stdin.flush()
