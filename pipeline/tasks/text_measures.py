"""Metrics of written texts against one reference each, for any task that writes text."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Literal

import numpy as np

from pipeline.metrics.rouge import rouge
from pipeline.metrics.translation import (
    Tokenization,
    bleu,
    bleu_statistics,
    chrf,
    chrf_statistics,
    ter,
    ter_statistics,
)
from pipeline.metrics.weighting import ratio, row_weights, weighted_sums
from pipeline.tasks.base import FloatArray, IntArray, MetricSpec

Measure = Literal["bleu", "chrf", "ter", "rouge"]
"""What a user may ask for; rouge is ROUGE-1, ROUGE-2 and ROUGE-L."""

SPECS: dict[Measure, tuple[MetricSpec, ...]] = {
    "bleu": (MetricSpec("bleu"),),
    "chrf": (MetricSpec("chrf"),),
    "ter": (MetricSpec("ter", higher_is_better=False),),
    "rouge": (MetricSpec("rouge_l"), MetricSpec("rouge_1"), MetricSpec("rouge_2")),
}
"""The metrics of each, the one that counts first."""
EMPTY = MetricSpec("empty_outputs", higher_is_better=False)
"""Share of rows for which nothing was written."""

_SAMPLE_ROWS = 1_000
_HAN = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]")
_SPACELESS = re.compile(r"[\u3040-\u30ff\u0e00-\u0fff\u1000-\u109f\u1780-\u17ff]")
"""Kana, and the letters of Thai, Lao, Tibetan, Burmese and Khmer: no spaces between words."""


def text_metrics(
    written: Sequence[str],
    wanted: Sequence[str],
    measures: Sequence[Measure],
    tokenization: Tokenization,
    weights: IntArray | None = None,
) -> dict[str, FloatArray]:
    """The metrics of `SPECS`, and `empty_outputs`.

    What is counted of each row is kept for the next call with the same texts: resamples of the rows
    then cost a matrix product.

    Args:
        written: What the model wrote, `[rows]`.
        wanted: References, `[rows]`.
        measures: Which.
        tokenization: What BLEU and TER count.
        weights: How often each row counts, `[samples, rows]`; by default each counts once.

    Returns:
        `[samples]` each; from 0 to 100 but for TER, which may exceed it, and `empty_outputs`, a
        share. NaN where nothing is defined.
    """
    counts = row_weights(weights, len(written))
    total = counts.sum(axis=1).astype(np.float64)
    empty = np.array([not text.strip() for text in written], np.float64)
    found = {EMPTY.name: ratio(weighted_sums(counts, empty), total)}
    for measure in measures:
        kept = _statistics(measure, tuple(written), tuple(wanted), tokenization)
        sums = weighted_sums(counts, kept)
        if measure == "bleu":
            found["bleu"] = bleu(sums)
        elif measure == "chrf":
            found["chrf"] = chrf(sums)
        elif measure == "ter":
            found["ter"] = ter(sums)
        else:
            for number, name in enumerate(("rouge_1", "rouge_2", "rouge_l")):
                found[name] = ratio(sums[:, number], total)
    return found


def sentence_scores(written: Sequence[str], wanted: Sequence[str]) -> FloatArray:
    """How near each text is to its reference: its chrF as a share, `[rows]`."""
    found = chrf(_statistics("chrf", tuple(written), tuple(wanted), "none")) / 100
    return np.minimum(np.nan_to_num(found), 1.0)


def guess_tokenization(texts: Sequence[str]) -> Tokenization:
    """What suits the script of some texts.

    zh for Chinese, char for Japanese, Thai and others without spaces, 13a for all with spaces.
    """
    sample = "".join(texts[:: max(1, len(texts) // _SAMPLE_ROWS)])
    letters = max(sum(map(str.isalpha, sample)), 1)
    if len(_SPACELESS.findall(sample)) / letters > 0.05:
        return "char"
    return "zh" if len(_HAN.findall(sample)) / letters > 0.3 else "13a"


@lru_cache(maxsize=16)
def _statistics(
    measure: Measure, written: tuple[str, ...], wanted: tuple[str, ...], tokenization: Tokenization
) -> FloatArray:
    """What the metric counts of each row, `[rows, …]`."""
    if measure == "bleu":
        return bleu_statistics(written, wanted, tokenization)
    if measure == "chrf":
        return chrf_statistics(written, wanted)
    if measure == "ter":
        return ter_statistics(written, wanted, tokenization)
    return rouge(written, wanted)
