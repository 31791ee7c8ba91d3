from __future__ import annotations

import json
from pathlib import Path

import pytest

from pipeline.config.json_schema import SCHEMA_DIRECTORY, schema_of, write_schemas
from pipeline.config.schema import GROUPS
from pipeline.errors import UserError


def test_a_section_s_schema_carries_its_documentation_and_limits() -> None:
    lr = schema_of("optimizer")["properties"]["lr"]
    assert lr["exclusiveMinimum"] == 0
    assert "learning rate" in lr["description"]


def test_an_unknown_section_gets_a_suggestion() -> None:
    with pytest.raises(UserError, match="did you mean 'optimizer'"):
        schema_of("optimiser")


def test_written_schemas_require_nothing_and_forbid_unknown_keys(tmp_path: Path) -> None:
    write_schemas(tmp_path)
    for group in GROUPS:
        schema = json.loads((tmp_path / SCHEMA_DIRECTORY / f"{group}.json").read_text())
        assert "required" not in schema
        assert schema["additionalProperties"] is False
