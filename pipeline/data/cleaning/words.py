"""Steps that look at words: segmentation and stop words."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterable, Iterator
from typing import cast

from pipeline.data.cleaning.step import Piece
from pipeline.errors import EnvironmentProblem, UserError

Spans = Callable[[str], Iterable[tuple[int, int]]]
"""Start and end of each word of a text."""

_WORD = re.compile(r"\S+")


class Segment:
    """Words are joined with single spaces.

    Args:
        engine: jieba, spacy or nltk.
        language: Language code for spaCy.

    Raises:
        EnvironmentProblem: If the engine's package is not installed.
        UserError: If spaCy does not know the language.
    """

    def __init__(self, engine: str, language: str) -> None:
        self._spans: Spans = {
            "jieba": _jieba,
            "spacy": lambda: _spacy(language),
            "nltk": _nltk,
        }[engine]()

    def apply(self, text: str) -> str:
        """The text with a space between words."""
        return " ".join(text[start:end] for start, end in self._words(text))

    def pieces(self, text: str) -> Iterator[Piece]:
        """The words, and a space inserted between two of them."""
        return _joined(text, self._words(text))

    def _words(self, text: str) -> list[tuple[int, int]]:
        return [(start, end) for start, end in self._spans(text) if text[start:end].strip()]


class StopWords:
    """Words of a list are removed, whatever their case; the others are joined with single spaces.

    Args:
        words: The list.
    """

    def __init__(self, words: Iterable[str]) -> None:
        self._words = frozenset(word.lower() for word in words)

    def apply(self, text: str) -> str:
        """The text without these words."""
        return " ".join(text[start:end] for start, end in self._kept(text))

    def pieces(self, text: str) -> Iterator[Piece]:
        """The words that stay, and a space between two of them."""
        return _joined(text, self._kept(text))

    def _kept(self, text: str) -> list[tuple[int, int]]:
        spans = [word.span() for word in _WORD.finditer(text)]
        return [(start, end) for start, end in spans if text[start:end].lower() not in self._words]


def _joined(text: str, words: list[tuple[int, int]]) -> Iterator[Piece]:
    for number, (start, end) in enumerate(words):
        if number:
            yield start, start, " "
        yield start, end, text[start:end]


def _jieba() -> Spans:
    import jieba

    jieba.setLogLevel(logging.ERROR)
    return lambda text: ((start, end) for _, start, end in jieba.tokenize(text))


def _spacy(language: str) -> Spans:
    try:
        import spacy
    except ModuleNotFoundError as error:
        raise _not_installed("spacy", "spaCy") from error
    try:
        nlp = spacy.blank(language)
    except (ImportError, ValueError) as error:
        raise UserError(
            f"spaCy cannot segment the language {language!r}: {str(error).splitlines()[0]}",
            remedy="correct `language` of the step `segment` in data.cleaning",
        ) from error
    nlp.max_length = 2**31
    return lambda text: ((token.idx, token.idx + len(token)) for token in nlp(text))


def _nltk() -> Spans:
    try:
        from nltk.tokenize import NLTKWordTokenizer
    except ModuleNotFoundError as error:
        raise _not_installed("nltk", "NLTK") from error
    tokenizer = NLTKWordTokenizer()
    return cast(Spans, tokenizer.span_tokenize)


def _not_installed(extra: str, name: str) -> EnvironmentProblem:
    return EnvironmentProblem(
        f"data.cleaning segments words with {name}, which is not installed",
        remedy=f"pip install 'finetune-pipeline[{extra}]', or set engine=jieba",
    )
