"""Word and character error rates, from the edits of each row."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pipeline.metrics.weighting import FloatArray, IntArray, ratio, row_weights, weighted_sums

_PARTS = 4
"""Substitutions, deletions, insertions and units of the reference."""


def edit_counts(references: Sequence[str], hypotheses: Sequence[str]) -> IntArray:
    """Fewest edits that make the hypothesis of the reference (Levenshtein, 1966), row by row.

    Words are what white space separates; characters include single spaces between words.

    Args:
        references: What was said, normalised, `[rows]`.
        hypotheses: What was recognised, normalised alike, `[rows]`.

    Returns:
        `[rows, 2, 4]`: of words and of characters the substitutions, deletions (of the reference's
        units), insertions, and units of the reference.
    """
    counts = np.zeros((len(references), 2, _PARTS), np.int64)
    for row, (reference, hypothesis) in enumerate(zip(references, hypotheses, strict=True)):
        said, heard = reference.split(), hypothesis.split()
        counts[row, 0] = _edits(said, heard)
        counts[row, 1] = _edits(" ".join(said), " ".join(heard))
    return counts


def transcript_metrics(counts: IntArray, weights: IntArray | None = None) -> dict[str, FloatArray]:
    """Error rates over all rows together: edits by units of the references.

    Args:
        counts: From `edit_counts`.
        weights: How often each row counts, `[samples, rows]`; by default each counts once.

    Returns:
        `[samples]` each: `wer` and `cer`, 0 for perfect and above 1 where more is inserted than
        was said; `substitution_rate`, `deletion_rate` and `insertion_rate`, which sum to `wer`; and
        `exact_match`, the share of rows without an edit of a word. NaN without any reference.
    """
    sums = weighted_sums(row_weights(weights, len(counts)), counts)
    words, characters = sums[:, 0], sums[:, 1]
    exact = (counts[:, 0, :3].sum(axis=1) == 0).astype(np.int64)
    rows = row_weights(weights, len(counts))
    right = weighted_sums(rows, exact)
    return {
        "wer": ratio(words[:, :3].sum(axis=1), words[:, 3]),
        "cer": ratio(characters[:, :3].sum(axis=1), characters[:, 3]),
        "exact_match": ratio(right, rows.sum(axis=1).astype(np.float64)),
        "substitution_rate": ratio(words[:, 0], words[:, 3]),
        "deletion_rate": ratio(words[:, 1], words[:, 3]),
        "insertion_rate": ratio(words[:, 2], words[:, 3]),
    }


def word_accuracy(counts: IntArray) -> FloatArray:
    """1 less the word error rate of each row, 0 at least, `[rows]`."""
    edits, units = counts[:, 0, :3].sum(axis=1), counts[:, 0, 3]
    accuracy: FloatArray = 1.0 - np.minimum(edits / np.maximum(units, 1), 1.0)
    return accuracy


def alignment(reference: Sequence[str], hypothesis: Sequence[str]) -> list[tuple[str, str, str]]:
    """The words of both side by side.

    Returns:
        For each place what became of it (`equal`, `replace`, `delete` or `insert`), the word of the
        reference and that of the hypothesis; one of them is empty where there is none.
    """
    from rapidfuzz.distance import Levenshtein

    found: list[tuple[str, str, str]] = []
    for code in Levenshtein.opcodes(list(reference), list(hypothesis)):
        said = list(reference[code.src_start : code.src_end])
        heard = list(hypothesis[code.dest_start : code.dest_end])
        width = max(len(said), len(heard))
        said += [""] * (width - len(said))
        heard += [""] * (width - len(heard))
        found += [(str(code.tag), one, other) for one, other in zip(said, heard, strict=True)]
    return found


def _edits(reference: Sequence[str], hypothesis: Sequence[str]) -> tuple[int, int, int, int]:
    from rapidfuzz.distance import Levenshtein

    tags = [one.tag for one in Levenshtein.editops(reference, hypothesis)]
    return tags.count("replace"), tags.count("delete"), tags.count("insert"), len(reference)
