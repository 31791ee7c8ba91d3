"""The sender process as seen from the one that started it."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from pathlib import Path
from typing import Literal

from pipeline.tracking.store import URI_VARIABLE

Urgency = Literal["idle", "now"]
_ONE_THREAD = dict.fromkeys(
    ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS"), "1"
)
_left: list[subprocess.Popen[bytes]] = []
"""Processes that outlive their run: kept, so that Python does not complain of them."""


class SenderProcess:
    """Runs `python -m pipeline.tracking.follow`.

    It is out of Ctrl-C's reach. Linux shares the processor evenly between sessions, whatever the
    priorities within them: an idle one has a process group of its own but no session, one that is
    waited for has a session. The store's address, which may hold a password, travels in the
    environment, which other users cannot read.

    Args:
        urgency: "idle" takes only processor time that nobody else wants.
        directory: The journal's directory.
        uri: The store's address.
        root: The directory of `mlflow.db` and `mlruns/`.

    Raises:
        OSError: If the system has no process for it.
    """

    def __init__(self, urgency: Urgency, directory: Path, uri: str, root: Path) -> None:
        package = Path(__file__).resolve().parent.parent.parent
        environment = {**os.environ, **_ONE_THREAD, URI_VARIABLE: uri}
        environment.pop("PYTEST_CURRENT_TEST", None)
        search = [str(package), environment.get("PYTHONPATH", "")]
        environment["PYTHONPATH"] = os.pathsep.join(filter(None, search))
        arguments = ["-P", "-m", "pipeline.tracking.follow", str(directory), str(root)]
        self._process = subprocess.Popen(  # noqa: S603 - the arguments are our own
            [sys.executable, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=root,
            env=environment,
            process_group=0 if urgency == "idle" else None,
            start_new_session=urgency == "now",
        )
        if urgency == "idle":
            take_idle_time_only(self._process.pid)

    @property
    def alive(self) -> bool:
        """Whether it runs."""
        return self._process.poll() is None

    def wake(self) -> None:
        """Makes it look at the journal now, not only when its pause is over."""
        if self._process.stdin is not None:
            with contextlib.suppress(OSError):
                self._process.stdin.write(b"\n")
                self._process.stdin.flush()

    def starved_seconds(self) -> float:
        """How long it has waited for a processor in all; 0 where the system does not count it."""
        try:
            counts = Path(f"/proc/{self._process.pid}/schedstat").read_text(encoding="ascii")
            return int(counts.split()[1]) / 1e9
        except (OSError, IndexError, ValueError):
            return 0.0

    def leave(self) -> None:
        """Lets it go on by itself."""
        self._let_go()
        _left.append(self._process)

    def end(self, seconds: float) -> None:
        """Waits for its end, and kills it where that does not come in so many seconds."""
        self._let_go()
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _let_go(self) -> None:
        self.wake()
        if self._process.stdin is not None:
            with contextlib.suppress(OSError):
                self._process.stdin.close()


def take_idle_time_only(pid: int) -> None:
    """Lets a process have the processor, and the disk, only where nobody else wants them.

    Where the system has no such class of processes, the lowest priority has to do.
    """
    with contextlib.suppress(AttributeError, OSError):
        os.setpriority(os.PRIO_PROCESS, pid, 19)
        os.sched_setscheduler(pid, os.SCHED_IDLE, os.sched_param(0))
