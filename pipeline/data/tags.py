"""Token tags (BIO, BIOES, BMES) as entities of the text that the tokens make."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pipeline.data.entities import Entity
from pipeline.data.rules import RuleError

OUTSIDE = "O"
LETTERS = {"BIO": "BI", "BIOES": "BIES", "BMES": "BMES"}
"""Prefixes of each scheme: begin, inside (or middle), end, single."""
BEGINNING, CONTINUING, ENDING = "BS", "IME", "ESO"


def entities_of_tags(
    tokens: Sequence[Any], tags: Sequence[Any], *, scheme: str, separator: str
) -> tuple[str, list[Entity]]:
    """Joins tokens to a text and reads the entities off their tags.

    Args:
        tokens: Words or characters.
        tags: One for each token: `O`, or a prefix of the scheme, `-` and the entity's type.
        scheme: BIO, BIOES or BMES.
        separator: What joins tokens.

    Returns:
        The text and its entities in order, offsets in characters.

    Raises:
        RuleError: If lengths differ, a tag does not belong to the scheme, or an entity is continued
            that was not begun, or begun and not ended.
    """
    if len(tokens) != len(tags):
        raise RuleError(
            f"{len(tokens)} tokens have {len(tags)} tags", "give each token exactly one tag"
        )
    entities: list[Entity] = []
    place = 0
    for token, (prefix, kind) in zip(tokens, _checked(tags, scheme), strict=True):
        if not isinstance(token, str):
            raise RuleError(f"a token must be a string, got {token!r}", "correct the row")
        end = place + len(token)
        if prefix in BEGINNING:
            entities.append(Entity(place, end, kind))
        elif prefix in CONTINUING:
            entities[-1] = Entity(entities[-1].start, end, kind)
        place = end + len(separator)
    return separator.join(tokens), entities


def _checked(tags: Sequence[Any], scheme: str) -> list[tuple[str, str]]:
    """Prefix and type of each tag, in an order that the scheme allows."""
    parts = [_parts(tag, scheme, tags, number) for number, tag in enumerate(tags)]
    marks_ends = scheme != "BIO"
    unfinished: str | None = None
    for number, (prefix, kind) in enumerate(parts):
        tag, before = tags[number], tags[number - 1]
        if prefix in CONTINUING and unfinished != kind:
            place = f"follows {before!r}" if number else "stands first"
            raise _broken(
                f"the tag {tag!r} {place}, but an entity must begin with B-{kind}",
                scheme,
                tags,
                number,
            )
        if marks_ends and unfinished is not None and prefix not in CONTINUING:
            raise _broken(
                f"the tag {tag!r} follows {before!r}, but an entity must end with E-{unfinished}",
                scheme,
                tags,
                number,
            )
        unfinished = None if prefix in ENDING else kind
    if marks_ends and unfinished is not None:
        raise _broken(
            f"the text ends with the tag {tags[-1]!r}, but an entity must end with E-{unfinished}",
            scheme,
            tags,
            len(tags) - 1,
        )
    return parts


def _parts(tag: Any, scheme: str, tags: Sequence[Any], number: int) -> tuple[str, str]:
    if tag == OUTSIDE:
        return OUTSIDE, ""
    if not isinstance(tag, str):
        raise RuleError(
            f"a tag must be a string such as B-PER, got {tag!r}",
            "write tags as strings; class ids of a hub dataset become names where it declares them",
            shift=number,
        )
    prefix, _, kind = tag.partition("-")
    if prefix not in LETTERS[scheme] or not kind or len(prefix) != 1:
        raise _broken(f"the tag {tag!r} is not of the scheme {scheme}", scheme, tags, number)
    return prefix, kind


def _broken(message: str, scheme: str, tags: Sequence[Any], number: int) -> RuleError:
    """The error, with the scheme that the row's prefixes suggest."""
    prefixes = {str(tag)[:1] for tag in tags if "-" in str(tag)}
    fitting = [
        name
        for name, letters in LETTERS.items()
        if name != scheme and prefixes <= set(letters) and not prefixes <= set("BI")
    ]
    remedy = f"correct the tag; allowed are O and {', '.join(p + '-…' for p in LETTERS[scheme])}"
    if fitting:
        remedy = f"set data.format.tagging_scheme={fitting[0]}, or correct the tag"
    elif scheme != "BIO" and prefixes <= set("BI"):
        remedy = "set data.format.tagging_scheme=BIO, or correct the tag"
    return RuleError(message, remedy, shift=number)
