"""The training process's side of the background sender."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path

from pipeline.console import notice
from pipeline.tracking.journal import family, journals, read_entries
from pipeline.tracking.process import SenderProcess, Urgency
from pipeline.tracking.secrets import Redactor
from pipeline.tracking.state import DeliveryState, pending_events

_PATIENCE_SECONDS = 10.0
"""How long the run's end waits without any progress; waits for a processor are not counted."""
_LONGEST_WAIT_SECONDS = 30.0
_CLOSE_SECONDS = 2.0
_LOOK_SECONDS = 0.05
_FAILURES = 2
"""So many failed attempts after the run's end say that waiting is in vain."""
_STARVED_SECONDS = 1.0
"""So long may a sender wait for a processor after the run's end."""
_UPLOADS = {"artifact", "model"}


class Sender:
    """Starts the sender process (`follow`) of a run and waits for it at the end.

    The process carries the run's journal and those of the runs nested in it, and afterwards what
    earlier commands left for the same store.

    A process, not a thread: importing MLflow (more than a second of work) and writing to its store
    never hold Python's lock here, no lock is held when a data worker is forked, and what a killed
    training had logged is still delivered. It takes only processor time that nobody else wants;
    where it gets none once the run waits for it, or where it was killed, another takes its place.

    If no process can be started, the journal simply waits for a later command.

    Args:
        directory: The journal's directory.
        uri: The store's address.
        root: The directory of `mlflow.db` and `mlruns/`.
    """

    def __init__(self, directory: Path, uri: str, root: Path) -> None:
        self._directory = directory
        self._uri = uri
        self._root = root
        self._store = Redactor().text(uri)
        self._progress = False
        self._left = False
        self._process = self._start("idle")

    def wait_until_delivered(self) -> None:
        """Waits for the store to have all events, as long as there is progress or hope."""
        if self._process is None:
            return
        begin = progress = time.monotonic()
        starved = self._process.starved_seconds()
        replaced = False
        least, failures = self._standing()
        self._process.wake()
        while True:
            now = time.monotonic()
            waiting, attempts = self._standing()
            if waiting == 0 or attempts >= failures + _FAILURES:
                return
            if waiting < least:
                least, failures, self._progress = waiting, attempts, True
                progress, starved = now, self._process.starved_seconds()
            queued = self._process.starved_seconds() - starved
            if now - progress - queued > _PATIENCE_SECONDS or now - begin > _LONGEST_WAIT_SECONDS:
                return
            if attempts > 0:
                self._process.wake()
            if not replaced and (queued > _STARVED_SECONDS or not self._process.alive):
                self._process.end(0.0)
                replacement = self._start("now")
                if replacement is None:
                    return
                self._process, replaced, progress, starved = replacement, True, now, 0.0
            time.sleep(_LOOK_SECONDS)

    def end(self) -> None:
        """Lets the process end.

        One that is uploading or making progress is left to finish by itself, and so is one that
        has only what earlier commands left to do. One that hangs is killed, which loses nothing.
        """
        if self._process is None:
            return
        waiting, attempts = self._standing()
        if waiting == 0:
            self._left = self._others_wait()
        else:
            self._left = (
                self._process.alive and attempts == 0 and (self._progress or self._is_uploading())
            )
        if self._left:
            self._process.leave()
        else:
            self._process.end(_CLOSE_SECONDS)

    def report(self) -> None:
        """Says in one notice what the store has not taken, and why; nothing if it has all."""
        state = DeliveryState.read(self._directory, self._store)
        if waiting := self._standing()[0]:
            events = "1 event" if waiting == 1 else f"{waiting:,} events"
            if self._left:
                notice(
                    f"tracking: {events} and their files are still on their way to {self._store}, "
                    "in the background (`python -m pipeline sync` delivers what does not arrive; "
                    "the run's results are complete)"
                )
                return
            wait = "waits" if waiting == 1 else "wait"
            reason = state.error or f"the tracking store {self._store} did not answer in time"
            remedy = state.remedy or "run `python -m pipeline sync`"
            notice(
                f"tracking: {events} {wait} for MLflow in {self._directory} (`python -m pipeline "
                f"sync` delivers them; the run's results are complete): {reason}\n"
                f"  remedy: {remedy}"
            )
        if state.refused:
            items = "1 item" if state.refused == 1 else f"{state.refused:,} items"
            notice(f"tracking: the store {self._store} refused {items}: {state.refusal}")

    def _start(self, urgency: Urgency) -> SenderProcess | None:
        with contextlib.suppress(OSError):
            return SenderProcess(urgency, self._directory, self._uri, self._root)
        return None

    def _standing(self) -> tuple[int, int]:
        """Events of the run and of those nested in it that wait, and failed attempts in a row."""
        directories = family(self._directory)
        waiting = sum(pending_events(directory, self._store) for directory in directories)
        states = [DeliveryState.read(directory, self._store) for directory in directories]
        return waiting, max(state.attempts for state in states)

    def _is_uploading(self) -> bool:
        """Whether the next event of one of the journals is a file."""
        for directory in family(self._directory):
            offset = DeliveryState.read(directory, self._store).offset
            entry = next(read_entries(directory, offset), None)
            if entry is not None and entry.event["type"] in _UPLOADS:
                return True
        return False

    def _others_wait(self) -> bool:
        """Whether an earlier command left something in its journal."""
        own = set(family(self._directory))
        return any(
            pending_events(directory, self._store) > 0
            for directory in journals(self._root)
            if directory not in own
        )
