"""From a mapping to a checked section, or to all that is wrong with it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, Literal, TypeVar, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from pipeline.config.base import Section
from pipeline.errors import ConfigError, Problem, did_you_mean

SourceOf = Callable[[str], str | None]
"""Names the file or argument that set a key, given its dotted path."""

Checked = TypeVar("Checked", bound=Section)


def validate(model: type[Checked], values: Mapping[str, Any], source_of: SourceOf) -> Checked:
    """Checks values against a section, `Config` for a whole composition.

    Args:
        model: The section.
        values: Its values, resolved, JSON-able.
        source_of: Where a key's value came from.

    Raises:
        ConfigError: With every problem found, each with path, source and remedy.
    """
    try:
        return model.model_validate_json(json.dumps(values))
    except ValidationError as error:
        problems = [_problem(model, details, source_of) for details in error.errors()]
        raise ConfigError(problems) from None


def _problem(root: type[BaseModel], details: ErrorDetails, source_of: SourceOf) -> Problem:
    location = details["loc"]
    model, path = _walk(root, location)
    key = ".".join(path) or "config"
    kind = details["type"]
    received = details["input"]
    remedy: str | None = None
    if kind == "extra_forbidden":
        message = "there is no such key"
        remedy = did_you_mean(path[-1], model.model_fields if model else ())
    elif kind in {"literal_error", "union_tag_invalid"}:
        allowed = _allowed(details)
        if kind == "union_tag_invalid":
            received = details.get("ctx", {}).get("tag", received)
        message = f"must be one of {', '.join(allowed)}; got {received!r}"
        near = did_you_mean(str(received), allowed)
        remedy = near if near.startswith("did") else None
    elif kind == "missing":
        message = "must be given"
    elif kind == "value_error":
        message = details["msg"].removeprefix("Value error, ")
    else:
        shown = repr(received)
        message = f"{details['msg']}; got {shown if len(shown) < 80 else shown[:77] + '…'}"
    return Problem(key, message, source_of(key), remedy)


def _allowed(details: ErrorDetails) -> list[str]:
    context = details.get("ctx", {})
    expected = str(context.get("expected", context.get("expected_tags", "")))
    return [word.strip(" '\"") for word in expected.replace(" or ", ", ").split(",")]


def _walk(
    root: type[BaseModel], location: tuple[int | str, ...]
) -> tuple[type[BaseModel] | None, list[str]]:
    """Follows an error's location to the model that holds the key; tags of unions are left out."""
    model: type[BaseModel] | None = root
    path: list[str] = []
    candidates: list[type[BaseModel]] = []
    for part in location:
        tagged = [m for m in candidates if _tag(m) == part]
        if tagged:
            model, candidates = tagged[0], []
            continue
        path.append(str(part))
        field = model.model_fields.get(str(part)) if model else None
        if field is not None:
            candidates = models_in(field.annotation)
            model = candidates[0] if len(candidates) == 1 else None
        elif isinstance(part, str) and part != location[-1] and candidates:
            model = candidates[0]
    return model, path


def models_in(annotation: Any) -> list[type[BaseModel]]:
    """The sections that a field's type may hold, inside unions, tuples and mappings too."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for argument in get_args(annotation) for model in models_in(argument)]


def _tag(model: type[BaseModel]) -> str | None:
    """The value of the field by which a union tells the model from others."""
    for field in model.model_fields.values():
        values = get_args(field.annotation)
        if get_origin(field.annotation) is Literal and len(values) == 1:
            return str(values[0])
    return None
