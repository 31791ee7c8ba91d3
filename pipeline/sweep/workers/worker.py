"""A worker: a process that does jobs for the driver, one after the other.

torch and the code that trains are imported once, before the first job. Started as
`python -m pipeline.sweep.workers.worker ADDRESS INDEX ROOT`, or by Ray.
"""

from __future__ import annotations

import gc
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Client
from pathlib import Path
from types import FrameType

from pipeline.sweep.layout import JobLayout
from pipeline.sweep.workers.jobs import Job
from pipeline.sweep.workers.link import Line

KEY_VARIABLE = "PIPELINE_SWEEP_KEY"
"""The environment variable that holds the secret of the connection, in hex."""

Address = str | tuple[str, int]


class Stopped(BaseException):
    """SIGTERM outside training: the process ends, cleaning up on the way."""


def work(address: Address, index: int, root: Path, key: bytes) -> None:
    """Does jobs until the driver has no more, stops the worker, or is gone.

    Args:
        address: Where the driver listens: a socket's path, or host and port.
        index: The worker's number.
        root: The project's root.
        key: The secret of the connection.
    """
    former = signal.signal(signal.SIGTERM, _stop)
    try:
        with Client(address, authkey=key) as connection:
            line = Line(connection)
            try:
                _do_jobs(line, index, root)
                signal.signal(signal.SIGTERM, signal.SIG_IGN)
            except Stopped:
                pass
            finally:
                line.close()
    finally:
        signal.signal(signal.SIGTERM, former)


def _do_jobs(line: Line, index: int, root: Path) -> None:
    from pipeline.sweep.workers.trial import provenance, run_job
    from pipeline.training.signals import Interrupted

    _import_heavy_libraries()
    provenance(root)
    line.send(ready={"worker": index, "pid": os.getpid()})
    while (message := line.next_job()) is not None:
        job = Job.model_validate(message, strict=False)
        with _output_to(JobLayout(Path(job.directory)).log):
            try:
                result = run_job(job, root=root, line=line)
            except Interrupted:
                return
        line.send(ended=result.model_dump(mode="json"))
        if result.unexpected:
            return


def _import_heavy_libraries() -> None:
    import pipeline.models.lstm
    import pipeline.training.display
    import pipeline.training.module
    import pipeline.training.session  # noqa: F401

    gc.collect()
    gc.freeze()  # modules and classes stay: no collection has to look at them again


def _stop(_number: int, _frame: FrameType | None) -> None:
    raise Stopped


@contextmanager
def _output_to(path: Path) -> Iterator[None]:
    """Sends what the process prints, libraries in C included, to a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    sys.stdout.flush()
    sys.stderr.flush()
    kept = os.dup(1), os.dup(2)
    with path.open("ab") as stream:
        os.dup2(stream.fileno(), 1)
        os.dup2(stream.fileno(), 2)
    try:
        yield
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        for saved, descriptor in zip(kept, (1, 2), strict=True):
            os.dup2(saved, descriptor)
            os.close(saved)


def main() -> None:
    """Runs the worker that the local launcher starts."""
    address, index, root = sys.argv[1:4]
    work(address, int(index), Path(root), bytes.fromhex(os.environ.pop(KEY_VARIABLE)))


if __name__ == "__main__":
    main()
