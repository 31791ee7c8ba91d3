"""Finds a task by its module's name, or a user's own by `package.module:Class`."""

from __future__ import annotations

import importlib
import json
import pkgutil
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

import pipeline.tasks
from pipeline.errors import ConfigError, Problem, did_you_mean
from pipeline.tasks.base import MetricSpec, Task
from pipeline.tasks.processor import Processor


def load_task(kind: str, options: Mapping[str, Any]) -> Task:
    """Makes a task with checked options.

    Args:
        kind: A module of `pipeline.tasks` that holds a task of the same name, or
            `package.module:Class` of an importable package.
        options: The section `task.options` of the config.

    Raises:
        ConfigError: If there is no such task, or with all that is wrong with its options.
    """
    task = _outside(kind) if ":" in kind else _shipped(kind)
    try:
        checked = task.Options.model_validate_json(json.dumps(dict(options)))
    except ValidationError as error:
        raise ConfigError([_problem(details, task) for details in error.errors()]) from None
    return task(checked)


def load_trained_task(
    kind: str, options: Mapping[str, Any], state: Mapping[str, Any], processor: Processor
) -> Task:
    """Makes the task that a model was trained for, ready to decode.

    Args:
        kind: As in the model's manifest.
        options: As there.
        state: What the task learned, as there.
        processor: What encodes the model's inputs.

    Raises:
        ConfigError: If the task is not installed here.
    """
    task = load_task(kind, options)
    task.attach(processor)
    task.load_state(state)
    return task


def primary_metric(task: Task, name: str | None) -> MetricSpec:
    """The metric that selects checkpoints.

    Args:
        task: The task that measures.
        name: What the config asks for; None for the task's own choice.

    Raises:
        ConfigError: If the task has no such metric.
    """
    if name is None:
        return task.primary_metric
    known = {spec.name: spec for spec in task.metric_specs}
    if name not in known:
        raise _wrong(
            "task.primary_metric",
            f"{task.name} has no metric {name!r}",
            did_you_mean(name, known),
        )
    return known[name]


def metric_names(task: Task, configured: str | None) -> tuple[str, ...]:
    """The task's scalar metrics, the primary one first; see `primary_metric`."""
    primary = primary_metric(task, configured).name
    return tuple(dict.fromkeys((primary, *(spec.name for spec in task.metric_specs))))


def shipped_tasks() -> tuple[str, ...]:
    """The names of the tasks in `pipeline.tasks`, sorted."""
    modules = sorted(module.name for module in pkgutil.iter_modules(pipeline.tasks.__path__))
    return tuple(name for name in modules if _task_in(name) is not None)


def _shipped(kind: str) -> type[Task]:
    names = {module.name for module in pkgutil.iter_modules(pipeline.tasks.__path__)}
    found = _task_in(kind) if kind in names else None
    if found is None:
        raise _wrong(
            "task.kind",
            f"there is no task {kind!r}",
            did_you_mean(kind, shipped_tasks()) + " A task of your own is `package.module:Class`",
        )
    return found


def _task_in(module_name: str) -> type[Task] | None:
    """The task that a module of `pipeline.tasks` defines under its own name."""
    module = importlib.import_module(f"pipeline.tasks.{module_name}")
    for value in vars(module).values():
        if isinstance(value, type) and getattr(value, "name", None) == module_name:
            return value
    return None


def _outside(kind: str) -> type[Task]:
    module_name, _, class_name = kind.partition(":")
    try:
        module = importlib.import_module(module_name)
    except (ImportError, ValueError) as error:
        raise _wrong(
            "task.kind",
            f"{kind!r}: the module {module_name!r} cannot be imported: {error}",
            "install its package here, or set PYTHONPATH to the directory it lies in",
        ) from error
    found = getattr(module, class_name, None)
    if not isinstance(found, type):
        classes = [name for name, value in vars(module).items() if isinstance(value, type)]
        raise _wrong(
            "task.kind",
            f"{kind!r}: {module_name} has no class {class_name!r}",
            did_you_mean(class_name, classes),
        )
    contract = (name for name in (*vars(Task), *Task.__annotations__) if not name.startswith("_"))
    missing = sorted(name for name in set(contract) if not hasattr(found, name))
    if missing:
        raise _wrong(
            "task.kind",
            f"{kind!r} is no task: it lacks {', '.join(missing)}",
            "pipeline/tasks/base.py says what a task has",
        )
    return found


def _problem(details: Any, task: type[Task]) -> Problem:
    path = [str(part) for part in details["loc"]]
    key = ".".join(["task.options", *path])
    if details["type"] == "extra_forbidden":
        return Problem(
            key,
            f"{task.name} has no such option",
            remedy=did_you_mean(path[-1], task.Options.model_fields),
        )
    message = details["msg"].removeprefix("Value error, ")
    return Problem(key, f"{message}; got {details['input']!r}")


def _wrong(key: str, message: str, remedy: str) -> ConfigError:
    return ConfigError([Problem(key, message, remedy=remedy)])
