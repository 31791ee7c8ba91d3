"""ROUGE-1, ROUGE-2 and ROUGE-L of each row."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

import numpy as np

from pipeline.metrics.weighting import FloatArray

_UNSPACED = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
_WORD = re.compile(rf"[{_UNSPACED}]|[^\W_{_UNSPACED}]+")
"""A Chinese character or one of kana, or a run of letters and digits."""


def rouge(hypotheses: Sequence[str], references: Sequence[str]) -> FloatArray:
    """F-measures of shared words, pairs of words, and of the longest common subsequence.

    Words are runs of letters and digits in lower case, without stemming; each Chinese
    character, and each of kana, is a word. The mean over rows is what papers report (Lin, 2004).

    Returns:
        `[rows, 3]`: ROUGE-1, ROUGE-2 and ROUGE-L, from 0 to 100; 0 where a text has no such run,
        and 100 where both texts have no word at all.
    """
    from rapidfuzz.distance import LCSseq

    found = np.zeros((len(hypotheses), 3))
    for row, (written, wanted) in enumerate(zip(hypotheses, references, strict=True)):
        ours, theirs = words(written), words(wanted)
        if not ours and not theirs:
            found[row] = 1.0
            continue
        for order in (1, 2):
            first, second = _runs(ours, order), _runs(theirs, order)
            found[row, order - 1] = _f1((first & second).total(), first.total(), second.total())
        common = LCSseq.similarity(ours, theirs)
        found[row, 2] = _f1(common, len(ours), len(theirs))
    return 100 * found


def words(text: str) -> list[str]:
    """The words that are compared."""
    return _WORD.findall(text.lower())


def _runs(tokens: Sequence[str], order: int) -> Counter[tuple[str, ...]]:
    return Counter(zip(*(tokens[start:] for start in range(order)), strict=False))


def _f1(hits: int, ours: int, theirs: int) -> float:
    return 2 * hits / (ours + theirs) if hits else 0.0
