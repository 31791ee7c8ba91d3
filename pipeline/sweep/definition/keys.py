"""Which keys of the configuration may be searched, and why others may not."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Sequence
from difflib import get_close_matches
from pathlib import Path
from types import UnionType
from typing import Any, Union, get_args, get_origin

from pydantic import BaseModel, TypeAdapter, ValidationError

from pipeline.config.data import CleaningStep, DataConfig
from pipeline.config.overrides import EXPERIMENT, options_of
from pipeline.config.schema import GROUPS, Config
from pipeline.errors import Problem, did_you_mean
from pipeline.sweep.definition.loading import Sweep
from pipeline.sweep.definition.parameters import ChoiceParameter, ConditionalParameter

CLEANING = "data.cleaning"
_TASK_OPTIONS = "task.options"
_SEARCHABLE = (CLEANING, _TASK_OPTIONS)
"""Keys below refused ones that are searchable all the same."""
_NO_EFFECT = "changes no trial's result"
_INCOMPARABLE = "trials on different data or tasks cannot be compared"
_ONE_DEVICE = (
    "a trial runs in one process on one device",
    "give the sweep more `workers`, one for each device",
)
_REFUSED = {
    "seed": (
        "all trials have the same seeds, so that chance favours none",
        "write `seeds: 3` to average each trial over three",
    ),
    EXPERIMENT: (_INCOMPARABLE, "search what experiments differ in, for example `model`"),
    "data": (_INCOMPARABLE, f"only {CLEANING} may be searched; make a sweep for each dataset"),
    "task": (_INCOMPARABLE, f"only {_TASK_OPTIONS} may be searched; make a sweep for each task"),
    "evaluation": (_NO_EFFECT, "set it in conf/; a sweep looks at validation data alone"),
    "export": (_NO_EFFECT, "set it in conf/; trials export nothing"),
    "trainer.devices": _ONE_DEVICE,
    "trainer.num_nodes": _ONE_DEVICE,
    "trainer.strategy": _ONE_DEVICE,
    "tracking": (_NO_EFFECT, "set it in conf/ or as an argument; all trials are tracked alike"),
    "gate": (_NO_EFFECT, "set it in conf/; it decides which model becomes champion"),
}
"""Section or key to message and remedy."""


def key_problems(sweep: Sweep, root: Path, options: type[BaseModel] | None) -> list[Problem]:
    """All that is wrong with the keys that a sweep searches or derives.

    Args:
        sweep: The sweep.
        root: The project's root, for the options of config groups.
        options: What the task lets a user choose; None if the task is not known.
    """
    problems = []
    space, derived = sweep.settings.space, sweep.settings.derived
    for name in (*(f"space.{key}" for key in space), *(f"derived.{key}" for key in derived)):
        section, _, key = name.partition(".")
        source = sweep.source_of(name)
        if (refusal := _refusal(key)) is not None:
            problems.append(Problem(name, refusal[0], source, refusal[1]))
        elif (remedy := _unknown(key, options)) is not None:
            problems.append(Problem(name, "the configuration has no such key", source, remedy))
        elif key in GROUPS and section == "derived":
            message = "a config group's option cannot be derived"
            problems.append(Problem(name, message, source, f"search it: write {key} in `space`"))
        elif key in GROUPS:
            problems += _group_problems(name, key, space[key], source, root)
    return problems


def cleaning_problem(sweep: Sweep, default: DataConfig) -> Problem | None:
    """Refuses cleaning that changes which rows validation holds.

    Removing duplicates drops rows, and the rows left decide how they are divided: whatever stands
    before the last `deduplicate` has to be the same in all trials and in the default. Division by
    the hash of the cleaned text moves rows with any cleaning.

    Args:
        sweep: The sweep.
        default: The section `data` that the trials start from.
    """
    parameter = sweep.settings.space.get(CLEANING)
    if parameter is None:
        return None
    name = f"space.{CLEANING}"
    source = sweep.source_of(name)
    roles = set(default.files) | (set(default.hub.splits) if default.hub else set())
    if default.split.method == "hash" and "validation" not in roles:
        return Problem(
            name,
            "data.split.method=hash divides rows by the cleaned text, so every cleaning would "
            "have validation rows of its own",
            source,
            "add data.split.method=stratified to `overrides`",
        )
    wanted = _deciding_rows(default.cleaning)
    for choice in parameter.extremes():
        steps = _steps(choice)
        if steps is not None and _deciding_rows(steps) != wanted:
            return Problem(
                name,
                f"with {json.dumps(choice)} other rows stay than with the experiment's own "
                "cleaning, and trials on different rows cannot be compared",
                source,
                "begin every choice with the experiment's steps up to its last `deduplicate`, "
                "and use that step nowhere else",
            )
    return None


def _refusal(key: str) -> tuple[str, str] | None:
    section, _, rest = key.partition(".")
    if section in GROUPS and rest == "name":
        return "the composition fills it in", f"search the config group: `{section}`"
    if any(key == other or key.startswith(f"{other}.") for other in _SEARCHABLE):
        return None
    return _REFUSED.get(key) or _REFUSED.get(section)


def _group_problems(
    name: str, group: str, parameter: ConditionalParameter, source: str, root: Path
) -> list[Problem]:
    if not isinstance(parameter, ChoiceParameter):
        remedy = f"write `type: choice`, or search a key below it, {group}.…"
        return [Problem(name, "a config group is chosen from, it has no range", source, remedy)]
    options = options_of(group, root / "conf")
    return [
        Problem(
            name,
            f"conf/{group}/ has no option {choice!r}",
            source,
            did_you_mean(str(choice), options),
        )
        for choice in parameter.choices
        if choice not in options
    ]


def _unknown(key: str, options: type[BaseModel] | None) -> str | None:
    """What to write instead of a key that the schema lacks; None if it has it."""
    models: Sequence[type[BaseModel]] = (Config,)
    prefix = ""
    for part in key.split("."):
        fields = {name: field for model in models for name, field in model.model_fields.items()}
        if part not in fields:
            return _instead(key, prefix, part, fields)
        prefix += f"{part}."
        annotation = fields[part].annotation
        if prefix == f"{_TASK_OPTIONS}." and options is not None:
            models = (options,)
        elif get_origin(annotation) is dict:
            return None
        else:
            models = _sections(annotation)
    return None


def _instead(key: str, prefix: str, part: str, fields: Collection[str]) -> str:
    near = [prefix + name for name in get_close_matches(part, fields, n=1)]
    near = near or [other for other in _keys(Config) if other.endswith(f".{part}")][:3]
    if not near and not fields:
        near = get_close_matches(key, list(_keys(Config)), n=1)
    if near:
        return f"did you mean {' or '.join(map(repr, near))}?"
    return f"allowed: {', '.join(prefix + name for name in sorted(fields) if name != 'name')}"


def _keys(model: type[BaseModel], prefix: str = "") -> Iterator[str]:
    """All dotted keys of a section."""
    for name, field in model.model_fields.items():
        yield prefix + name
        for inner in _sections(field.annotation):
            yield from _keys(inner, f"{prefix}{name}.")


def _sections(annotation: Any) -> list[type[BaseModel]]:
    """The sections that a field may be; not those within its lists and mappings."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    if get_origin(annotation) in {Union, UnionType}:
        return [model for argument in get_args(annotation) for model in _sections(argument)]
    return []


def _steps(choice: Any) -> tuple[CleaningStep, ...] | None:
    """A choice's cleaning steps; None if they are not valid, which trying them reports."""
    adapter: TypeAdapter[tuple[CleaningStep, ...]] = TypeAdapter(tuple[CleaningStep, ...])
    try:
        return adapter.validate_json(json.dumps(choice))
    except ValidationError:
        return None


def _deciding_rows(steps: Sequence[CleaningStep]) -> tuple[CleaningStep, ...]:
    last = max((n for n, step in enumerate(steps) if step.step == "deduplicate"), default=-1)
    return tuple(steps[: last + 1])
