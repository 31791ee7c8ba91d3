"""Transcripts of speech: how they are normalised, spelled in units, and joined again."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Literal

from pipeline.config.base import Section

_APOSTROPHES = re.compile("[’ʼ＇]")
_INNER_APOSTROPHE = re.compile(r"(?<=\w)'(?=\w)")
_KEPT = "\ue000"
"""Stands for an apostrophe within a word while others are removed."""
WORD_MARK = "▁"
"""Begins a word's first piece."""

UnitKind = Literal["characters", "words", "subwords"]


class Normalisation(Section):
    """What of a transcript does not count, in training and when errors are counted."""

    lowercase: bool = True
    """Whether case does not count."""
    punctuation: Literal["keep", "remove"] = "remove"
    """Punctuation and symbols; apostrophes within words stay."""
    unicode: Literal["NFC", "NFKC", "none"] = "NFKC"
    """Normal form; NFKC also joins full-width and half-width letters."""


def normalise(text: str, how: Normalisation) -> str:
    """A transcript as it counts; runs of white space are one space."""
    if how.unicode != "none":
        text = unicodedata.normalize(how.unicode, text)
    if how.lowercase:
        text = text.lower()
    if how.punctuation == "remove":
        text = _INNER_APOSTROPHE.sub(_KEPT, _APOSTROPHES.sub("'", text))
        text = "".join(" " if _is_punctuation(one) else one for one in text).replace(_KEPT, "'")
    return " ".join(text.split())


@lru_cache(maxsize=65_536)
def _is_punctuation(character: str) -> bool:
    return character != _KEPT and unicodedata.category(character)[0] in "PS"


def learn_units(texts: Iterable[str], kind: UnitKind, size: int) -> tuple[str, ...]:
    """The units that transcripts are spelled in, sorted.

    Args:
        texts: Normalised transcripts.
        kind: Every character, every word, or pieces of words that byte-pair encoding joins
            (Sennrich et al., 2016), in which a word's first piece begins with `WORD_MARK`.
        size: Most pieces, single characters included.
    """
    if kind == "characters":
        return tuple(sorted(set().union(*map(set, texts))))
    if kind == "words":
        return tuple(sorted({word for text in texts for word in text.split()}))
    return tuple(sorted(_pieces(texts, size)))


def _pieces(texts: Iterable[str], size: int) -> set[str]:
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers

    words = Counter(word for text in texts for word in text.split())
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    trainer = trainers.BpeTrainer(vocab_size=size, show_progress=False)
    repeated = (WORD_MARK + word for word in sorted(words) for _ in range(words[word]))
    tokenizer.train_from_iterator(repeated, trainer)
    return set(tokenizer.get_vocab())


def spell(text: str, kind: UnitKind, units: dict[str, int]) -> tuple[list[int], list[str]]:
    """A transcript in units.

    Args:
        text: A normalised transcript.
        kind: What units are.
        units: Their ids. Pieces are taken greedily, the longest that fits first.

    Returns:
        The ids, and what has none and is left out.
    """
    if kind == "subwords":
        return _greedy(text, units)
    parts = list(text) if kind == "characters" else text.split()
    return [units[one] for one in parts if one in units], [p for p in parts if p not in units]


def _greedy(text: str, units: dict[str, int]) -> tuple[list[int], list[str]]:
    longest = max(map(len, units), default=1)
    ids: list[int] = []
    unknown: list[str] = []
    for word in text.split():
        rest = WORD_MARK + word
        while rest:
            size = next((n for n in range(min(longest, len(rest)), 0, -1) if rest[:n] in units), 0)
            if size:
                ids.append(units[rest[:size]])
            elif rest[0] != WORD_MARK:
                unknown.append(rest[0])
            rest = rest[max(size, 1) :]
    return ids, unknown


def join(units: Sequence[str], kind: UnitKind) -> str:
    """The text that units spell."""
    text = (" " if kind == "words" else "").join(units)
    return " ".join(text.replace(WORD_MARK, " ").split())
