"""Trains in processes of their own, which can be killed at a chosen step."""

from __future__ import annotations

import multiprocessing
import os
from multiprocessing.context import ForkServerContext
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from pipeline.artifacts import Outputs
from pipeline.config.schema import Config
from pipeline.errors import PipelineError
from tests.journals import no_senders
from tests.mlflow_server import free_port

_PRELOADED = [
    "pipeline.training.module",
    "pipeline.training.session",
    "pipeline.models.lstm",
    "pipeline.stages.train",
    "tests.training_project",
]


def context() -> ForkServerContext:
    """Processes that find the heavy libraries imported."""
    made = multiprocessing.get_context("forkserver")
    made.set_forkserver_preload(_PRELOADED)
    return made


def train_together(config: Config, root: Path, **events: int) -> list[int]:
    """Runs stage train in two processes that share the data; see `train`.

    Returns:
        The exit code of each.
    """
    port = free_port()
    meeting = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "WORLD_SIZE": "2"}
    processes = [
        context().Process(
            target=_train,
            args=(config, root, events, {**meeting, "LOCAL_RANK": str(rank), "NODE_RANK": "0"}),
        )
        for rank in range(2)
    ]
    for process in processes:
        process.start()
    return [_wait(process) for process in processes]


def train(config: Config, root: Path, **events: int) -> int:
    """Runs stage train in a process and waits for its end.

    Args:
        config: The configuration.
        root: The project's root.
        **events: Signals that the process sends itself, `step=number`, for example `s7=SIGKILL`.

    Returns:
        The exit code, negative for a signal that killed it.
    """
    process = context().Process(target=_train, args=(config, root, events, {}))
    process.start()
    return _wait(process)


def train_without_sender(config: Config, root: Path, **events: int) -> int:
    """Does the same; tracked runs stay in their journals."""
    process = context().Process(target=_train_without_sender, args=(config, root, events))
    process.start()
    return _wait(process)


def _wait(process: BaseProcess) -> int:
    process.join(120)
    if process.exitcode is None:
        process.kill()
        raise AssertionError("training takes too long")
    return process.exitcode


def _train_without_sender(config: Config, root: Path, events: dict[str, int]) -> None:
    with no_senders():
        _train(config, root, events, {})


def _train(config: Config, root: Path, events: dict[str, int], environment: dict[str, str]) -> None:
    os.environ.update(environment)
    import torch

    from pipeline.stages.train import run
    from pipeline.training.recorder import Recorder

    torch.set_num_threads(1)
    original = Recorder.add

    def add(self: Recorder, step: Any) -> bool:
        number = events.get(f"s{step.number}")
        if number is not None:
            os.kill(os.getpid(), number)
        return original(self, step)

    Recorder.add = add  # type: ignore[method-assign]
    try:
        run(config, root=root, outputs=Outputs(root / "outputs"))
    except PipelineError as error:
        print(error)
        raise SystemExit(error.exit_code) from None
