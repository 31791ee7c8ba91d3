"""From a file of `sweeps/` and the command line to a sweep."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pipeline.artifacts import shown
from pipeline.config.compose import compose
from pipeline.config.overrides import EXPERIMENT, read_params
from pipeline.config.schema import Config
from pipeline.config.validation import validate
from pipeline.errors import ConfigError, Problem, UserError, did_you_mean
from pipeline.sweep.definition.settings import SweepSettings
from pipeline.sweep.layout import SWEEPS

_KINDS = ("sampler", "pruner")
"""Settings that a word stands for: its `kind`."""


@dataclass(frozen=True)
class Sweep:
    """A sweep as the user asked for it.

    Attributes:
        settings: The file, and what the command line sets of it.
        arguments: Hydra overrides that hold for every trial, later ones winning: the experiment,
            those of the file, those of the command line.
        path: The file.
        source: The file as a person reads it, for messages.
        set_by: The argument that set a setting, by its dotted key.
    """

    settings: SweepSettings
    arguments: tuple[str, ...]
    path: Path
    source: str
    set_by: Mapping[str, str]

    def source_of(self, key: str) -> str:
        """The argument that set a setting or a part of it, or else the file."""
        return _source_of(key, self.set_by, self.source)


def load_sweep(name: str, arguments: Sequence[str], root: Path) -> Sweep:
    """Reads `sweeps/<name>.yaml` and lays the command line over it.

    An argument whose key is a setting of a sweep (`workers=2`, `sampler=gp`, `stop.patience=5`,
    `space.optimizer.lr.low=1e-6`) changes the sweep. All others are Hydra overrides of the
    experiment, `experiment=...` included.

    Args:
        name: The file's name; its directory and ending may be written out.
        arguments: Arguments in Hydra's grammar.
        root: The project's root.

    Raises:
        UserError: If there is no such file.
        ConfigError: With every problem of the file and of the arguments.
    """
    name = name.removeprefix(f"{SWEEPS}/").removesuffix(".yaml")
    path = _find(name, root)
    source = shown(path, root)
    values = {"study": name, **_read(path, source)}
    reader = _ArgumentReader(values, source)
    for argument in arguments:
        reader.read(argument)
    problems = reader.problems
    settings: SweepSettings | None = None
    try:
        settings = validate(
            SweepSettings, values, lambda key: _source_of(key, reader.set_by, source)
        )
    except ConfigError as error:
        problems.extend(error.problems)
    if problems or settings is None:
        raise ConfigError(problems)
    experiment = [] if settings.experiment is None else [f"{EXPERIMENT}={settings.experiment}"]
    return Sweep(
        settings=settings,
        arguments=(*experiment, *settings.overrides, *reader.overrides),
        path=path,
        source=source,
        set_by=reader.set_by,
    )


def available(root: Path) -> list[tuple[str, str]]:
    """Name and description of each file of `sweeps/`, by name.

    A file that is not YAML is listed too, with words that say so.
    """
    found = []
    for path in sorted((root / SWEEPS).glob("*.yaml")):
        try:
            description = str(_read(path, path.name).get("description") or "")
        except ConfigError:
            description = "(cannot be read)"
        found.append((path.stem, description))
    return found


def with_pinned(sweep: Sweep, root: Path) -> Sweep:
    """Writes out what a sweep that names no experiment takes from `params.yaml`.

    Promotion changes that file, and the study must stay what it was.

    Raises:
        ConfigError: If what is pinned is invalid.
    """
    if sweep.settings.experiment is not None:
        return sweep
    pinned = [override.text for override in read_params(root) if override.key != EXPERIMENT]
    experiment = f"{EXPERIMENT}={compose((), root).experiment}"
    return replace(sweep, arguments=(experiment, *pinned, *sweep.arguments))


def _find(name: str, root: Path) -> Path:
    names = sorted(path.stem for path in (root / SWEEPS).glob("*.yaml"))
    if name in names:
        return root / SWEEPS / f"{name}.yaml"
    if not names:
        remedy = f"write {SWEEPS}/{name}.yaml; docs/sweeps.md says what it holds"
    else:
        near = did_you_mean(name, names)
        remedy = f"{near} " if near.startswith("did") else ""
        remedy += f"{SWEEPS}/ holds {', '.join(names)}"
    raise UserError(f"there is no sweep {name!r}", remedy=remedy)


def _read(path: Path, source: str) -> dict[str, Any]:
    """The file's values. Interpolations stay as they are written.

    Raises:
        ConfigError: If it is not a mapping in YAML.
    """
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException
    from yaml import YAMLError

    try:
        loaded = OmegaConf.load(path)
        values = OmegaConf.to_container(loaded)
    except (YAMLError, OmegaConfBaseException, UnicodeDecodeError, OSError) as error:
        message = f"not valid YAML: {' '.join(str(error).split())}"
        raise ConfigError([Problem(path.name, message, source)]) from error
    if not isinstance(values, dict):
        raise ConfigError([Problem(path.name, "must be a mapping of settings", source)])
    named = {str(key): value for key, value in values.items()}
    for key in _KINDS:
        if isinstance(named.get(key), str):
            named[key] = {"kind": named[key]}
    return named


class _ArgumentReader:
    """Sorts arguments into settings, which it writes into the values, and overrides.

    Args:
        values: The file's values; they are changed in place.
        source: The file, for messages.
    """

    def __init__(self, values: dict[str, Any], source: str) -> None:
        from hydra.core.override_parser.overrides_parser import OverridesParser

        self._values = values
        self._source = source
        self._parser = OverridesParser.create()
        self.overrides: list[str] = []
        self.set_by: dict[str, str] = {}
        self.problems: list[Problem] = []

    def read(self, argument: str) -> None:
        """Takes one argument, or notes what is wrong with it."""
        from hydra.core.override_parser.types import OverrideType
        from hydra.errors import HydraException

        source = f"argument {argument!r}"
        try:
            parsed = self._parser.parse_override(argument)
        except HydraException as error:
            reason = str(error).strip().splitlines()[0]
            self._refuse(argument, f"not a Hydra override: {reason}", source, "write key=value")
            return
        key = parsed.key_or_group
        section = key.partition(".")[0]
        if parsed.is_sweep_override():
            self._refuse(
                key,
                "several values at once",
                source,
                f"search them: give {key} in `space` of {self._source} the type choice",
            )
        elif section not in SweepSettings.model_fields:
            if section in Config.model_fields:
                self.overrides.append(argument)
            else:
                known = (*SweepSettings.model_fields, *Config.model_fields)
                remedy = did_you_mean(section, known)
                message = "neither a sweep nor the configuration has such a key"
                self._refuse(key, message, source, remedy)
        elif parsed.type is not OverrideType.CHANGE:
            self._refuse(key, "a setting of the sweep is only changed", source, "write key=value")
        else:
            self._set(key, parsed.value(), source)

    def _set(self, key: str, value: Any, source: str) -> None:
        if key in _KINDS and isinstance(value, str):
            key = f"{key}.kind"
        section, _, rest = key.partition(".")
        if section == "derived" and rest:
            path = [section, rest]
        elif section == "space" and rest:
            names = self._searched()
            within = [name for name in names if f"{rest}.".startswith(f"{name}.")]
            if not within and not isinstance(value, dict):
                remedy = did_you_mean(rest, names)
                self._refuse(key, "no such parameter is searched", source, remedy)
                return
            name = max(within, key=len, default=rest)
            path = [section, name, *rest.removeprefix(name).split(".")[1:]]
        else:
            path = key.split(".")
        inner = self._values
        for part in path[:-1]:
            if not isinstance(inner.get(part), dict):
                inner[part] = {}
            inner = inner[part]
        inner[path[-1]] = value
        self.set_by[key] = source

    def _searched(self) -> list[str]:
        space = self._values.get("space")
        return [str(name) for name in space] if isinstance(space, dict) else []

    def _refuse(self, key: str, message: str, source: str, remedy: str) -> None:
        self.problems.append(Problem(key, message, source, remedy))


def _source_of(key: str, set_by: Mapping[str, str], source: str) -> str:
    for other, argument in reversed(list(set_by.items())):
        if key == other or key.startswith(f"{other}.") or other.startswith(f"{key}."):
            return argument
    return source
