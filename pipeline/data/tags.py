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
    tokens: Sequence[Any],
    tags: Sequence[Any],
    *,
    scheme: str,
    separator: str,
    mend: bool = False,
) -> tuple[str, list[Entity], bool]:
    """Joins tokens to a text and reads the entities off their tags.

    Args:
        tokens: Words or characters.
        tags: One for each token: `O`, or a prefix of the scheme, `-` and the entity's type.
        scheme: BIO, BIOES or BMES.
        separator: What joins tokens.
        mend: Let a tag that continues nothing begin an entity, and one that is not ended end where
            the next begins, instead of an error.

    Returns:
        The text, its entities in order with offsets in characters, and whether tags were mended.

    Raises:
        RuleError: If lengths differ, a tag does not belong to the scheme, or an entity is continued
            that was not begun, or begun and not ended.
    """
    if len(tokens) != len(tags):
        raise RuleError(
            f"{len(tokens)} tokens have {len(tags)} tags", "give each token exactly one tag"
        )
    parts, problem = _ordered(tags, scheme)
    if problem is not None and not mend:
        raise problem
    entities: list[Entity] = []
    place = 0
    for token, (prefix, kind) in zip(tokens, parts, strict=True):
        if not isinstance(token, str):
            raise RuleError(f"a token must be a string, got {token!r}", "correct the row")
        end = place + len(token)
        if prefix in BEGINNING:
            entities.append(Entity(place, end, kind))
        elif prefix in CONTINUING:
            entities[-1] = Entity(entities[-1].start, end, kind)
        place = end + len(separator)
    return separator.join(tokens), entities, problem is not None


def _ordered(tags: Sequence[Any], scheme: str) -> tuple[list[tuple[str, str]], RuleError | None]:
    """Prefix and type of each tag, with every entity begun, and the first break of the order."""
    parts = [_parts(tag, scheme, tags, number) for number, tag in enumerate(tags)]
    problem: RuleError | None = None
    unfinished: str | None = None
    for number, (prefix, kind) in enumerate(parts):
        continues = prefix in CONTINUING and unfinished == kind
        if not continues and unfinished is not None and scheme != "BIO":
            message = (
                f"the tag {tags[number]!r} follows {tags[number - 1]!r}, but an entity must end "
                f"with E-{unfinished}"
            )
            problem = problem or _broken(message, scheme, tags, number)
        elif not continues and prefix in CONTINUING:
            place = f"follows {tags[number - 1]!r}" if number else "stands first"
            message = f"the tag {tags[number]!r} {place}, but an entity must begin with B-{kind}"
            problem = problem or _broken(message, scheme, tags, number)
        if prefix in CONTINUING and not continues:
            parts[number] = ("B", kind)
        unfinished = None if prefix in ENDING else kind
    if unfinished is not None and scheme != "BIO":
        message = (
            f"the text ends with the tag {tags[-1]!r}, but an entity must end with E-{unfinished}"
        )
        problem = problem or _broken(message, scheme, tags, len(tags) - 1)
    return parts, problem


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
        if prefixes <= set(letters) and not prefixes <= {*LETTERS[scheme], *"BI"}
    ]
    allowed = ", ".join(f"{letter}-…" for letter in LETTERS[scheme])
    remedy = (
        f"correct the tag (allowed are O, {allowed}), or set data.format.broken_tags=mend if an "
        "entity that is not begun or not ended may be taken as it stands"
    )
    if fitting:
        remedy = f"set data.format.tagging_scheme={fitting[0]}, or correct the tag"
    elif scheme != "BIO" and prefixes <= set("BI"):
        remedy = "set data.format.tagging_scheme=BIO, or correct the tag"
    return RuleError(message, remedy, shift=number)
