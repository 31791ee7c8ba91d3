"""Parameters, tags and schemas in the form that MLflow stores."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

MAX_PARAM = 6_000
"""Characters MLflow keeps of a parameter's value."""
MAX_TAG = 8_000
"""Characters MLflow keeps of a tag's value."""
MAX_NAME = 250
"""Characters of a name."""
_TYPES = {
    "string": "string",
    "large_string": "string",
    "bool": "boolean",
    "int8": "integer",
    "int16": "integer",
    "int32": "integer",
    "int64": "long",
    "float": "float",
    "double": "double",
    "binary": "binary",
}
_NAME = re.compile(r"[^/\w.\- :]")


@lru_cache(maxsize=10_000)
def clean_name(name: str) -> str:
    """A metric, parameter or tag name with only what MLflow allows in it.

    Word characters of any script, `_ - . / :` and the space; anything else becomes `_`.
    """
    return _NAME.sub("_", name).strip("/.")[:MAX_NAME] or "_"


def flatten(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Nested settings as dotted names and texts.

    Text stays as it is; numbers, booleans, null, lists and empty mappings are written as JSON.
    """
    for key, value in values.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping) and value:
            yield from flatten(value, f"{name}.")
        elif isinstance(value, str):
            yield clean_name(name), value
        else:
            yield clean_name(name), json.dumps(value, ensure_ascii=False, default=str)


def column_spec(name: str, arrow_type: str) -> dict[str, Any]:
    """A column of a data set's schema in MLflow's words.

    Args:
        name: The column.
        arrow_type: Its Arrow type in Arrow's words; a type MLflow has no word for becomes `any`.
    """
    return {**_type_spec(arrow_type), "name": name, "required": True}


def _type_spec(arrow_type: str) -> dict[str, Any]:
    items = re.fullmatch(r"(?:large_)?list<(?:\w+: )?(.+)>", arrow_type)
    if items is None:
        return {"type": _TYPES.get(arrow_type, "any")}
    return {"type": "array", "items": _type_spec(items[1])}
