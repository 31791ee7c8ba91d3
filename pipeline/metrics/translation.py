"""BLEU, chrF and TER of one reference a row, as sacreBLEU has them, for many resamples at once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Literal

import numpy as np

from pipeline.metrics.weighting import FloatArray, ratio

Tokenization = Literal["13a", "intl", "zh", "char", "none"]
"""How sacreBLEU divides texts into the tokens that BLEU counts."""

BLEU_ORDER = 4
CHRF_ORDER = 6
_CHRF_BETA = 2
_UNSPACED: frozenset[Tokenization] = frozenset({"zh", "char"})
"""Tokenizations for scripts without spaces; TER then counts characters too."""


def bleu_statistics(
    hypotheses: Sequence[str], references: Sequence[str], tokenization: Tokenization
) -> FloatArray:
    """Lengths, hits and n-grams of each row, of which any sum gives BLEU.

    Args:
        hypotheses: What was written, `[rows]`.
        references: What should have been written, `[rows]`.
        tokenization: As sacreBLEU names it.

    Returns:
        `[rows, 10]`: tokens of the hypothesis and of the reference, then matching n-grams and
        n-grams of the hypothesis, of orders 1 to 4 each.
    """
    metric = _bleu(tokenization)
    found = np.zeros((len(hypotheses), 2 + 2 * BLEU_ORDER))
    for row, (written, wanted) in enumerate(zip(hypotheses, references, strict=True)):
        score = metric.sentence_score(written, [wanted])
        found[row] = (score.sys_len, score.ref_len, *score.counts, *score.totals)
    return found


def bleu(sums: FloatArray) -> FloatArray:
    """Corpus BLEU (Papineni et al., 2002) with sacreBLEU's exponential smoothing.

    Args:
        sums: Sums of `bleu_statistics`, `[samples, 10]`.

    Returns:
        `[samples]`, from 0 to 100; NaN without a token in the references.
    """
    written, wanted = sums[:, 0], sums[:, 1]
    hits, totals = sums[:, 2 : 2 + BLEU_ORDER], sums[:, 2 + BLEU_ORDER :]
    is_zero = hits == 0
    smoothed = np.where(is_zero, 0.5 ** np.cumsum(is_zero, axis=1), hits)
    precision = np.log(smoothed / np.maximum(totals, 1)).mean(axis=1)
    brevity = np.minimum(0.0, 1 - wanted / np.maximum(written, 1))
    score = 100 * np.exp(precision + brevity)
    score[(totals == 0).any(axis=1) | is_zero.all(axis=1)] = 0.0
    return np.where(wanted > 0, score, np.nan)


def chrf_statistics(hypotheses: Sequence[str], references: Sequence[str]) -> FloatArray:
    """Character n-grams of each row, of which any sum gives chrF; white space does not count.

    Returns:
        `[rows, 6, 3]`: for each order n-grams of the hypothesis, of the reference, and matches.
    """
    found = np.zeros((len(hypotheses), CHRF_ORDER, 3))
    for row, texts in enumerate(zip(hypotheses, references, strict=True)):
        written, wanted = ("".join(text.split()) for text in texts)
        for order in range(1, CHRF_ORDER + 1):
            ours, theirs = _runs(written, order), _runs(wanted, order)
            num_theirs = max(len(wanted) - order + 1, 0)
            num_ours = max(len(written) - order + 1, 0) if num_theirs else 0
            found[row, order - 1] = num_ours, num_theirs, (ours & theirs).total()
    return found


def chrf(sums: FloatArray) -> FloatArray:
    """chrF2 (Popović, 2015) as sacreBLEU has it: orders 1 to 6, those that both texts have.

    Args:
        sums: Sums of `chrf_statistics`, `[samples, 6, 3]`.

    Returns:
        `[samples]`, from 0 to 100; NaN without a character in the references.
    """
    written, wanted, hits = sums[..., 0], sums[..., 1], sums[..., 2]
    counts = (written > 0) & (wanted > 0)
    orders = np.maximum(counts.sum(axis=1), 1)
    precision = np.where(counts, hits / np.maximum(written, 1), 0.0).sum(axis=1) / orders
    recall = np.where(counts, hits / np.maximum(wanted, 1), 0.0).sum(axis=1) / orders
    factor = _CHRF_BETA**2
    score = np.nan_to_num(ratio((1 + factor) * precision * recall, factor * precision + recall))
    return np.where(wanted[:, 0] > 0, 100 * score, np.nan)


def ter_statistics(
    hypotheses: Sequence[str], references: Sequence[str], tokenization: Tokenization
) -> FloatArray:
    """Edits and words of each row, of which any sum gives TER.

    Args:
        hypotheses: What was written, `[rows]`.
        references: What should have been written, `[rows]`.
        tokenization: That of BLEU; characters of scripts without spaces count as words.

    Returns:
        `[rows, 2]`: edits (inserted, deleted and replaced words, shifts), words of the reference.
    """
    metric = _ter(tokenization)
    found = np.zeros((len(hypotheses), 2))
    for row, (written, wanted) in enumerate(zip(hypotheses, references, strict=True)):
        score = metric.sentence_score(written, [wanted])
        found[row] = score.num_edits, score.ref_length
    return found


def ter(sums: FloatArray) -> FloatArray:
    """Translation edit rate (Snover et al., 2006): edits for 100 words of the reference.

    Args:
        sums: Sums of `ter_statistics`, `[samples, 2]`.

    Returns:
        `[samples]`, 0 or more, may exceed 100; NaN without a word in the references.
    """
    return 100 * ratio(sums[:, 0], sums[:, 1])


def signatures(tokenization: Tokenization) -> dict[str, str]:
    """What sacreBLEU calls these metrics in full, so that others can compare; by metric."""
    from sacrebleu.metrics.bleu import BLEU
    from sacrebleu.metrics.chrf import CHRF

    made = {
        "bleu": BLEU(tokenize=tokenization),
        "chrf": CHRF(),
        "ter": _ter(tokenization),
    }
    for metric in made.values():
        metric.corpus_score(["a"], [["a"]])
    return {name: str(metric.get_signature()) for name, metric in made.items()}


def _runs(text: str, order: int) -> Counter[str]:
    return Counter(text[start : start + order] for start in range(len(text) - order + 1))


@lru_cache
def _bleu(tokenization: Tokenization) -> Any:
    from sacrebleu.metrics.bleu import BLEU

    # Only the counts of a sentence are taken; without effective_order it warns of their BLEU.
    return BLEU(tokenize=tokenization, effective_order=True)


@lru_cache
def _ter(tokenization: Tokenization) -> Any:
    from sacrebleu.metrics.ter import TER

    unspaced = tokenization in _UNSPACED
    return TER(normalized=unspaced, asian_support=unspaced)
