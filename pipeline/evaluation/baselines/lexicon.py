"""A gazetteer: what was an entity in the train split is one wherever it occurs."""

from __future__ import annotations

import unicodedata
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

_UNSPACED = ("CJK", "HIRAGANA", "KATAKANA", "THAI")


class Lexicon:
    """Finds known entity strings in text, the longest first, from left to right.

    A string has the type that it had most often; of equals, the alphabetically first. Its score is
    how often it had that type among all its occurrences as an entity. In scripts that separate
    words, a string is found at word boundaries only.

    Args:
        texts: Texts of the train split.
        entities: For each text its entities, with `start`, `end` and `type`.
    """

    def __init__(
        self, texts: Sequence[str], entities: Sequence[Sequence[Mapping[str, Any]]]
    ) -> None:
        types: dict[str, Counter[str]] = defaultdict(Counter)
        for text, found in zip(texts, entities, strict=True):
            for entity in found:
                types[text[entity["start"] : entity["end"]]][entity["type"]] += 1
        self._types: dict[str, tuple[str, float]] = {}
        lengths: dict[str, set[int]] = defaultdict(set)
        for string, counts in types.items():
            best = min(counts, key=lambda name: (-counts[name], name))
            self._types[string] = (best, counts[best] / counts.total())
            lengths[string[0]].add(len(string))
        self._lengths = {first: sorted(known, reverse=True) for first, known in lengths.items()}

    def find(self, text: str) -> list[dict[str, Any]]:
        """The entities of a text: `start`, `end`, `type`, `score`; they do not overlap."""
        found = []
        start = 0
        while start < len(text):
            end = self._longest(text, start)
            if end is None:
                start += 1
                continue
            kind, score = self._types[text[start:end]]
            found.append({"start": start, "end": end, "type": kind, "score": score})
            start = end
        return found

    def _longest(self, text: str, start: int) -> int | None:
        lengths = self._lengths.get(text[start], ())
        if not lengths or _inside_word(text, start):
            return None
        for length in lengths:
            end = start + length
            if text[start:end] in self._types and not _inside_word(text, end):
                return end
        return None


def _inside_word(text: str, place: int) -> bool:
    """Whether a place lies between two letters of a word of a script that separates words."""
    if not 0 < place < len(text):
        return False
    return all(
        character.isalnum() and not unicodedata.name(character, "").startswith(_UNSPACED)
        for character in text[place - 1 : place + 1]
    )
