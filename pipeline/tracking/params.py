"""Parameters and tags in the form that MLflow stores."""

from __future__ import annotations

import hashlib
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
_DIGEST_DIGITS = 8
_NAME = re.compile(r"[^/\w.\- :]")


@lru_cache(maxsize=10_000)
def clean_name(name: str) -> str:
    """A metric, parameter or tag name with only what MLflow allows in it.

    Word characters of any script, `_ - . / :` and the space; anything else becomes `_`. Of a name
    too long for MLflow a hash of the whole takes the place of its end, so that no two become one.
    """
    clean = _NAME.sub("_", name).strip("/.") or "_"
    if len(clean) <= MAX_NAME:
        return clean
    digest = hashlib.sha256(clean.encode()).hexdigest()[:_DIGEST_DIGITS]
    return f"{clean[: MAX_NAME - _DIGEST_DIGITS - 1]}-{digest}"


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
