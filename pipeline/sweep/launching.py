"""Chooses what starts the workers."""

from __future__ import annotations

from pathlib import Path

from pipeline.sweep.crew import Launcher
from pipeline.sweep.layout import StudyLayout
from pipeline.sweep.settings import SweepSettings


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
        from pipeline.sweep.on_ray import RayLauncher

        return RayLauncher(settings.ray, root, threads=threads)
    from pipeline.sweep.local import LocalLauncher, visible_gpus

    return LocalLauncher(root, layout.root / "workers", threads=threads, gpus=visible_gpus())
