"""A resolved configuration as a file of `conf/experiment/` that composes to the same."""

from __future__ import annotations

import json
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from pipeline.config.overrides import EXPERIMENT, PARAMS_FILE, options_of
from pipeline.config.schema import GROUPS, WITHOUT_EFFECT, Config
from pipeline.errors import ConfigError, UserError
from pipeline.stages.compose import compose_checked

PINNED_GROUPS = tuple(group for group in GROUPS if group not in WITHOUT_EFFECT)
"""What an experiment fixes: where a run is logged and what it must pass is not what it is."""

_NAMED_ALWAYS = ("data", "task", "model")
_MOST_ROUNDS = 5
_PLAIN_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_./-]*")
_INTERPOLATION = re.compile(r"(\\*)\$\{")

_Key = tuple[str, ...]


def experiment_text(
    config: Config, name: str, comment: Sequence[str], root: Path, *, params: str
) -> str:
    """Writes a configuration as an experiment and proves that it composes to the same.

    The text names options of config groups, and values only where they differ from what these
    options give. All composing happens in a copy of `conf/`: nothing of the project changes.

    Args:
        config: What the experiment has to compose to; its name, tracking and gate do not count.
        name: The experiment's name.
        comment: Lines for the top of the file.
        root: The project's root.
        params: The text of `params.yaml` with which the pinned experiment has to be the same.

    Raises:
        UserError: If no experiment composes to the configuration, with the keys that differ.
    """
    target = comparable(config)
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder)
        shutil.copytree(root / "conf", copy / "conf")
        (copy / PARAMS_FILE).write_text(params, encoding="utf-8")
        text = _settle(target, name, comment, copy)
        wrong = list(_differing(target, comparable(compose_checked([], copy))))
    if wrong:
        raise _irreproducible(wrong, PARAMS_FILE)
    return text


def comparable(config: Config) -> dict[str, Any]:
    """What of a configuration an experiment determines, JSON-able."""
    return config.model_dump(mode="json", exclude={EXPERIMENT, *WITHOUT_EFFECT})


def yaml_word(word: str) -> str:
    """A word as YAML, in quotes where YAML would read something else."""
    return yaml.dump(word, Dumper=_Dumper, allow_unicode=True).removesuffix("...\n").strip()


def _settle(target: Mapping[str, Any], name: str, comment: Sequence[str], copy: Path) -> str:
    """Adds the values that still differ until none does.

    One round is not enough where a value of `conf/` refers to another that is set here.
    """
    file = copy / "conf" / EXPERIMENT / f"{name}.yaml"
    options = _options(target, copy / "conf")
    values: dict[str, Any] = {"seed": target["seed"]}
    problem: ConfigError | None = None
    wrong: list[_Key] = []
    for _ in range(_MOST_ROUNDS):
        text = _text(comment, options, values)
        file.write_text(text, encoding="utf-8")
        try:
            found = comparable(compose_checked([f"{EXPERIMENT}={name}"], copy))
        except ConfigError as error:
            found, problem = {}, error
        wrong = list(_differing(target, found))
        if not wrong:
            return text
        before = json.dumps(values)
        for key in wrong:
            _copy_value(target, values, key)
        if json.dumps(values) == before:
            break
    raise _irreproducible(wrong, f"conf/{EXPERIMENT}/") from problem


def _irreproducible(wrong: Sequence[_Key], where: str) -> UserError:
    keys = ", ".join(".".join(key) for key in wrong)
    return UserError(
        f"no file of {where} composes to the trial's configuration; these keys differ: {keys}",
        remedy="a key that the trial removes from a mapping cannot be removed by an experiment: "
        "write an option for its group below conf/ that does not have it",
    )


def _options(target: Mapping[str, Any], conf: Path) -> dict[str, str]:
    """The option of each group that the defaults of `conf/config.yaml` do not give."""
    described = yaml.safe_load((conf / "config.yaml").read_text(encoding="utf-8"))
    defaults: dict[str, Any] = {}
    for entry in described.get("defaults", ()):
        defaults.update(entry if isinstance(entry, dict) else {})
    options = {}
    for group in PINNED_GROUPS:
        option = target[group]["name"]
        if group in defaults and (option != defaults[group] or group in _NAMED_ALWAYS):
            options[group] = option if option in options_of(group, conf) else "null"
    return options


def _text(comment: Sequence[str], options: Mapping[str, str], values: Mapping[str, Any]) -> str:
    lines = ["# @package _global_", *(f"# {line}".rstrip() for line in comment), "defaults:"]
    lines += [f"  - override /{group}: {option}" for group, option in options.items()]
    ordered = {name: values[name] for name in Config.model_fields if name in values}
    body = yaml.dump(
        _escaped(ordered), Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=100
    )
    return "\n".join([*lines, "", body])


def _differing(target: Mapping[str, Any], found: Mapping[str, Any]) -> Iterator[_Key]:
    """The innermost keys whose values differ, in the target's order."""
    for key in dict.fromkeys((*target, *found)):
        one, other = target.get(key), found.get(key)
        if isinstance(one, dict) and isinstance(other, dict):
            yield from ((key, *rest) for rest in _differing(one, other))
        elif key not in target or key not in found or json.dumps(one) != json.dumps(other):
            yield (key,)


def _copy_value(target: Mapping[str, Any], values: dict[str, Any], key: _Key) -> None:
    """Copies a value, unless the target lacks it; a group's name is not a value."""
    *path, last = key
    source: Any = target
    for part in path:
        source = source[part]
    if last not in source or (last == "name" and len(path) == 1):
        return
    value = source[last]
    if not path and isinstance(value, dict):
        value = {inner: item for inner, item in value.items() if inner != "name"}
    for part in path:
        values = values.setdefault(part, {})
    values[last] = value


def _escaped(value: Any) -> Any:
    """A value in which OmegaConf finds no interpolation."""
    if isinstance(value, dict):
        return {key: _escaped(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_escaped(item) for item in value]
    if isinstance(value, str):
        return _INTERPOLATION.sub(lambda found: found[1] * 2 + r"\${", value)
    return value


class _Dumper(yaml.SafeDumper):
    """YAML in the style of `conf/`.

    Words that are more than a name stand in quotes: OmegaConf reads 1e-3 as a number, PyYAML as a
    word, and so would not quote it.
    """

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:  # noqa: ARG002
        super().increase_indent(flow, indentless=False)

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002
        return True

    def write_word(self, text: str) -> yaml.ScalarNode:
        style = None if _PLAIN_WORD.fullmatch(text) else "'"
        return self.represent_scalar("tag:yaml.org,2002:str", text, style=style)

    def write_list(self, items: list[Any]) -> yaml.SequenceNode:
        flat = not any(isinstance(item, (dict, list)) for item in items)
        return self.represent_sequence("tag:yaml.org,2002:seq", items, flow_style=flat)

    def write_mapping(self, items: dict[str, Any]) -> yaml.MappingNode:
        return self.represent_mapping("tag:yaml.org,2002:map", items.items(), flow_style=not items)


_Dumper.add_representer(str, _Dumper.write_word)
_Dumper.add_representer(list, _Dumper.write_list)
_Dumper.add_representer(dict, _Dumper.write_mapping)
