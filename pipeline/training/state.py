"""Training state on disk, from which an interrupted run goes on as if nothing had happened."""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Any

from pipeline.artifacts import cannot_write, file_sha256, write_text
from pipeline.console import warn
from pipeline.errors import EnvironmentProblem
from pipeline.training.progress import Progress

if TYPE_CHECKING:
    from torch import Tensor

_KEPT = 2
_DIGEST_DIGITS = 16
_PATTERN = "state-*.pt"

Weights = dict[str, "Tensor"]


@dataclass(frozen=True)
class TrainingState:
    """All that a run needs to go on.

    Attributes:
        progress: How far it has come.
        weights: The model's.
        optimizer: The optimiser's `state_dict`.
        best_weights: Those of the best validation; None before the first.
    """

    progress: Progress
    weights: Weights
    optimizer: dict[str, Any]
    best_weights: Weights | None


class StateStore:
    """The states of one run, in a directory of its own; the last two are kept.

    A state's file name holds a part of the hash of its content, so damage is found when it is read.

    Args:
        directory: `<cache>/training/<key>`, made when the first state is written.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._writer: Thread | None = None
        self._failure: OSError | None = None

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Holds the run, so that no other process trains it at the same time.

        Raises:
            EnvironmentProblem: If another process does, or the directory cannot be written.
        """
        from filelock import FileLock, Timeout

        try:
            self.directory.mkdir(parents=True, exist_ok=True)
            lock = FileLock(self.directory / ".lock")
            lock.acquire(timeout=0)
        except Timeout:
            raise EnvironmentProblem(
                "another process is training exactly this: same data, configuration and code",
                remedy="wait for it, or stop it first; this command then goes on where it stopped",
            ) from None
        except OSError as error:
            raise cannot_write(self.directory, error) from error
        try:
            yield
        finally:
            self.wait()
            lock.release()

    def run_key(self) -> str:
        """The key of the run that the states belong to; a new one if there is none yet."""
        path = self.directory / "run_key"
        try:
            return path.read_text(encoding="utf-8").strip()
        except FileNotFoundError:
            key = uuid.uuid4().hex
            write_text(path, key + "\n")
            return key

    def load(self) -> TrainingState | None:
        """The latest undamaged state; None if there is none."""
        import torch

        for path in self._states():
            try:
                if not path.stem.endswith(file_sha256(path)[:_DIGEST_DIGITS]):
                    raise ValueError("its content does not fit its name")
                content = torch.load(path, map_location="cpu", weights_only=True)
                return TrainingState(
                    Progress.model_validate_json(content["progress"]),
                    content["weights"],
                    content["optimizer"],
                    content["best_weights"],
                )
            except (OSError, ValueError) as error:
                warn(f"the training state {path} is damaged and not used: {error}")
        return None

    def save(self, state: TrainingState, *, wait: bool) -> None:
        """Writes a state as a whole, in the background; one write at a time.

        A write that nobody waits for may fail, with a warning: training itself can still succeed.

        Args:
            state: Its tensors must not change until it is written.
            wait: Whether to return only when it is on the disk.

        Raises:
            EnvironmentProblem: If a write that is waited for fails.
        """
        self.wait()
        self._writer = Thread(target=self._write, args=(state,), name="training-state")
        self._writer.start()
        if wait:
            failure = self._join()
            if failure is not None:
                raise cannot_write(self.directory, failure) from failure

    def wait(self) -> None:
        """Waits for a write that is under way."""
        failure = self._join()
        if failure is not None:
            warn(
                f"the training state cannot be written to {self.directory}: {failure}; "
                "training goes on, but an interruption would lose what was done since the last one"
            )

    def _join(self) -> OSError | None:
        if self._writer is not None:
            self._writer.join()
            self._writer = None
        failure, self._failure = self._failure, None
        return failure

    def remove(self) -> None:
        """Removes all states; the run is complete."""
        self.wait()
        shutil.rmtree(self.directory, ignore_errors=True)

    def _states(self) -> list[Path]:
        """The states, latest first."""
        return sorted(self.directory.glob(_PATTERN), reverse=True)

    def _write(self, state: TrainingState) -> None:
        scratch = self.directory / "state.tmp"
        try:
            self._write_whole(state, scratch)
        except (OSError, RuntimeError) as error:  # torch reports a full disk as RuntimeError
            self._failure = error if isinstance(error, OSError) else OSError(str(error))
            with suppress(OSError):
                scratch.unlink()

    def _write_whole(self, state: TrainingState, scratch: Path) -> None:
        import torch

        content = {
            "progress": state.progress.model_dump_json(),
            "weights": state.weights,
            "optimizer": state.optimizer,
            "best_weights": state.best_weights,
        }
        earlier = self._states()
        number = 1 + (int(earlier[0].stem.split("-")[1]) if earlier else 0)
        with scratch.open("wb") as stream:
            torch.save(content, stream)
            stream.flush()
            os.fsync(stream.fileno())
        digest = file_sha256(scratch)[:_DIGEST_DIGITS]
        scratch.rename(self.directory / f"state-{number:08d}-{digest}.pt")
        _sync_directory(self.directory)
        for path in earlier[_KEPT - 1 :]:
            path.unlink(missing_ok=True)


def snapshot(value: Any) -> Any:
    """Copies tensors to memory of their own, on the CPU, within dictionaries and lists."""
    import torch

    if isinstance(value, torch.Tensor):
        return value.detach().to("cpu", copy=True)
    if isinstance(value, dict):
        return {key: snapshot(entry) for key, entry in value.items()}
    if isinstance(value, list):
        return [snapshot(entry) for entry in value]
    return value


def _sync_directory(directory: Path) -> None:
    """Makes a rename last through a loss of power."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
