"""Processes that share a study, and may be killed."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.context import ForkServerContext
from pathlib import Path

import pytest

from tests.mlflow_server import free_port

_PRELOADED = [
    "alembic.command",
    "optuna",
    "optuna.storages._rdb.models",
    "pipeline.sweep.study.samplers",
    "pipeline.sweep.study.seeded",
    "pipeline.sweep.study.storage",
    "sqlalchemy.dialects.postgresql",
]
_PROXY = """
import sys
from optuna.storages import get_storage, run_grpc_proxy_server
run_grpc_proxy_server(get_storage(sys.argv[1]), host="127.0.0.1", port=int(sys.argv[2]))
"""


@contextmanager
def grpc_proxy(directory: Path) -> Iterator[str]:
    """The URL of a proxy before a SQLite database in a directory; skips without grpcio."""
    pytest.importorskip("grpc", reason="grpcio is not installed")
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", _PROXY, f"sqlite:///{directory}/s.db", str(port)],
        stderr=subprocess.DEVNULL,
    )
    try:
        yield f"grpc://127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait()


def context() -> ForkServerContext:
    """Processes that find the heavy libraries imported."""
    made = multiprocessing.get_context("forkserver")
    made.set_forkserver_preload(_PRELOADED)
    return made


def run_together(url: str | None, journal: Path, *, processes: int, trials: int) -> list[int]:
    """Lets processes ask and tell a fixed number of trials of one new study.

    Returns:
        The trial numbers that each process told, one after the other.
    """
    shares = [len(range(number, trials, processes)) for number in range(processes)]
    directory = journal.parent / "told"
    directory.mkdir(parents=True)
    ready = context().Barrier(processes)
    started = [
        context().Process(target=_work, args=(url, journal, share, ready, directory / f"{n}.json"))
        for n, share in enumerate(shares)
    ]
    for process in started:
        process.start()
    end = time.monotonic() + 150
    for process in started:
        process.join(max(0.0, end - time.monotonic()))
    exits = [process.exitcode for process in started]
    for process in started:
        process.kill()
    assert exits == [0] * processes
    return [number for path in directory.iterdir() for number in json.loads(path.read_text())]


def _work(url: str | None, journal: Path, share: int, ready: threading.Barrier, told: Path) -> None:
    from pipeline.sweep.definition.parameters import FloatParameter
    from pipeline.sweep.definition.settings import SamplerSettings
    from pipeline.sweep.study.samplers import make_sampler
    from pipeline.sweep.study.space import suggest
    from pipeline.sweep.study.storage import load_or_create, open_storage

    space = {"x": FloatParameter(type="float", low=-1.0, high=1.0)}
    ready.wait(120)
    study = load_or_create(open_storage(url, journal), "shared", ["minimize"])
    study.sampler = make_sampler(
        SamplerSettings(kind="random"), space, conditional=False, num_objectives=1
    )
    numbers = []
    for _ in range(share):
        trial = study.ask()
        values = suggest(trial, space)
        trial.set_user_attr("process", os.getpid())
        study.tell(trial, values["x"] ** 2)
        numbers.append(trial.number)
    told.write_text(json.dumps(numbers))


def hold_and_die(journal: Path) -> int:
    """A process takes the journal's lock, writes half a line and is killed.

    Returns:
        Its exit code.
    """
    process = context().Process(target=_hold, args=(journal,))
    process.start()
    process.join(60)
    assert process.exitcode is not None
    return process.exitcode


def _hold(journal: Path) -> None:
    from pipeline.sweep.study.journal_lock import JournalLock

    JournalLock(journal).acquire()
    with journal.open("ab") as file:
        file.write(b'{"op_code":4,"worker_id":"')
    os.kill(os.getpid(), signal.SIGKILL)
