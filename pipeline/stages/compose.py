"""Stage compose: `conf/` and `params.yaml` become one resolved, checked file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pipeline.artifacts import Outputs
from pipeline.config.compose import compose, save_config, to_yaml
from pipeline.config.schema import Config
from pipeline.console import notice
from pipeline.tasks.registry import load_task, primary_metric


def compose_checked(overrides: Sequence[str], root: Path) -> Config:
    """Composes and also lets the task check its own options, which the schema cannot know."""
    config = compose(overrides, root)
    task = load_task(config.task.kind, config.task.options)
    primary_metric(task, config.task.primary_metric)
    return config


def run_compose(overrides: Sequence[str], *, root: Path, outputs: Outputs, show: bool) -> None:
    """Writes `outputs/config.yaml`, or prints it with `show`.

    Overrides without `show` would pin what no file says, so the composition is then only printed.

    Raises:
        ConfigError: With every problem found; the old file stays.
    """
    config = compose_checked(overrides, root)
    if show or overrides:
        print(to_yaml(config), end="")
        return
    save_config(config, outputs.config)
    notice(
        f"composed {config.experiment}: data {config.data.name}, task {config.task.name}, "
        f"model {config.model.name}"
    )
