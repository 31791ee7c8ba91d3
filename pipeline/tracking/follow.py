"""The sender process: follows one journal and delivers it, at low priority.

It ends when the journal is delivered and nobody writes it any more. A run whose process died
without a word is ended as KILLED.
"""

from __future__ import annotations

import os
import select
import sys
import time
from pathlib import Path

from filelock import Timeout

from pipeline.tracking.delivery import Delivery, journal_lock
from pipeline.tracking.journal import finish_dead_run, has_writer
from pipeline.tracking.store import URI_VARIABLE

_POLL_SECONDS = 0.5
_LONGEST_PAUSE_SECONDS = 15.0
_ORPHAN_SECONDS = 60.0
"""How long a sender keeps trying after its training process has ended without waiting for it."""


class _Alarm:
    """Sleeps, until a line arrives on standard input at the latest."""

    def __init__(self) -> None:
        self._open = True

    def wait(self, seconds: float) -> None:
        if not self._open:
            time.sleep(seconds)
        elif select.select([0], [], [], seconds)[0] and not os.read(0, 4096):
            self._open = False


def follow(directory: Path, uri: str, root: Path) -> None:
    """Delivers a journal, whose lock is held, until it is complete and its writer has gone."""
    alarm = _Alarm()
    delivery = Delivery(directory, uri, root)
    last_alive = time.monotonic()
    while True:
        alive = has_writer(directory)
        if alive:
            last_alive = time.monotonic()
        pause = _POLL_SECONDS
        try:
            if not alive:
                finish_dead_run(directory)
            delivery.drain()
        except Exception as error:
            failures = delivery.note(error)
            pause = min(_POLL_SECONDS * 2.0 ** min(failures, 8), _LONGEST_PAUSE_SECONDS)
        else:
            if not alive:
                return
        if time.monotonic() - last_alive > _ORPHAN_SECONDS:
            return
        alarm.wait(pause)


def main() -> None:
    """Runs as `python -m pipeline.tracking.follow JOURNAL_DIRECTORY ROOT`."""
    os.nice(10)
    directory, root = Path(sys.argv[1]), Path(sys.argv[2])
    lock = journal_lock(directory)
    while not lock.is_locked:
        try:
            lock.acquire(timeout=_ORPHAN_SECONDS)
        except Timeout:
            if not has_writer(directory):
                return
    follow(directory, os.environ[URI_VARIABLE], root)


if __name__ == "__main__":
    main()
