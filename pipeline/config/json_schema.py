"""JSON Schema of the configuration, for editors and for reading."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pipeline.artifacts import write_json
from pipeline.config.schema import GROUPS, Config
from pipeline.errors import UserError, did_you_mean

SCHEMA_DIRECTORY = Path("conf") / ".schema"


def schema_of(section: str | None = None) -> dict[str, Any]:
    """The JSON Schema of the whole configuration or of one section.

    Args:
        section: A top-level section, for example `optimizer`.

    Raises:
        UserError: If there is no such section.
    """
    if section is None:
        return Config.model_json_schema()
    if section not in GROUPS:
        raise UserError(
            f"the configuration has no section {section!r}", remedy=did_you_mean(section, GROUPS)
        )
    model: Any = Config.model_fields[section].annotation
    schema: dict[str, Any] = model.model_json_schema()
    return schema


def print_schema(section: str | None) -> None:
    """Prints a schema."""
    print(json.dumps(schema_of(section), indent=2, ensure_ascii=False))


def write_schemas(root: Path) -> None:
    """Writes one schema a section to `conf/.schema/`.

    An editor with the YAML language server completes and checks a file whose first line is
    `# yaml-language-server: $schema=../.schema/optimizer.json`. A file of `conf/` says only what
    differs from the defaults, so no key is required there.

    Args:
        root: The project's root.
    """
    for section in GROUPS:
        schema = schema_of(section)
        for part in (schema, *schema.get("$defs", {}).values()):
            part.pop("required", None)
        write_json(root / SCHEMA_DIRECTORY / f"{section}.json", schema)
    print(f"{len(GROUPS)} schemas in {SCHEMA_DIRECTORY}/")
