"""The sender process: follows a run's journal and those of runs nested in it.

When all are delivered and nobody writes them any more, it delivers what earlier commands left for
the same store, and ends. A run whose process died without a word is ended as KILLED.
"""

from __future__ import annotations

import contextlib
import os
import select
import sys
import threading
import time
from pathlib import Path

from filelock import FileLock, Timeout

from pipeline.tracking.delivery import Delivery, journal_lock
from pipeline.tracking.journal import FILE_NAME, family, finish_dead_run, has_writer
from pipeline.tracking.process import take_idle_time_only
from pipeline.tracking.secrets import Redactor
from pipeline.tracking.state import pending_events
from pipeline.tracking.store import URI_VARIABLE
from pipeline.tracking.sync import deliver_left

_POLL_SECONDS = 5.0
"""A delivery costs the store's server, which may be on this machine, the same for many points."""
_DEAF_POLL_SECONDS = 0.5
"""The same where nobody can wake the sender."""
_FIRST_PAUSE_SECONDS = 0.5
_LONGEST_PAUSE_SECONDS = 15.0
_ORPHAN_SECONDS = 60.0
"""How long a sender keeps trying after its training process has ended without waiting for it."""
_LONGEST_SILENCE_SECONDS = 1800.0
"""How long a sender whose training process has ended may take over one upload."""
_LOCK_LOOK_SECONDS = 1.0


class _Alarm:
    """Sleeps, until a line arrives on standard input at the latest."""

    def __init__(self) -> None:
        self._open = True

    @property
    def pause(self) -> float:
        """How long to sleep where all is well."""
        return _POLL_SECONDS if self._open else _DEAF_POLL_SECONDS

    def wait(self, seconds: float) -> None:
        if not self._open:
            time.sleep(seconds)
        elif select.select([0], [], [], seconds)[0] and not os.read(0, 4096):
            self._open = False


class _Follower:
    """Delivers the journals of a run and of those nested in it.

    Args:
        directory: The run's journal, whose lock is held.
        uri: The store's address.
        root: Where the artifacts of a store without a server lie.
    """

    def __init__(self, directory: Path, uri: str, root: Path) -> None:
        self._directory = directory
        self._uri = uri
        self._root = root
        self._deliveries: dict[Path, Delivery] = {}
        self._settled: dict[Path, int] = {}

    def round(self) -> tuple[bool, int]:
        """Delivers what is there.

        Returns:
            Whether somebody still writes, and the most attempts in a row that failed.
        """
        alive, failures = False, 0
        for directory in family(self._directory):
            size = (directory / FILE_NAME).stat().st_size
            if self._settled.get(directory) == size:
                continue
            writing = has_writer(directory)
            alive = alive or writing
            delivery = self._deliveries.get(directory)
            if delivery is None:
                delivery = Delivery(directory, self._uri, self._root)
                self._deliveries[directory] = delivery
            failed = self._deliver(directory, delivery, writing=writing)
            failures = max(failures, failed)
            if not writing and not failed:
                self._settled[directory] = (directory / FILE_NAME).stat().st_size
                del self._deliveries[directory]
        return alive, failures

    def _deliver(self, directory: Path, delivery: Delivery, *, writing: bool) -> int:
        """Delivers one journal; returns how many attempts have failed in a row."""
        lock = journal_lock(directory)
        try:
            if directory != self._directory:
                lock.acquire(timeout=0)
            if not writing:
                finish_dead_run(directory)
            delivery.drain()
        except Exception as error:
            return delivery.note(error)
        finally:
            lock.release()
        return 0


def follow(directory: Path, uri: str, root: Path) -> bool:
    """Delivers a journal, whose lock is held, and those nested in it, until all are complete.

    Returns:
        Whether all are; otherwise the store did not take them for a minute.
    """
    alarm = _Alarm()
    follower = _Follower(directory, uri, root)
    last_alive = time.monotonic()
    while True:
        alive, failures = follower.round()
        if alive:
            last_alive = time.monotonic()
        elif not failures:
            return True
        if time.monotonic() - last_alive > _ORPHAN_SECONDS:
            return False
        backoff = min(_FIRST_PAUSE_SECONDS * 2.0 ** min(failures, 8), _LONGEST_PAUSE_SECONDS)
        alarm.wait(backoff if failures else alarm.pause)


def _end_when_stuck(directory: Path, store: str) -> None:
    """Ends this process, once nobody writes, where the store takes nothing for half an hour."""
    before, since = -1, time.monotonic()
    while True:
        time.sleep(_ORPHAN_SECONDS)
        waiting = sum(pending_events(journal, store) for journal in family(directory))
        if waiting != before or any(has_writer(journal) for journal in family(directory)):
            before, since = waiting, time.monotonic()
        elif time.monotonic() - since > _LONGEST_SILENCE_SECONDS:
            os._exit(1)


def _acquire(lock: FileLock, directory: Path) -> bool:
    """Waits until no other process delivers the journal; false if nobody writes it any more."""
    while True:
        with contextlib.suppress(Timeout):
            lock.acquire(timeout=_LOCK_LOOK_SECONDS)
            return True
        if not has_writer(directory):
            return False


def main() -> None:
    """Runs as `python -m pipeline.tracking.follow JOURNAL_DIRECTORY ROOT`."""
    directory, root = Path(sys.argv[1]), Path(sys.argv[2])
    uri = os.environ[URI_VARIABLE]
    lock = journal_lock(directory)
    if not _acquire(lock, directory):
        return
    watch = (directory, Redactor().text(uri))
    threading.Thread(target=_end_when_stuck, args=watch, daemon=True).start()
    complete = follow(directory, uri, root)
    lock.release()
    if complete:
        take_idle_time_only(os.getpid())
        deliver_left(root, uri)


if __name__ == "__main__":
    main()
