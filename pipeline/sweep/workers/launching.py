"""What starts workers, and which of those a sweep uses."""

from __future__ import annotations

from multiprocessing.connection import Listener
from pathlib import Path
from typing import Protocol

from pipeline.sweep.definition.settings import SweepSettings
from pipeline.sweep.layout import StudyLayout
from pipeline.sweep.workers.worker import Address


class Launched(Protocol):
    """A worker that a launcher has started."""

    def death(self) -> str | None:
        """How it ended, in words; None while it lives."""
        ...

    def kill(self) -> None:
        """Ends it at once."""
        ...


class Launcher(Protocol):
    """Starts workers somewhere."""

    def listener(self) -> Listener:
        """Where workers connect to; whether they know the key is not its matter."""
        ...

    def start(self, address: Address, index: int, key: bytes) -> Launched:
        """Starts a worker that connects to the address."""
        ...

    def close(self) -> None:
        """Gives back what it holds."""
        ...


def make_launcher(
    settings: SweepSettings, layout: StudyLayout, *, threads: int, root: Path
) -> Launcher:
    """Makes the launcher that the settings name.

    Args:
        settings: The sweep's settings.
        layout: The study's directory.
        threads: CPU threads of each worker.
        root: The project's root.

    Raises:
        EnvironmentProblem: If Ray is wanted and not installed, or its cluster cannot be reached.
    """
    if settings.launcher == "ray":
        from pipeline.sweep.workers.on_ray import RayLauncher

        return RayLauncher(settings.ray, root, threads=threads)
    from pipeline.sweep.workers.local import LocalLauncher, visible_gpus

    return LocalLauncher(root, layout.root / "workers", threads=threads, gpus=visible_gpus())
