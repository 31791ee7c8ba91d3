"""What a trial may be judged by: the task's validation metrics, its loss, and costs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from pipeline.errors import ConfigError, Problem, did_you_mean
from pipeline.sweep.definition.settings import Direction, SweepSettings
from pipeline.tasks.base import MetricSpec


class Cost(NamedTuple):
    """A figure that every trial produces beside the task's metrics."""

    direction: Direction
    unit: str
    meaning: str


COSTS = {
    "loss": Cost("minimize", "", "mean validation loss of the kept weights"),
    "latency_ms": Cost("minimize", "ms", "median time of one validation text of typical length"),
    "size_mb": Cost("minimize", "MB", "size of the weights in float32"),
    "num_parameters": Cost("minimize", "", "weights of the model"),
    "num_trainable_parameters": Cost("minimize", "", "weights that are trained"),
    "train_seconds": Cost("minimize", "s", "time in training steps"),
    "tokens_per_second": Cost("maximize", "", "training tokens a second, padding not counted"),
}
"""By name. `latency_ms` is measured only where an objective or a constraint needs it."""


def resolve_objectives(
    settings: SweepSettings,
    primary: MetricSpec,
    specs: Sequence[MetricSpec],
    source: str,
) -> tuple[tuple[str, Direction], ...]:
    """Metric and direction of each objective.

    Args:
        settings: The sweep's settings.
        primary: What is optimised where the settings name nothing.
        specs: The task's metrics.
        source: The sweep's file, for messages.

    Raises:
        ConfigError: With every metric that no stage produces.
    """
    known: dict[str, Direction] = {name: cost.direction for name, cost in COSTS.items()}
    for spec in (*specs, primary):
        known[spec.name] = "maximize" if spec.higher_is_better else "minimize"
    wanted = [(f"objectives.{n}", entry.metric) for n, entry in enumerate(settings.objectives)]
    wanted += [(f"constraints.{n}", entry.metric) for n, entry in enumerate(settings.constraints)]
    problems = [
        Problem(
            f"{key}.metric",
            f"no stage produces a validation metric {metric!r}",
            source,
            did_you_mean(metric.removeprefix("val/"), known),
        )
        for key, metric in wanted
        if metric not in known
    ]
    if problems:
        raise ConfigError(problems)
    if not settings.objectives:
        return ((primary.name, known[primary.name]),)
    return tuple(
        (objective.metric, objective.direction or known[objective.metric])
        for objective in settings.objectives
    )
