"""What the user asked for, as Hydra overrides: `params.yaml` and the command line."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.config.schema import GROUPS
from pipeline.errors import ConfigError, Problem, UserError, did_you_mean

EXPERIMENT = "experiment"
PARAMS_FILE = "params.yaml"
_PASSWORD = re.compile(r"(?<=://)([^/:\s]*):[^/\s]*@")


@dataclass(frozen=True)
class Override:
    """One request.

    Attributes:
        key: A config group or the dotted path of a value.
        text: The override in Hydra's grammar.
        source: Where the user wrote it.
        choice: The option, if the request chooses an option of a config group.
    """

    key: str
    text: str
    source: str
    choice: str | None = None


def options_of(group: str, conf: Path) -> list[str]:
    """The options of a config group: the files of `conf/<group>/`."""
    return sorted(path.stem for path in (conf / group).glob("*.yaml"))


def read_params(root: Path) -> list[Override]:
    """Reads `params.yaml`: a word chooses a group's option, a mapping overrides values.

    Raises:
        ConfigError: If the file is not a mapping, or an entry is neither word nor mapping.
    """
    from omegaconf import OmegaConf
    from yaml import YAMLError

    path = root / PARAMS_FILE
    if not path.is_file():
        return []
    try:
        params = OmegaConf.to_container(OmegaConf.load(path))
    except YAMLError as error:
        raise ConfigError(
            [Problem(PARAMS_FILE, f"not valid YAML: {' '.join(str(error).split())}", PARAMS_FILE)]
        ) from error
    if not isinstance(params, dict):
        raise ConfigError([Problem(PARAMS_FILE, "must be a mapping of sections", PARAMS_FILE)])
    return list(_from_params({str(key): value for key, value in params.items()}))


def _from_params(params: Mapping[str, Any]) -> Iterator[Override]:
    for key, read in params.items():
        value = "off" if read is False and key in GROUPS else read  # YAML reads the word as false
        if value is None:
            continue
        if key == EXPERIMENT or (key in GROUPS and isinstance(value, str)):
            yield Override(key, f"{key}={value}", PARAMS_FILE, choice=str(value))
        elif key in GROUPS and isinstance(value, dict):
            values = dict(value)
            if (name := values.pop("name", None)) is not None:
                yield Override(key, f"{key}={name}", PARAMS_FILE, choice=str(name))
            for path, leaf in _leaves(values, key):
                yield Override(path, f"++{path}={to_grammar(leaf)}", PARAMS_FILE)
        else:
            yield Override(key, f"++{key}={to_grammar(value)}", PARAMS_FILE)


def _leaves(values: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, Any]]:
    for key, value in values.items():
        path = f"{prefix}.{key}"
        if isinstance(value, dict) and value:
            yield from _leaves(value, path)
        else:
            yield path, value


def to_grammar(value: Any) -> str:
    """Writes a value so that Hydra's override grammar reads the same value back."""
    if isinstance(value, dict):
        return "{" + ",".join(f"{key}:{to_grammar(item)}" for key, item in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ",".join(to_grammar(item) for item in value) + "]"
    if isinstance(value, str):
        # Hydra reads a backslash as itself, unless a quote follows its run of backslashes.
        doubled = re.sub(r"(\\+)(?='|\Z)", r"\1\1", value)
        return "'" + doubled.replace("'", "\\'") + "'"
    return json.dumps(value)


def shortest_end(name: str, known: Collection[str]) -> str:
    """The shortest end of a dotted name that no other of some names has, for example `lr`.

    Args:
        name: One of them.
        known: All of them.
    """
    parts = name.split(".")
    for first in range(len(parts) - 1, 0, -1):
        end = ".".join(parts[first:])
        if sum(other == end or other.endswith(f".{end}") for other in known) == 1:
            return end
    return name


def parse_arguments(arguments: Sequence[str]) -> list[Override]:
    """Reads overrides of the command line, in Hydra's grammar.

    A plain `key=value` may set any key that the schema knows, whether or not a file of `conf/`
    mentions it; unknown keys are found by validation.

    Raises:
        ConfigError: If one is not in the grammar, or asks for a sweep.
    """
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.errors import HydraException

    parser = OverridesParser.create()
    found: list[Override] = []
    problems: list[Problem] = []
    for argument in arguments:
        shown = _PASSWORD.sub(r"\1:***@", argument)
        source = f"argument {shown!r}"
        try:
            parsed = parser.parse_override(argument)
        except HydraException as error:
            reason = str(error).strip().splitlines()[0]
            problems.append(
                Problem(argument, f"not a Hydra override: {reason}", source, "write key=value")
            )
            continue
        key = parsed.key_or_group
        if parsed.is_sweep_override():
            problems.append(
                Problem(key, "several values at once", source, "a stage runs one configuration")
            )
        elif key == EXPERIMENT or (key in GROUPS and isinstance(parsed.value(), str)):
            found.append(Override(key, f"{key}={parsed.value()}", source, str(parsed.value())))
        else:
            text = argument if argument[0] in "+~" else f"++{argument}"
            found.append(Override(key, text, source))
    if problems:
        raise ConfigError(problems)
    return found


def combine(pinned: Sequence[Override], arguments: Sequence[Override]) -> list[Override]:
    """Puts arguments over the pinned experiment.

    Naming an experiment leaves the pinned one, and choosing a group's option leaves what is pinned
    for that group. For a group chosen twice the later choice stands, since Hydra accepts one.
    """
    chosen = {override.key for override in arguments if override.choice is not None}
    if EXPERIMENT in chosen:
        pinned = []
    merged = [override for override in pinned if override.key.partition(".")[0] not in chosen]
    for override in arguments:
        if override.choice is not None:
            merged = [m for m in merged if m.choice is None or m.key != override.key]
        merged.append(override)
    return merged


def check_choices(overrides: Sequence[Override], conf: Path) -> None:
    """Checks that every chosen option exists.

    Raises:
        ConfigError: With a suggestion for each that does not.
    """
    problems = []
    for override in overrides:
        if override.choice is None:
            continue
        options = options_of(override.key, conf)
        if override.choice not in options:
            problems.append(
                Problem(
                    override.key,
                    f"conf/{override.key}/ has no option {override.choice!r}",
                    override.source,
                    did_you_mean(override.choice, options),
                )
            )
    if problems:
        raise ConfigError(problems)


def require_conf(root: Path) -> Path:
    """The directory of config files below a project's root.

    Raises:
        UserError: If it is not there.
    """
    conf = root / "conf"
    if not (conf / "config.yaml").is_file():
        raise UserError(
            f"{conf / 'config.yaml'} is missing", remedy="restore it with `git checkout -- conf`"
        )
    return conf
