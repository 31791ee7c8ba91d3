"""Raw values to canonical ones, by what a column holds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import isfinite
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
    names = [labels.name_of(label) for label in value]
    return sorted({label for label in names if label is not None})


def _number(value: Any, name: str) -> float | None:
    if value is None or (isinstance(value, str) and not value.strip()):
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
