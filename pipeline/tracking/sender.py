"""The background sender: a process of its own that follows one journal and delivers it.

A process, not a thread: importing MLflow (more than a second of work) and writing to its store then
never hold Python's lock in the training process, no lock is held when a data worker is forked, and
what a killed training had logged is still delivered. It runs at low priority, and ends when the
journal is delivered and nobody writes it any more.
"""

from __future__ import annotations

import os
import select
import subprocess
import sys
import time
from pathlib import Path

from filelock import Timeout

from pipeline.tracking.delivery import Delivery, journal_lock
from pipeline.tracking.faults import explain
from pipeline.tracking.journal import has_writer
from pipeline.tracking.secrets import Redactor
from pipeline.tracking.store import URI_VARIABLE

_POLL_SECONDS = 0.5
_LONGEST_PAUSE_SECONDS = 15.0
_ORPHAN_SECONDS = 60.0
"""How long a sender keeps trying after its training process has ended without waiting for it."""


def start(directory: Path, uri: str, root: Path) -> subprocess.Popen[bytes]:
    """Starts a sender for a journal.

    A line written to its standard input wakes it up. The store's address, which may hold a
    password, travels in the environment, where other users cannot read it.

    Raises:
        OSError: If no process can be started.
    """
    package = Path(__file__).resolve().parent.parent.parent
    environment = {name: v for name, v in os.environ.items() if name != "PYTEST_CURRENT_TEST"}
    environment[URI_VARIABLE] = uri
    environment["PYTHONPATH"] = os.pathsep.join(
        filter(None, (str(package), os.environ.get("PYTHONPATH")))
    )
    return subprocess.Popen(  # noqa: S603 - the arguments are our own
        [sys.executable, "-P", "-m", "pipeline.tracking.sender", str(directory), str(root)],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd=root,
        env=environment,
        start_new_session=True,
    )


class _Alarm:
    """Sleeps until a line arrives on standard input."""

    def __init__(self) -> None:
        self._open = True

    def wait(self, seconds: float) -> None:
        if not self._open:
            time.sleep(seconds)
        elif select.select([0], [], [], seconds)[0] and not os.read(0, 4096):
            self._open = False


def follow(directory: Path, uri: str, root: Path) -> None:
    """Delivers a journal until it is complete and its writer has gone."""
    alarm = _Alarm()
    delivery = Delivery(directory, uri, root)
    orphan_since: float | None = None
    while True:
        alive = has_writer(directory)
        pause = _POLL_SECONDS
        try:
            delivery.drain()
            if not alive:
                delivery.close_dead_run()
                return
        except Exception as error:
            pause = _note(delivery, error, uri)
        if not alive:
            orphan_since = orphan_since or time.monotonic()
            if time.monotonic() - orphan_since > _ORPHAN_SECONDS:
                return
        alarm.wait(pause)


def _note(delivery: Delivery, error: Exception, uri: str) -> float:
    """Records a failed attempt; returns the pause before the next in seconds."""
    redactor = Redactor()
    fault = explain(error, redactor.text(uri))
    state = delivery.state
    state.attempts += 1
    state.error, state.remedy = redactor.text(fault.message), fault.remedy
    try:
        state.write(delivery.directory)
    except OSError:
        return _LONGEST_PAUSE_SECONDS
    return min(_POLL_SECONDS * 2.0 ** min(state.attempts, 10), _LONGEST_PAUSE_SECONDS)


def main() -> None:
    """Runs as `python -m pipeline.tracking.sender JOURNAL_DIRECTORY ROOT`."""
    os.nice(10)
    directory, root = Path(sys.argv[1]), Path(sys.argv[2])
    try:
        with journal_lock(directory).acquire(timeout=_ORPHAN_SECONDS):
            follow(directory, os.environ[URI_VARIABLE], root)
    except Timeout:
        return


if __name__ == "__main__":
    main()
