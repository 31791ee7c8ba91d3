from __future__ import annotations

import json

import pytest
from mlflow.types import Schema

from pipeline.tracking.params import clean_name, column_spec, flatten


def test_settings_become_dotted_names_and_texts() -> None:
    settings = {"a": {"b": 1, "c": {"d": [1, "x"]}}, "e": None, "f": True, "g": "text", "h": {}}
    assert dict(flatten(settings)) == {
        "a.b": "1",
        "a.c.d": '[1, "x"]',
        "e": "null",
        "f": "true",
        "g": "text",
        "h": "{}",
    }


@pytest.mark.parametrize(
    ("name", "clean"),
    [("val/f1", "val/f1"), ("体育/f1", "体育/f1"), ("a(b)=c", "a_b__c"), ("/x/", "x"), ("", "_")],
)
def test_names_keep_what_mlflow_allows(name: str, clean: str) -> None:
    assert clean_name(name) == clean


def test_arrow_schemas_are_schemas_that_mlflow_reads_back() -> None:
    columns = {"text": "string", "labels": "list<item: int64>", "odd": "struct<a: int32>"}
    specs = [column_spec(name, kind) for name, kind in columns.items()]
    schema = Schema.from_json(json.dumps(specs))
    assert schema.input_names() == list(columns)
    assert [str(kind) for kind in schema.input_types()][:2] == ["DataType.string", "Array(long)"]
