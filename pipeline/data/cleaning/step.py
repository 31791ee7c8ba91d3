"""What a cleaning step is, and how entities follow the characters that it moves."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

from pipeline.data.entities import Entity

Piece = tuple[int, int, str]
"""Start and end in the old text, and what stands in its place in the new one."""


class TextStep(Protocol):
    """Changes one text; a pure function of it, so that predict cleans as prepare did."""

    def apply(self, text: str) -> str:
        """The cleaned text."""
        ...


class AlignedStep(TextStep, Protocol):
    """A step that knows where each character of the cleaned text came from."""

    def pieces(self, text: str) -> Iterable[Piece]:
        """The cleaned text in pieces, in order; joined they are `apply(text)`.

        Old characters between two pieces were removed; a piece with an empty old span was inserted.
        """
        ...


def moved(entities: Sequence[Entity], pieces: Iterable[Piece]) -> list[Entity]:
    """Entities in the cleaned text.

    An entity covers every piece of which it held a character; one that lost all of them is gone.

    Args:
        entities: Entities of the old text.
        pieces: What became of it.
    """
    spans = []
    place = 0
    for start, end, new in pieces:
        if new and end > start:
            spans.append((start, end, place, place + len(new)))
        place += len(new)
    found = []
    for entity in entities:
        inside = [span for span in spans if span[0] < entity.end and entity.start < span[1]]
        if inside:
            found.append(
                Entity(_begin(entity.start, inside[0]), _end(entity.end, inside[-1]), entity.type)
            )
    return found


def _begin(edge: int, span: tuple[int, int, int, int]) -> int:
    """Within a piece that kept its length, characters keep their places."""
    start, end, new_start, new_end = span
    return new_start + max(edge - start, 0) if end - start == new_end - new_start else new_start


def _end(edge: int, span: tuple[int, int, int, int]) -> int:
    start, end, new_start, new_end = span
    return new_start + min(edge, end) - start if end - start == new_end - new_start else new_end
