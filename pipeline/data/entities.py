"""Entities of a text as character spans: the shapes they have in files, and their rules."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from pipeline.config.data import FormatConfig
from pipeline.data.rules import RuleError

ENTITIES_TYPE = pa.list_(
    pa.struct([("start", pa.int32()), ("end", pa.int32()), ("type", pa.string())])
)
"""The canonical column: character offsets, the end exclusive."""


@dataclass(frozen=True, order=True)
class Entity:
    """A span of a text.

    Attributes:
        start: First character, from 0.
        end: Behind the last character.
        type: What it is.
    """

    start: int
    end: int
    type: str

    def __str__(self) -> str:
        return f"{self.type} [{self.start}, {self.end})"

    def as_dict(self) -> dict[str, Any]:
        """As Arrow takes it."""
        return {"start": self.start, "end": self.end, "type": self.type}


def read_entities(value: Any, text: str, options: FormatConfig) -> tuple[list[Entity], int]:
    """Reads the entities of a text, in any of the shapes that files have.

    Args:
        value: A list of `[start, end, type]`; a list of objects with start, end and type (or
            label); or `{type: {surface: [[start, end], …]}}` as in CLUENER.
        text: The text.
        options: Whether ends are inclusive, and what happens to overlapping entities.

    Returns:
        Entities in the order of the text, none overlapping, and how many were left out for that.

    Raises:
        RuleError: If the shape is another, or a span is outside the text, empty, not what the file
            says that it is, or overlaps another.
    """
    inclusive = options.span_end == "inclusive"
    entities = []
    for start, end, kind, surface in _spans(value):
        if not all(isinstance(edge, int) and not isinstance(edge, bool) for edge in (start, end)):
            raise RuleError(
                f"an entity's offsets must be whole numbers, got {start!r} and {end!r}",
                "correct the row",
            )
        if not isinstance(kind, str) or not kind:
            raise RuleError(f"an entity's type must be a string, got {kind!r}", "correct the row")
        entity = Entity(start, end + inclusive, kind)
        _check_span(entity, text, inclusive=inclusive)
        if surface is not None and text[entity.start : entity.end] != surface:
            raise RuleError(
                f"{entity} is {text[entity.start : entity.end]!r} in the text, "
                f"but the file says {surface!r}",
                _other_end(inclusive, text[start : end + (not inclusive)] == surface),
            )
        entities.append(entity)
    return without_overlaps(entities, keep_longest=options.overlapping_entities == "longest")


def without_overlaps(entities: Iterable[Entity], *, keep_longest: bool) -> tuple[list[Entity], int]:
    """Sorts entities and deals with those that share characters.

    Args:
        entities: Entities of one text.
        keep_longest: Leave out those that overlap a longer one, instead of an error.

    Returns:
        The entities kept, and how many were left out; equal entities count once.

    Raises:
        RuleError: If two overlap and that is an error.
    """
    kept: list[Entity] = []
    distinct = sorted(set(entities))
    for entity in sorted(distinct, key=lambda one: (one.start - one.end, one)):
        if all(entity.end <= other.start or other.end <= entity.start for other in kept):
            kept.append(entity)
        elif not keep_longest:
            other = next(o for o in kept if entity.start < o.end and o.start < entity.end)
            raise RuleError(
                f"the entities {min(entity, other)} and {max(entity, other)} overlap",
                "correct the row, or keep the longest of them with "
                "data.format.overlapping_entities=longest",
            )
    return sorted(kept), len(distinct) - len(kept)


def _spans(value: Any) -> Iterator[tuple[Any, Any, Any, str | None]]:
    if isinstance(value, Mapping):
        for kind, surfaces in value.items():
            for surface, places in _items(surfaces, value):
                for place in _pairs(places, value):
                    yield place[0], place[1], kind, surface
        return
    if not isinstance(value, Sequence) or isinstance(value, str):
        raise _shape(value)
    for span in value:
        if isinstance(span, Mapping):
            kind = span.get("type", span.get("label"))
            yield span.get("start"), span.get("end"), kind, None
        elif isinstance(span, Sequence) and not isinstance(span, str) and len(span) == 3:
            yield span[0], span[1], span[2], None
        else:
            raise _shape(span)


def _items(surfaces: Any, value: Any) -> Iterable[tuple[str, Any]]:
    if not isinstance(surfaces, Mapping):
        raise _shape(value)
    return surfaces.items()


def _pairs(places: Any, value: Any) -> Iterable[Sequence[Any]]:
    if not isinstance(places, list) or any(
        not isinstance(place, list) or len(place) != 2 for place in places
    ):
        raise _shape(value)
    return places


def _shape(value: Any) -> RuleError:
    shown = repr(value)
    return RuleError(
        "entities must be a list of [start, end, type] or of objects with start, end and type, or "
        "{type: {surface: [[start, end]]}}; got "
        + (shown if len(shown) <= 80 else shown[:80] + "…"),
        "correct the row, or map the right column in data.columns.entities",
    )


def _check_span(entity: Entity, text: str, *, inclusive: bool) -> None:
    if entity.start < 0 or entity.end > len(text):
        one_beyond = inclusive and entity.end == len(text) + 1
        raise RuleError(
            f"the entity {entity} is outside the text, which has {len(text)} characters",
            _other_end(inclusive, one_beyond),
        )
    if entity.end <= entity.start:
        # Of an entity of one character an inclusive end equals the start.
        raise RuleError(
            f"the entity {entity} ends before it starts",
            _other_end(inclusive, not inclusive and entity.end == entity.start),
        )


def _other_end(inclusive: bool, likely: bool) -> str:
    if not likely:
        return "correct the offsets; they count characters from 0"
    other = "exclusive" if inclusive else "inclusive"
    return f"set data.format.span_end={other}, if the ends of all entities are meant so"
