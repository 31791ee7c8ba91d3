"""Arrow schemas in MLflow's words: of data sets, and of what a model takes and gives."""

from __future__ import annotations

from typing import Any

import pyarrow as pa


def column_specs(schema: pa.Schema, *, required: bool = True) -> list[dict[str, Any]]:
    """The columns as `mlflow.types.Schema.from_json` reads them.

    Args:
        schema: Names and types; a type MLflow has no word for becomes `any`.
        required: Whether a column has to be there.
    """
    return [
        {**_type_spec(field.type), "name": field.name, "required": required} for field in schema
    ]


def _type_spec(kind: pa.DataType) -> dict[str, Any]:
    types = pa.types
    if types.is_dictionary(kind):
        return _type_spec(kind.value_type)
    if types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind):
        return {"type": "array", "items": _type_spec(kind.value_type)}
    if types.is_map(kind):
        return {"type": "map", "values": _type_spec(kind.item_type)}
    if types.is_struct(kind):
        fields = [kind.field(number) for number in range(kind.num_fields)]
        properties = {field.name: {**_type_spec(field.type), "required": True} for field in fields}
        return {"type": "object", "properties": properties} if properties else {"type": "any"}
    return {"type": _plain(kind)}


def _plain(kind: pa.DataType) -> str:
    types = pa.types
    for name, holds in (
        ("string", types.is_string(kind) or types.is_large_string(kind)),
        ("boolean", types.is_boolean(kind)),
        ("long", types.is_int64(kind) or types.is_uint32(kind) or types.is_uint64(kind)),
        ("integer", types.is_integer(kind)),
        ("double", types.is_float64(kind)),
        ("float", types.is_floating(kind)),
        ("datetime", types.is_timestamp(kind) or types.is_date(kind)),
        ("binary", types.is_binary(kind) or types.is_large_binary(kind)),
    ):
        if holds:
            return name
    return "any"
