"""What a card calls the inputs of a model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pipeline.tasks.base import Kind


@dataclass(frozen=True)
class Words:
    """How a kind of input is spoken of.

    Attributes:
        inputs: Several of them.
        example: One, as an argument of the command line.
        cut: The end of "at most so many … of": what is read of one; empty where nothing is cut.
    """

    inputs: str
    example: str
    cut: str


_WORDS: Mapping[Kind, Words] = {
    "text": Words("texts", "a text", "a text"),
    "messages": Words("chats", "a text", "a chat"),
    "audio": Words("recordings", "recording.wav", "a recording"),
    "image": Words("pictures", "picture.jpg", ""),
}


def words_of(kinds: Sequence[Kind]) -> Words:
    """The words for inputs of these kinds; of several the first that is known decides."""
    return next((_WORDS[kind] for kind in kinds if kind in _WORDS), _WORDS["text"])
