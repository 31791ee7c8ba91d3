"""Raw values to canonical ones, by what a column holds."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import isfinite, isnan
from typing import Any

import pyarrow as pa

from pipeline.data.entities import ENTITIES_TYPE
from pipeline.data.labels import LabelMapper
from pipeline.data.messages import MESSAGES_TYPE, ChatReader
from pipeline.data.rules import RuleError
from pipeline.tasks.base import Column, Kind
from pipeline.tasks.columns import MEDIA_TYPE

ARROW_TYPES: Mapping[Kind, pa.DataType] = {
    "text": pa.string(),
    "label": pa.string(),
    "labels": pa.list_(pa.string()),
    "number": pa.float64(),
    "entities": ENTITIES_TYPE,
    "messages": MESSAGES_TYPE,
    "audio": MEDIA_TYPE,
    "image": MEDIA_TYPE,
}
"""Types of canonical columns; that of any other kind is known once values are seen."""

_NO_NUMBER = frozenset({"", "na", "n/a", "nan", "null", "none"})
"""What tables write in place of a number that is missing, in lower case."""
_FLAGS = dict.fromkeys(("0", "0.0", "false"), False) | dict.fromkeys(("1", "1.0", "true"), True)

Parse = Callable[[Any], Any]
"""Makes the canonical value of a raw one; None where it is missing. Raises RuleError."""


def parser(column: Column, labels: LabelMapper) -> Parse:
    """What reads the values of a column; entities and files are read elsewhere.

    Args:
        column: Name and kind.
        labels: What raw labels mean.
    """
    if column.kind == "text":
        return lambda value: _text(value, column.name)
    if column.kind == "label":
        return labels.name_of
    if column.kind == "labels":
        return lambda value: _labels(value, column.name, labels)
    if column.kind == "number":
        return lambda value: _number(value, column.name)
    if column.kind == "messages":
        return ChatReader(column.name)
    return lambda value: value


def _text(value: Any, name: str) -> str | None:
    if value is not None and not isinstance(value, str):
        raise RuleError(
            f"the {name} must be a string, got {value!r}",
            f"map the right column in data.columns.{name}",
        )
    return value


def _labels(value: Any, name: str, labels: LabelMapper) -> list[str] | None:
    """The names of a set of labels: a list, or a text in which a separator stands between them."""
    if value is None:
        return None
    if isinstance(value, str):
        value = [part.strip() for part in value.split(labels.separator) if part.strip()]
    if not isinstance(value, list):
        raise RuleError(
            f"the {name} must be a list of labels, or a text with {labels.separator!r} between "
            f"them, got {value!r}",
            f"map the right column in data.columns.{name}, or set data.labels.separator",
        )
    if _is_flags(value):
        value = _flagged(value, name, labels.configured_names)
    names = [labels.name_of(label) for label in value]
    return sorted({label for label in names if label is not None})


def flagged_labels(columns: Mapping[str, Any]) -> list[str] | None:
    """The labels of a row that has a column for each.

    Args:
        columns: 1 or true by the label's name where the row has it, otherwise 0, false or nothing.

    Returns:
        None where all columns are empty.

    Raises:
        RuleError: If a value is anything else.
    """
    found = []
    for name, value in columns.items():
        flag = False if _is_nothing(value) else _flag(value)
        if flag is None:
            raise RuleError(
                f"a column of data.labels.columns holds 1 or 0, but {name!r} holds {value!r}",
                "correct it, or take the column out of data.labels.columns",
            )
        if flag:
            found.append(name)
    return None if all(map(_is_nothing, columns.values())) else found


def _is_flags(values: Sequence[Any]) -> bool:
    """Whether a list says 0 or 1 for each label: a set of ids would hold none of them twice."""
    flags = [_flag(value) for value in values]
    if None in flags or len(flags) < 2:
        return False
    return len(set(flags)) < len(flags) or not all(isinstance(one, int | str) for one in values)


def _flagged(values: Sequence[Any], name: str, names: Sequence[str] | None) -> list[str]:
    if names is None or len(names) != len(values):
        known = "none" if names is None else f"only {len(names)}"
        raise RuleError(
            f"the {name} {list(values)!r:.60} seem to be a 0 or 1 for each of {len(values)} "
            f"labels, of which data.labels.names names {known}",
            "name them all in data.labels.names, in this order",
        )
    return [label for label, value in zip(names, values, strict=True) if _flag(value)]


def _flag(value: Any) -> bool | None:
    """A truth value as files have it; None for anything else."""
    return _FLAGS.get(str(value).strip().lower())


def _is_nothing(value: Any) -> bool:
    return value is None or not str(value).strip()


def _number(value: Any, name: str) -> float | None:
    if value is None or (isinstance(value, str) and value.strip().lower() in _NO_NUMBER):
        return None
    if isinstance(value, float) and isnan(value):  # how a column of numbers says "nothing"
        return None
    try:
        number = float("nan") if isinstance(value, bool) else float(value)
    except (TypeError, ValueError):
        number = float("nan")
    if not isfinite(number):
        raise RuleError(
            f"the {name} must be a finite number, got {value!r}",
            f"correct it, or map the right column in data.columns.{name}",
        )
    return number
