"""Names of classes that a file knows, as `datasets` writes them into the schema of Parquet."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

UNKNOWN = -1
"""The hub's id for a row without label."""


def class_names(schema: pa.Schema) -> Mapping[str, Sequence[str]]:
    """The class names by column that a file's schema tells, of ids or of lists of ids.

    Source: `datasets` keeps its features as JSON under the key `huggingface`; see
    https://huggingface.co/docs/datasets/about_arrow.
    """
    try:
        features = json.loads((schema.metadata or {})[b"huggingface"])["info"]["features"]
        found = {str(name): _names(feature) for name, feature in features.items()}
    except (KeyError, TypeError, AttributeError, ValueError):
        return {}
    return {name: names for name, names in found.items() if names is not None}


def _names(feature: Any) -> Sequence[str] | None:
    if isinstance(feature, list) and len(feature) == 1:  # how old versions write a list
        (feature,) = feature
    if isinstance(feature, dict) and isinstance(feature.get("feature"), dict):
        feature = feature["feature"]
    if not isinstance(feature, dict) or feature.get("_type") != "ClassLabel":
        return None
    return [str(name) for name in feature["names"]]


def named(values: Sequence[Any], names: Sequence[str] | None) -> Sequence[Any]:
    """Class ids as names, in lists too; an id without name stays as it is.

    Args:
        values: Ids, lists of them, or None.
        names: By id; None where the values are no ids.
    """
    if names is None:
        return values

    def name(value: Any) -> Any:
        if isinstance(value, list):
            return [name(one) for one in value]
        if value is None or value == UNKNOWN:
            return None
        return names[value] if 0 <= value < len(names) else value

    return [name(value) for value in values]
