"""What a card calls the inputs of a model."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pipeline.tasks.base import Column, Kind


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


_OF_PIPELINES = {"text", "text_pair"}
"""Inputs that transformers' pipelines take together."""


def words_of(columns: Sequence[Column]) -> Words:
    """The words for such inputs; of several the first of a known kind decides."""
    known = (_WORDS[column.kind] for column in columns if column.kind in _WORDS)
    return next(known, _WORDS["text"])


def shell_example(columns: Sequence[Column]) -> str:
    """A row as an argument of the command line, quoted."""
    if len(columns) == 1:
        return f'"{words_of(columns).example}"'
    return f"'{_together(columns)}'"


def python_example(columns: Sequence[Column]) -> str | None:
    """A row as transformers' pipelines take it; None for what they do not take."""
    if len(columns) == 1:
        return f'"{words_of(columns).example}"'
    return _together(columns) if {one.name for one in columns} <= _OF_PIPELINES else None


def _together(columns: Sequence[Column]) -> str:
    return json.dumps({one.name: words_of([one]).example for one in columns})
