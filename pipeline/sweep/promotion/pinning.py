"""`params.yaml` with another experiment pinned, its comments kept."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import takewhile
from typing import Any

import yaml

from pipeline.config.overrides import EXPERIMENT, PARAMS_FILE
from pipeline.errors import UserError
from pipeline.sweep.promotion.experiment_file import PINNED_GROUPS, yaml_word

_HEADER = (
    "# The pinned experiment: what `dvc repro` runs. Only what differs from conf/ stands here.\n"
)


def pin(text: str, experiment: str, seed: int) -> tuple[str, dict[str, Any]]:
    """Points the text of `params.yaml` to an experiment.

    Values that the file sets would win over the experiment's, so every section that the experiment
    determines becomes empty. Comments, the order of keys, the sections tracking and gate, and
    unknown keys stay.

    Args:
        text: The file's text; may be empty.
        experiment: The experiment.
        seed: Its seed.

    Returns:
        The new text, and the values that were taken out, by section.

    Raises:
        UserError: If the text is not a mapping in YAML.
    """
    try:
        old = yaml.safe_load(text)
        old = {} if old is None else old
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError as error:
        raise UserError(
            f"{PARAMS_FILE} is not valid YAML: {' '.join(str(error).split())}",
            remedy="mend it, then promote again",
        ) from error
    if not isinstance(old, dict):
        raise UserError(f"{PARAMS_FILE} must be a mapping of sections", remedy="mend it")
    fresh: dict[str, Any] = {EXPERIMENT: experiment, "seed": seed}
    wanted = {**fresh, **old, **fresh, **{key: {} for key in PINNED_GROUPS if key in old}}
    removed = {key: old[key] for key in PINNED_GROUPS if old.get(key)}
    edited = _edited(text, root, wanted)
    if not _reads_as(edited, wanted):
        # Anchors, or a layout that is not worth following: only the head is kept.
        head = "".join(takewhile(_is_remark, text.splitlines(keepends=True)))
        edited = head + yaml.safe_dump(wanted, sort_keys=False, allow_unicode=True)
    return edited, removed


def _reads_as(text: str, wanted: Mapping[str, Any]) -> bool:
    try:
        return bool(yaml.safe_load(text) == wanted)
    except yaml.YAMLError:
        return False


def _is_remark(line: str) -> bool:
    return not line.strip() or line.startswith("#")


def _edited(text: str, root: yaml.Node | None, wanted: Mapping[str, Any]) -> str:
    """Replaces the values that differ where they stand, the last first."""
    if not isinstance(root, yaml.MappingNode) or not root.value:
        return (text if text.strip() else _HEADER) + _entries(wanted)
    known: dict[str, Any] = yaml.safe_load(text)
    for key, value in reversed(root.value):
        name = key.value
        if name in wanted and (name not in known or known[name] != wanted[name]):
            start, end = key.end_mark.index, _end(text, value)
            text = f"{text[:start]}: {_inline(wanted[name])}{text[end:]}"
    first = root.value[0][0].start_mark.index
    missing = {name: wanted[name] for name in (EXPERIMENT, "seed") if name not in known}
    return text[:first] + _entries(missing) + text[first:]


def _entries(values: Mapping[str, Any]) -> str:
    return "".join(f"{name}: {_inline(value)}\n" for name, value in values.items())


def _inline(value: Any) -> str:
    return yaml_word(value) if isinstance(value, str) else "{}" if value == {} else str(value)


def _end(text: str, node: yaml.Node) -> int:
    """Where a value ends; of a block also the comment behind its last line, which speaks of it."""
    if isinstance(node, yaml.CollectionNode) and not node.flow_style and node.value:
        last = node.value[-1]
        end = _end(text, last[1] if isinstance(last, tuple) else last)
        line = text.find("\n", end)
        return len(text) if line < 0 else line
    end = int(node.end_mark.index)
    while end > node.start_mark.index and text[end - 1].isspace():
        end -= 1
    return end
