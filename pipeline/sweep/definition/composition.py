"""From values of the search space to a trial's configuration."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pipeline.config.overrides import EXPERIMENT, to_grammar
from pipeline.config.schema import GROUPS, Config
from pipeline.errors import ConfigError, Problem
from pipeline.stages.compose import compose_checked
from pipeline.sweep.definition.expressions import evaluate
from pipeline.sweep.definition.loading import Sweep

THREADS = "trainer.num_threads"
"""The key that a sweep sets unless something else does, so that workers share the cores."""


@dataclass(frozen=True)
class TrialComposition:
    """What a trial runs.

    Attributes:
        config: The resolved configuration.
        overrides: What makes it, over the sweep's arguments: key to value, or to the option of a
            config group. Searched values, derived ones, and the number of threads.
    """

    config: Config
    overrides: dict[str, Any]


def overrides_of(values: Mapping[str, Any]) -> list[str]:
    """Writes values as Hydra overrides.

    A config group with a word chooses an option. Options come before values, which change them;
    otherwise the order stays.

    Args:
        values: Dotted key of the configuration, or config group, to value.
    """
    ordered = sorted(values, key=lambda key: not _chooses(key, values[key]))
    return [f"{key}={to_grammar(values[key])}" for key in ordered]


def compose_trial(
    sweep: Sweep, params: Mapping[str, Any], root: Path, *, threads: int
) -> TrialComposition:
    """Composes the configuration of a trial: once, or twice where the sweep derives values.

    Derived values are computed in the order of the file, each from the configuration with the
    searched values and the derived ones before it.

    Args:
        sweep: The sweep.
        params: Values of the parameters that exist in this trial.
        root: The project's root.
        threads: CPU threads of the trial, unless `trainer.num_threads` is set by the experiment,
            an argument, the space or a derived value; null counts as not set.

    Raises:
        ConfigError: With every problem of the composition; sources are entries of the sweep.
    """
    values = dict(params)
    config = _with_threads(_compose(sweep, values, root), threads)
    if sweep.settings.derived:
        values |= _derive(sweep, config)
        config = _with_threads(_compose(sweep, values, root), threads)
    return TrialComposition(config, {**values, THREADS: config.trainer.num_threads})


def compose_default(sweep: Sweep, root: Path, *, threads: int) -> Config:
    """Composes what the best trial is compared with: nothing searched, nothing derived.

    Args:
        sweep: The sweep.
        root: The project's root.
        threads: As for `compose_trial`.

    Raises:
        ConfigError: With every problem of the composition.
    """
    return _with_threads(_compose(sweep, {}, root), threads)


def _chooses(key: str, value: Any) -> bool:
    return key == EXPERIMENT or (key in GROUPS and isinstance(value, str))


def _compose(sweep: Sweep, values: Mapping[str, Any], root: Path) -> Config:
    own = overrides_of(values)
    try:
        return compose_checked([*sweep.arguments, *own], root)
    except ConfigError as error:
        sources = _sources(sweep, own)
        raise ConfigError(
            [
                replace(problem, source=sources.get(problem.source or "", problem.source))
                for problem in error.problems
            ]
        ) from None


def _sources(sweep: Sweep, own: list[str]) -> dict[str, str]:
    """Where the sweep says what the composition only knows as an argument."""
    settings = sweep.settings
    words = {f"{EXPERIMENT}={settings.experiment}": sweep.source_of(EXPERIMENT)}
    words |= {text: sweep.source_of("overrides") for text in settings.overrides}
    for text in own:
        key = text.partition("=")[0]
        section = "derived" if key in settings.derived else "space"
        words[text] = f"{section}.{key} of {sweep.source}"
    return {f"argument {text!r}": source for text, source in words.items()}


def _derive(sweep: Sweep, config: Config) -> dict[str, Any]:
    known = config.model_dump(mode="json")
    found: dict[str, Any] = {}
    problems = []
    for key, expression in sweep.settings.derived.items():
        try:
            found[key] = evaluate(expression, known)
        except ValueError as error:
            name = f"derived.{key}"
            problems.append(Problem(name, str(error), sweep.source_of(name)))
            continue
        _put(known, key.split("."), found[key])
    if problems:
        raise ConfigError(problems)
    return found


def _put(values: dict[str, Any], path: list[str], value: Any) -> None:
    for part in path[:-1]:
        if not isinstance(values.get(part), dict):
            values[part] = {}
        values = values[part]
    values[path[-1]] = value


def _with_threads(config: Config, threads: int) -> Config:
    """The configuration that the override `trainer.num_threads=<threads>` would compose."""
    if config.trainer.num_threads is not None:
        return config
    trainer = config.trainer.model_copy(update={"num_threads": threads})
    return config.model_copy(update={"trainer": trainer})
