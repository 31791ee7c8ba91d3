"""Runs stages with the code of a worktree, each in a process of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType

from pipeline.console import err, notice
from pipeline.errors import EnvironmentProblem
from pipeline.reports.words import duration

_TAIL_LINES = 20
_GRACE_SECONDS = 10.0
_NOT_INHERITED = ("DVC_", "MLFLOW_", "GIT_")
"""Variables that would lead a stage out of its worktree."""


class Stages:
    """Runs `python -m pipeline <stage>` in a project, one after the other.

    Args:
        project: The project's root, whose own code runs.
        log: The file that gets all output; begun anew.
        total: How many stages there will be, for what is said.
        threads: Threads of numeric libraries; None leaves them as they are here.
    """

    def __init__(self, project: Path, log: Path, *, total: int, threads: str | None) -> None:
        self._project = project
        self._log = log
        self._total = total
        self._done = 0
        self._environment = _environment(project, threads)
        log.parent.mkdir(parents=True, exist_ok=True)
        log.write_bytes(b"")

    def run(self, stage: str) -> None:
        """Runs a stage to its end and says how long it took.

        Raises:
            EnvironmentProblem: If it fails; with the end of what it said.
        """
        self._done += 1
        began = time.monotonic()
        position = f"{self._done}/{self._total} {stage}"
        with err.status(f"{position} …"), self._log.open("ab") as output:
            start = output.tell()
            process = subprocess.Popen(  # noqa: S603 - this interpreter
                [sys.executable, "-m", "pipeline", stage],
                cwd=self._project,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            try:
                code = process.wait()
            except BaseException:
                _end(process)
                raise
        if code:
            raise EnvironmentProblem(
                f"the stage {stage} failed in the worktree (exit code {code}); its last words:\n"
                f"{self._tail(start)}",
                remedy=f"the whole output is in {self._log}",
            )
        notice(f"{position}: {duration(time.monotonic() - began)}")

    def _tail(self, start: int) -> str:
        text = self._log.read_bytes()[start:].decode("utf-8", "replace")
        return "\n".join(f"  | {line}" for line in text.splitlines()[-_TAIL_LINES:])


@contextmanager
def ending_gently(clean_up: Callable[[], None]) -> Iterator[None]:
    """Lets SIGTERM and a closed terminal end a block as Ctrl-C does, and then cleans up.

    Args:
        clean_up: Called after an interruption, while no second one can disturb it.
    """

    def interrupt(number: int, _: FrameType | None) -> None:
        raise KeyboardInterrupt(f"stopped by {signal.Signals(number).name}")

    former = {
        number: signal.signal(number, interrupt) for number in (signal.SIGTERM, signal.SIGHUP)
    }
    former[signal.SIGINT] = signal.getsignal(signal.SIGINT)
    try:
        yield
    except KeyboardInterrupt:
        for number in former:
            signal.signal(number, signal.SIG_IGN)
        clean_up()
        raise
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)


def _environment(project: Path, threads: str | None) -> Mapping[str, str]:
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(_NOT_INHERITED)
    }
    paths = [str(project), *filter(None, [kept.get("PYTHONPATH")])]
    kept["PYTHONPATH"] = os.pathsep.join(paths)
    if threads is not None and threads.isdigit():
        kept["OMP_NUM_THREADS"] = threads
    return kept


def _end(process: subprocess.Popen[bytes]) -> None:
    """Ends a stage and what it has started: nothing of it is needed any more."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            process.wait(_GRACE_SECONDS)
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
