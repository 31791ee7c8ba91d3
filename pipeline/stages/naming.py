"""Names of tracked runs that a person can tell apart, and what a run changes of its experiment."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

from pipeline.config.compose import compose
from pipeline.config.overrides import shortest_end
from pipeline.config.schema import GROUPS, WITHOUT_EFFECT, Config
from pipeline.errors import PipelineError
from pipeline.tracking.params import flatten

LONGEST = 80
"""Characters of a name; what does not fit is counted."""
_LONGEST_VALUE = 24
_ID_DIGITS = 6
_UNCOUNTED = {*WITHOUT_EFFECT, "experiment", "seed"}


def parent_name(config: Config, changed: Sequence[str], key: str) -> str:
    """The name of a run that holds the runs of models: an execution of the pipeline, or a group.

    For example `sports_news-minilm-lr=3e-05-1f2e3d`; the end tells two equal ones apart.

    Args:
        config: The resolved configuration; a name it gives comes first.
        changed: From `changes`.
        key: The run's key.
    """
    if config.tracking.run_name is not None:
        return f"{config.tracking.run_name}-pipeline"
    return _name(config, changed, "", key)


def model_name(config: Config, changed: Sequence[str], key: str) -> str:
    """The name of a model's run, that of its parent and the seed.

    For example `sports_news-minilm-lr=3e-05-seed0-1f2e3d`.

    Args:
        config: The resolved configuration; a name it gives is taken as it is.
        changed: From `changes`.
        key: The key of the run it is nested in, or its own.
    """
    return config.tracking.run_name or _name(config, changed, f"-seed{config.seed}", key)


def group_member_name(config: Config, changed: Sequence[str], key: str) -> str:
    """As `model_name`, also where the configuration gives a name, which is then all seeds'."""
    name = config.tracking.run_name
    return f"{name}-seed{config.seed}" if name else model_name(config, changed, key)


def changes(config: Config, root: Path) -> list[str]:
    """What differs from the experiment's own configuration, for example `lr=3e-05`.

    Options of groups come first, then values; a key is as short as it is unambiguous. The model's
    option is left out, which names say anyway.

    Args:
        config: The resolved configuration.
        root: The project's root. Where the experiment cannot be composed, nothing is known to
            differ.
    """
    try:
        default = compose([f"experiment={config.experiment}"], root)
        chosen = {
            group: getattr(config, group).name
            for group in GROUPS
            if group not in _UNCOUNTED
            and getattr(config, group).name != getattr(default, group).name
        }
        options = [f"{group}={name}" for group, name in chosen.items()]
        near = compose([f"experiment={config.experiment}", *options], root) if options else default
    except PipelineError:
        return []
    ours, theirs = _flat(config), _flat(near)
    known = ["seed", *ours, *(name for name in theirs if name not in ours)]
    differing = [name for name in known if ours.get(name) != theirs.get(name)]
    return [
        *(text for text in options if not text.startswith("model=")),
        *(f"{shortest_end(name, known)}={_value(ours.get(name, 'none'))}" for name in differing),
    ]


def _name(config: Config, changed: Sequence[str], end: str, key: str) -> str:
    digest = hashlib.sha256(key.encode()).hexdigest()[:_ID_DIGITS]
    name, end = f"{config.experiment}-{config.model.name}", f"{end}-{digest}"
    for number, text in enumerate(changed):
        more = len(changed) - number - 1
        longer = f"{name}{'-' if number == 0 else ','}{text}"
        if len(longer) + len(f"+{more}_more") * bool(more) + len(end) > LONGEST:
            return f"{name}+{more + 1}_more{end}"
        name = longer
    return name + end


def _flat(config: Config) -> dict[str, str]:
    return dict(flatten(config.model_dump(mode="json", exclude=_UNCOUNTED)))


def _value(text: str) -> str:
    short = "".join(text.split()).replace('"', "").replace("'", "")
    return short if len(short) <= _LONGEST_VALUE else f"{short[: _LONGEST_VALUE - 1]}…"
