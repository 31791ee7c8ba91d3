from __future__ import annotations

import numpy as np
import pytest

from pipeline.metrics.transcripts import (
    alignment,
    edit_counts,
    transcript_metrics,
    word_accuracy,
)

SAID = ["the cat sat", "a b c d", "yes", "no"]
HEARD = ["the bat sat down", "a c d", "yes", ""]


def distance(one: list[str], other: list[str]) -> int:
    """Edits, by the textbook's table."""
    row = list(range(len(other) + 1))
    for i, a in enumerate(one, 1):
        diagonal, row[0] = row[0], i
        for j, b in enumerate(other, 1):
            diagonal, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, diagonal + (a != b))
    return row[-1]


def test_counts_by_hand() -> None:
    counts = edit_counts(SAID, HEARD)
    assert counts[:, 0].tolist() == [[1, 0, 1, 3], [0, 1, 0, 4], [0, 0, 0, 1], [0, 1, 0, 1]]
    assert counts[3, 1].tolist() == [0, 2, 0, 2]
    found = transcript_metrics(counts)
    assert found["wer"][0] == pytest.approx(4 / 9)
    assert found["substitution_rate"][0] == pytest.approx(1 / 9)
    assert found["deletion_rate"][0] == pytest.approx(2 / 9)
    assert found["insertion_rate"][0] == pytest.approx(1 / 9)
    assert found["exact_match"][0] == pytest.approx(1 / 4)
    assert word_accuracy(counts).tolist() == pytest.approx([1 / 3, 3 / 4, 1, 0])


def test_the_number_of_edits_is_the_least_possible() -> None:
    random = np.random.default_rng(0)
    letters = np.array(list("abc"))
    for _ in range(50):
        one, other = (" ".join(random.choice(letters, random.integers(1, 8))) for _ in range(2))
        counts = edit_counts([one], [other])[0]
        assert counts[0, :3].sum() == distance(one.split(), other.split())
        assert counts[1, :3].sum() == distance(list(one), list(other))


def test_weighted_rates_are_those_of_repeated_rows() -> None:
    counts = edit_counts(SAID, HEARD)
    weights = np.array([[1, 1, 1, 1], [2, 0, 1, 0], [0, 0, 0, 3]])
    together = transcript_metrics(counts, weights)
    for sample, row in enumerate(weights):
        alone = transcript_metrics(np.repeat(counts, row, axis=0))
        for name, values in alone.items():
            assert together[name][sample] == pytest.approx(values[0])


def test_nothing_said_has_no_rate_and_insertions_can_exceed_1() -> None:
    assert np.isnan(transcript_metrics(edit_counts([], []))["wer"][0])
    assert transcript_metrics(edit_counts(["a"], ["a b c"]))["wer"][0] == 2
    assert word_accuracy(edit_counts(["a"], ["a b c"])).tolist() == [0]


def test_words_are_laid_side_by_side() -> None:
    assert alignment(["a", "b", "c"], ["a", "x", "c", "d"]) == [
        ("equal", "a", "a"),
        ("replace", "b", "x"),
        ("equal", "c", "c"),
        ("insert", "", "d"),
    ]
