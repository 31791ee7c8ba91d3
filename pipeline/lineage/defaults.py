"""Which settings of a run are not what the schema gives by itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

from pipeline.config.schema import GROUPS, WITHOUT_EFFECT, Config
from pipeline.tracking.params import flatten

_NOT_COUNTED = WITHOUT_EFFECT | {"data"}
"""Of data nearly every setting says what the data are, and none is a choice against a default."""


def changed_settings(params: Mapping[str, str]) -> dict[str, tuple[str, str]]:
    """The settings that differ from the schema's defaults: value and default, by dotted path.

    Settings without a default, names of options and the data's are left out.

    Args:
        params: The run's parameters, flattened as tracking does.
    """
    found = {}
    for group in GROUPS:
        section = Config.model_fields[group].annotation
        if group in _NOT_COUNTED or not isinstance(section, type):
            continue
        for name, default in flatten({group: _defaults(section)}):
            value = params.get(name, default)
            if value != default:
                found[name] = (value, default)
    return found


def _defaults(section: type[BaseModel]) -> dict[str, Any]:
    values = {}
    for name, field in section.model_fields.items():
        if field.is_required() or name == "name":
            continue
        value = field.get_default(call_default_factory=True, validated_data={})
        values[name] = value.model_dump(mode="json") if isinstance(value, BaseModel) else value
    return values
