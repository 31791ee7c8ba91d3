"""Opens the tracked runs of a sweep, all in one MLflow experiment and under names of its own."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from pipeline.artifacts import lasting_root
from pipeline.config.schema import TrackingConfig
from pipeline.tracking.log import RunLog
from pipeline.tracking.run import open_run


def open_sweep_run(
    tracking: TrackingConfig,
    *,
    root: Path,
    key: str,
    experiment: str,
    run_name: str,
    tags: Mapping[str, str],
    parent: str | None = None,
    system_metrics: bool = False,
) -> RunLog:
    """Opens a run, or continues it, whatever experiment and name the config gives single runs.

    Args:
        tracking: The section of the config.
        root: The project's root.
        key: The run's key.
        experiment: The study's MLflow experiment.
        run_name: The run's name.
        tags: Tags to set.
        parent: Key of the run it is nested in; None for the sweep's own.
        system_metrics: Whether the machine's use is sampled.
    """
    return open_run(
        tracking.model_copy(update={"experiment": None, "run_name": None}),
        root=lasting_root(root),
        key=key,
        experiment=experiment,
        run_name=run_name,
        tags=tags,
        parent=parent,
        system_metrics=system_metrics,
    )
