"""One function composes every configuration: Hydra over `conf/`, then validation.

A composition is a pure function of `conf/`, `params.yaml` and the overrides: nothing of it depends
on the time, the environment or Hydra's own run state.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from pipeline.artifacts import content_hash, write_text
from pipeline.config.overrides import (
    EXPERIMENT,
    Override,
    check_choices,
    combine,
    parse_arguments,
    read_params,
    require_conf,
)
from pipeline.config.schema import GROUPS, WITHOUT_EFFECT, Config
from pipeline.config.validation import validate
from pipeline.errors import ConfigError, Problem, UserError

HEADER = (
    "# The whole resolved configuration, written by `python -m pipeline compose`; do not edit.\n"
)
_RECIPE = "recipe@_global_"
"""How Hydra calls the choice that an option of `conf/model/` makes: how such a model learns."""
_IMPURE = re.compile(r"\$\{\s*(hydra|now|oc\.env)\s*:")


def compose(arguments: Sequence[str], root: Path) -> Config:
    """Composes the configuration that `params.yaml` pins, or one derived from it.

    Args:
        arguments: Overrides in Hydra's grammar. One that names an experiment starts from that
            experiment instead of from `params.yaml`.
        root: The project's root.

    Raises:
        ConfigError: With every problem found.
        UserError: If `conf/` is missing.
    """
    conf = require_conf(root)
    overrides = combine(read_params(root), parse_arguments(arguments))
    check_choices(overrides, conf)
    values, choices = _compose(conf, [override.text for override in overrides])
    for group in (*GROUPS, EXPERIMENT):
        if group == EXPERIMENT:
            values[EXPERIMENT] = choices.get(group) or "default"
        elif isinstance(values.setdefault(group, {}), dict):
            values[group]["name"] = choices.get(group) or "default"
    return validate(Config, values, lambda key: source_of(key, conf, overrides, choices))


def _compose(conf: Path, overrides: list[str]) -> tuple[dict[str, Any], dict[str, str]]:
    from hydra import compose as hydra_compose
    from hydra import initialize_config_dir
    from hydra.errors import HydraException
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    try:
        with initialize_config_dir(str(conf.resolve()), version_base="1.3"):
            composed = hydra_compose("config", overrides, return_hydra_config=True)
        choices = {str(k): str(v) for k, v in composed.hydra.runtime.choices.items() if v}
        OmegaConf.set_struct(composed, False)
        del composed["hydra"]
        _refuse_impure(OmegaConf.to_yaml(composed, resolve=False))
        values = OmegaConf.to_container(composed, resolve=True, throw_on_missing=True)
    except (HydraException, OmegaConfBaseException, yaml.YAMLError) as error:
        message = " ".join(str(error).split())
        raise ConfigError([Problem("conf", message, "conf/")]) from error
    if not isinstance(values, dict):
        raise ConfigError([Problem("config", "must be a mapping", "conf/config.yaml")])
    return {str(key): value for key, value in values.items()}, choices


def _refuse_impure(text: str) -> None:
    found = _IMPURE.search(text)
    if found:
        raise ConfigError(
            [
                Problem(
                    "conf",
                    f"`{found.group(0)}…}}` makes the configuration depend on more than its files",
                    "conf/",
                    "write the value itself; paths and names of runs are made by the pipeline",
                )
            ]
        )


def source_of(
    key: str, conf: Path, overrides: Sequence[Override], choices: Mapping[str, str]
) -> str | None:
    """Names the last place that set a key: an override, the experiment, or an option's file."""
    for override in reversed(overrides):
        if override.choice is None and _covers(override.key, key):
            return override.source
    group, _, rest = key.partition(".")
    experiment = choices.get(EXPERIMENT)
    if experiment and _has(_yaml(conf / EXPERIMENT / f"{experiment}.yaml"), key.split(".")):
        return f"conf/{EXPERIMENT}/{experiment}.yaml"
    option = choices.get(group)
    path = conf / group / f"{option}.yaml"
    if option and (not rest or _has(_yaml(path), rest.split("."))):
        return f"conf/{group}/{option}.yaml"
    recipe = choices.get(_RECIPE)
    if recipe and _has(_yaml(conf / "recipe" / f"{recipe}.yaml"), key.split(".")):
        return f"conf/recipe/{recipe}.yaml"
    return "conf/config.yaml" if _has(_yaml(conf / "config.yaml"), key.split(".")) else None


def _covers(shorter: str, longer: str) -> bool:
    return longer == shorter or longer.startswith(shorter + ".") or shorter.startswith(longer + ".")


@cache
def _yaml(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8")) if path.is_file() else None


def _has(values: Any, path: Sequence[str]) -> bool:
    for part in path:
        if isinstance(values, list) and part.isdigit() and int(part) < len(values):
            values = values[int(part)]
        elif isinstance(values, dict) and part in values:
            values = values[part]
        else:
            return False
    return True


def to_yaml(config: Config) -> str:
    """Writes a configuration as YAML, sections in the schema's order, every default spelled out."""
    values = config.model_dump(mode="json")
    return HEADER + yaml.safe_dump(values, sort_keys=False, allow_unicode=True, width=100)


def save_config(config: Config, path: Path) -> None:
    """Writes a configuration as YAML, atomically."""
    write_text(path, to_yaml(config))


def load_config(path: Path) -> Config:
    """Reads a resolved configuration.

    Raises:
        UserError: If the file is missing.
        ConfigError: If it does not fit the schema, for example after an update of the pipeline.
    """
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(
            f"{path} is missing",
            remedy="run `dvc repro`, or `python -m pipeline compose`, which writes it",
        ) from None
    except yaml.YAMLError as error:
        raise UserError(
            f"{path} is not valid YAML: {error}", remedy="run `python -m pipeline compose`"
        ) from error
    return validate(Config, values if isinstance(values, dict) else {}, lambda _: str(path))


def config_hash(config: Config) -> str:
    """SHA-256 of all that can change a result: the configuration without tracking and gate."""
    return content_hash(config.model_dump(mode="json", exclude=set(WITHOUT_EFFECT)))


def group_hash(config: Config) -> str:
    """SHA-256 of all that a group of seeds shares: as `config_hash`, without the seed."""
    return content_hash(config.model_dump(mode="json", exclude={*WITHOUT_EFFECT, "seed"}))
