from __future__ import annotations

import json

import pyarrow as pa
from mlflow.types import Schema

from pipeline.tracking.schemas import column_specs

SPAN = pa.struct([("start", pa.int32()), ("type", pa.string())])


def test_arrow_schemas_are_schemas_that_mlflow_reads_back() -> None:
    schema = pa.schema(
        {
            "text": pa.string(),
            "label": pa.dictionary(pa.int8(), pa.string()),
            "labels": pa.list_(pa.int64()),
            "entities": pa.list_(SPAN),
            "scores": pa.map_(pa.string(), pa.float64()),
            "when": pa.timestamp("s"),
            "nothing": pa.null(),
            "empty": pa.struct([]),
        }
    )
    found = Schema.from_json(json.dumps(column_specs(schema)))
    assert found.input_names() == schema.names
    assert [str(kind) for kind in found.input_types()] == [
        "DataType.string",
        "DataType.string",
        "Array(long)",
        "Array({start: integer (required), type: string (required)})",
        "Map(str -> DataType.double)",
        "DataType.datetime",
        "Any",
        "Any",
    ]
    assert json.loads(found.to_json()) == column_specs(schema)
    assert found.required_input_names() == schema.names


def test_columns_need_not_be_required() -> None:
    (spec,) = column_specs(pa.schema({"score": pa.float64()}), required=False)
    assert spec == {"type": "double", "name": "score", "required": False}
