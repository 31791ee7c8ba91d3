"""Steps that look at characters: Unicode normalisation, white space, lower case."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from itertools import pairwise
from typing import Literal

from pipeline.data.cleaning.step import Piece

Form = Literal["NFC", "NFKC", "NFD", "NFKD"]
_BLANK = re.compile(r"[\s\x00-\x1f\x7f-\x9f]+")


class Unicode:
    """Unicode normalisation.

    Args:
        form: The normal form.
    """

    def __init__(self, form: Form) -> None:
        self._form = form

    def apply(self, text: str) -> str:
        """The text in the normal form."""
        return unicodedata.normalize(self._form, text)

    def pieces(self, text: str) -> Iterator[Piece]:
        """One piece for each shortest run of characters that is normalised by itself."""
        if unicodedata.is_normalized(self._form, text):
            yield 0, len(text), text
            return
        start, done = 0, ""
        for place, letter in enumerate(text):
            alone, joined = self.apply(letter), self.apply(text[start : place + 1])
            if place > start and not unicodedata.combining(letter) and joined == done + alone:
                yield start, place, done
                start, done = place, alone
            else:
                done = joined
        yield start, len(text), done


class MendedUnicode:
    """Mends text that was decoded with the wrong encoding (ftfy), then normalises.

    Args:
        form: The normal form.
    """

    def __init__(self, form: Form) -> None:
        self._form = form

    def apply(self, text: str) -> str:
        """The mended text in the normal form."""
        import ftfy

        return unicodedata.normalize(self._form, ftfy.fix_encoding(text))


class Whitespace:
    """Runs of white space and control characters become one space; ends are stripped."""

    def apply(self, text: str) -> str:
        """The text with single spaces."""
        return _BLANK.sub(" ", text).strip(" ")

    def pieces(self, text: str) -> Iterator[Piece]:
        """The words, and between two of them a space for the run that was there."""
        runs = [run.span() for run in _BLANK.finditer(text)]
        bounds = [(0, 0), *runs, (len(text), len(text))]
        words = [(left[1], right[0]) for left, right in pairwise(bounds)]
        words = [(start, end) for start, end in words if start < end]
        for number, (start, end) in enumerate(words):
            if number:
                yield words[number - 1][1], start, " "
            yield start, end, text[start:end]


class Lowercase:
    """Lower case."""

    def apply(self, text: str) -> str:
        """The text in lower case."""
        return text.lower()

    def pieces(self, text: str) -> Iterator[Piece]:
        """The whole, or each character where one of them becomes several."""
        lower = text.lower()
        if len(lower) == len(text):
            yield 0, len(text), lower
            return
        place = 0
        for number, letter in enumerate(text):
            # A capital sigma depends on its neighbours, but never in length.
            length = len(letter.lower())
            yield number, number + 1, lower[place : place + length]
            place += length
