"""Finds what is wrong with a sweep before its first trial."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from pipeline.artifacts import content_hash
from pipeline.config.schema import GROUPS, WITHOUT_EFFECT, Config
from pipeline.errors import ConfigError, Problem
from pipeline.stages.compose import compose_checked
from pipeline.sweep.definition.composition import compose_default
from pipeline.sweep.definition.keys import cleaning_problem, key_problems
from pipeline.sweep.definition.loading import Sweep
from pipeline.sweep.definition.metrics import COSTS, resolve_objectives
from pipeline.sweep.definition.parameters import ChoiceParameter
from pipeline.sweep.definition.probing import probe
from pipeline.sweep.definition.settings import Direction, SweepSettings
from pipeline.tasks.base import Task
from pipeline.tasks.registry import load_task, primary_metric


@dataclass(frozen=True)
class Checked:
    """What a sweep that may run is run with.

    Attributes:
        objectives: Metric and direction of each objective.
        default: The configuration that the best trial is compared with.
        threads: CPU threads of each worker.
        warnings: What is worth knowing before it runs, each a sentence or two.
        identity: SHA-256 of all that makes trials comparable.
    """

    objectives: tuple[tuple[str, Direction], ...]
    default: Config
    threads: int
    warnings: tuple[str, ...]
    identity: str


def check_sweep(sweep: Sweep, root: Path) -> Checked:
    """Checks a sweep against the configuration it searches.

    Every searched key must exist, every value at the end of a range and every choice must be part
    of some valid configuration, derived values must evaluate, initial points must be valid, and
    what trials are judged by must be a metric that they produce. Keys that would make trials
    incomparable, or that change no trial, are refused, and so is a pruner
    that could never end a trial. Takes some 20 compositions, at most about a hundred.

    Raises:
        ConfigError: With every problem found; sources are the sweep's file and arguments.
    """
    threads = threads_of(sweep.settings)
    try:
        default = compose_default(sweep, root, threads=threads)
    except ConfigError as error:
        raise ConfigError([*key_problems(sweep, root, None), *error.problems]) from None
    task = load_task(default.task.kind, default.task.options)
    problems = key_problems(sweep, root, task.Options)
    if (problem := cleaning_problem(sweep, default.data)) is not None:
        problems.append(problem)
    problems += _machine_problems(default)
    objectives: tuple[tuple[str, Direction], ...] = ()
    try:
        objectives = _objectives(sweep, task, default)
    except ConfigError as error:
        problems.extend(error.problems)
    faulty = {problem.key for problem in problems}
    found = probe(sweep, root, threads=threads, without=faulty)
    problems.extend(found.problems)
    if problems:
        raise ConfigError(problems)
    return Checked(
        objectives=objectives,
        default=default,
        threads=threads,
        warnings=found.warnings,
        identity=identity_of(sweep, root, objectives),
    )


def _machine_problems(default: Config) -> list[Problem]:
    """A worker is one process with one device, and trials run side by side instead."""
    trainer = default.trainer
    wanted = {"trainer.devices": trainer.devices, "trainer.num_nodes": trainer.num_nodes}
    return [
        Problem(
            key,
            f"a trial runs in one process on one device, got {value}",
            "the configuration that the sweep starts from",
            f"set {key}=1 and give the sweep more `workers`, one for each device",
        )
        for key, value in wanted.items()
        if value not in {"auto", 1}
    ]


def threads_of(settings: SweepSettings) -> int:
    """CPU threads of a worker: as set, or its share of the cores that may be used, at least 1."""
    if settings.threads is not None:
        return settings.threads
    has_affinity = hasattr(os, "sched_getaffinity")
    cores = len(os.sched_getaffinity(0)) if has_affinity else os.cpu_count() or 1
    return max(1, cores // settings.workers)


def _objectives(sweep: Sweep, task: Task, default: Config) -> tuple[tuple[str, Direction], ...]:
    settings = sweep.settings
    primary = primary_metric(task, default.task.primary_metric)
    objectives = resolve_objectives(settings, primary, task.metric_specs, sweep.source)
    problem = _pruner_problem(sweep, objectives[0][0])
    if problem is not None:
        raise ConfigError([problem])
    return objectives


def _pruner_problem(sweep: Sweep, metric: str) -> Problem | None:
    """Refuses a pruner that could never end a trial."""
    settings = sweep.settings
    kind, threshold = settings.pruning.kind, settings.pruning.p_threshold
    if not settings.prunes:
        return None
    if kind != "wilcoxon":
        if metric not in COSTS or metric == "loss":
            return None
        return Problem(
            "pruner",
            f"{kind} compares trials at their validations, but {metric} is known at their end only",
            sweep.source_of("pruner"),
            "write `pruner: none`",
        )
    smallest = 0.5 ** (settings.seeds - 1)
    if smallest < threshold:
        return None
    enough = math.floor(-math.log2(threshold)) + 2
    return Problem(
        "pruner.p_threshold",
        f"wilcoxon needs a p-value below {threshold:g}, but before the last of {settings.seeds} "
        f"seeds none is below {smallest:g}",
        sweep.source_of("pruner.p_threshold"),
        f"write `seeds: {enough}` or more, or a p_threshold above {smallest:g}",
    )


def identity_of(sweep: Sweep, root: Path, objectives: Sequence[tuple[str, Direction]]) -> str:
    """SHA-256 of all that makes trials comparable.

    That is the space with the files of the options it chooses from, derived values, objectives,
    constraints, seeds, and the configuration that trials start from, without tracking and gate. How
    many trials there are, how they are chosen, ended early, stored and run is not part of it; nor
    is the number of threads that the sweep gives them, which each trial records.

    Args:
        sweep: A sweep that was checked.
        root: The project's root.
        objectives: Metric and direction of each objective.
    """
    settings = sweep.settings
    default = compose_checked(sweep.arguments, root)
    options: dict[str, Any] = {}
    for key, parameter in settings.space.items():
        if key in GROUPS and isinstance(parameter, ChoiceParameter):
            for choice in parameter.choices:
                path = root / "conf" / key / f"{choice}.yaml"
                options[f"{key}/{choice}"] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return content_hash(
        {
            "space": {key: entry.model_dump(mode="json") for key, entry in settings.space.items()},
            "derived": list(settings.derived.items()),
            "objectives": [list(objective) for objective in objectives],
            "constraints": [bound.model_dump(mode="json") for bound in settings.constraints],
            "seeds": settings.seeds,
            "default": default.model_dump(mode="json", exclude=set(WITHOUT_EFFECT)),
            "options": options,
        }
    )
