"""Where the characters of a cleaned text stood in the text as it was given."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.data.cleaning.step import AlignedStep


@dataclass(frozen=True)
class TracedText:
    """A cleaned text that knows where it came from.

    Attributes:
        text: The cleaned text.
        starts: For each of its characters, where what became of it began in the given text.
        ends: The same for the end, exclusive.
    """

    text: str
    starts: tuple[int, ...]
    ends: tuple[int, ...]

    def span(self, start: int, end: int) -> tuple[int, int]:
        """Where a span of the cleaned text (not empty) stood in the given one."""
        return self.starts[start], self.ends[end - 1]


def trace(text: str, steps: Sequence[AlignedStep]) -> TracedText:
    """Cleans a text, and follows each character through all steps.

    A character in a piece that kept its length stands for the one at its place; any other stands
    for the whole piece.
    """
    starts: list[int] = list(range(len(text)))
    ends: list[int] = list(range(1, len(text) + 1))
    for step in steps:
        pieces = list(step.pieces(text))
        new_starts: list[int] = []
        new_ends: list[int] = []
        for start, end, new in pieces:
            if len(new) == end - start:
                new_starts += starts[start:end]
                new_ends += ends[start:end]
            elif new:
                # An inserted piece has no character of its own: it lies behind the one before.
                first = starts[start] if end > start else (ends[start - 1] if start else 0)
                new_starts += [first] * len(new)
                new_ends += [ends[end - 1] if end > start else first] * len(new)
        text = "".join(new for _, _, new in pieces)
        starts, ends = new_starts, new_ends
    return TracedText(text, tuple(starts), tuple(ends))
