"""What every section of the configuration has in common."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Probability = Annotated[float, Field(ge=0.0, lt=1.0)]
Positive = Annotated[float, Field(gt=0.0)]
Count = Annotated[int, Field(ge=1)]


class Section(BaseModel):
    """A part of the configuration: unknown keys and wrong types are errors, values never change.

    Pydantic's strict mode is used over JSON, so lists fill tuples and a whole number fills a float,
    but the text "3" is not the number 3.
    """

    model_config = ConfigDict(
        extra="forbid", strict=True, frozen=True, use_attribute_docstrings=True, allow_inf_nan=False
    )


class Group(Section):
    """A section that `conf/<section>/<option>.yaml` fills."""

    name: str = Field(default="default", min_length=1)
    """The option's file name, filled in by the composition."""
