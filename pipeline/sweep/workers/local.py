"""Workers as processes of this machine, each with its share of the cores, or its own GPU."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from multiprocessing.connection import Listener
from pathlib import Path

from pipeline.artifacts import cannot_write, content_hash
from pipeline.provenance import machine
from pipeline.sweep.workers.worker import KEY_VARIABLE, Address

_THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
"""Read when numeric libraries are loaded; threads beyond a worker's share wait for each other."""


class LocalWorker:
    """A worker's process.

    Args:
        process: The process.
        log: What it prints outside jobs.
    """

    def __init__(self, process: subprocess.Popen[bytes], log: Path) -> None:
        self._process = process
        self._log = log

    def death(self) -> str | None:
        """How it ended; None while it lives."""
        code = self._process.poll()
        if code is None:
            return None
        if code < 0:
            name = signal.Signals(-code).name
            memory = "; memory may not have sufficed" if code == -signal.SIGKILL else ""
            return f"its worker was killed by {name}{memory}"
        return f"its worker ended with exit code {code} (see {self._log})"

    def kill(self) -> None:
        """Ends it at once."""
        with contextlib.suppress(OSError):
            self._process.kill()
        self._process.wait()


class LocalLauncher:
    """Starts workers as processes in sessions of their own, so that Ctrl-C reaches the driver only.

    Args:
        root: The project's root.
        logs: The directory for what workers print outside jobs. A launcher of the same directory
            that was killed left its socket, which is removed.
        threads: CPU threads of each worker.
        gpus: GPUs that may be used; workers share them evenly. Empty for none.
    """

    def __init__(self, root: Path, logs: Path, *, threads: int, gpus: tuple[str, ...]) -> None:
        self._root = root
        self._logs = logs
        self._threads = threads
        self._gpus = gpus
        name = f"sweep-{os.getuid()}-{content_hash(str(logs.resolve()))[:16]}"
        self._folder = Path(tempfile.gettempdir()) / name  # below runs/, its name may be too long
        shutil.rmtree(self._folder, ignore_errors=True)
        self._folder.mkdir(mode=0o700)

    def listener(self) -> Listener:
        """A socket in a directory that only this user can read."""
        return Listener(str(self._folder / "driver"), family="AF_UNIX")

    def start(self, address: Address, index: int, key: bytes) -> LocalWorker:
        """Starts a worker.

        Raises:
            EnvironmentProblem: If its log cannot be written.
        """
        environment = dict(os.environ)
        for name in _THREAD_VARIABLES:
            environment[name] = str(self._threads)
        if self._gpus:
            environment["CUDA_VISIBLE_DEVICES"] = self._gpus[index % len(self._gpus)]
        environment[KEY_VARIABLE] = key.hex()
        package = str(Path(__file__).resolve().parents[3])
        search = (package, environment.get("PYTHONPATH", ""))
        environment["PYTHONPATH"] = os.pathsep.join(filter(None, search))
        log = self._logs / f"worker-{index}.log"
        command = (sys.executable, "-m", "pipeline.sweep.workers.worker")
        try:
            self._logs.mkdir(parents=True, exist_ok=True)
            with log.open("ab") as stream:
                process = subprocess.Popen(  # noqa: S603 - the arguments are our own
                    [*command, str(address), str(index), str(self._root)],
                    stdin=subprocess.DEVNULL,
                    stdout=stream,
                    stderr=stream,
                    cwd=self._root,
                    env=environment,
                    start_new_session=True,
                )
        except OSError as error:
            raise cannot_write(log, error) from error
        return LocalWorker(process, log)

    def close(self) -> None:
        """Removes the socket's directory."""
        shutil.rmtree(self._folder, ignore_errors=True)


def visible_gpus() -> tuple[str, ...]:
    """The GPUs this process may use, as `CUDA_VISIBLE_DEVICES` names them."""
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    if named is not None:
        return tuple(filter(None, named.split(",")))
    return tuple(str(index) for index in range(len(machine().gpus)))
