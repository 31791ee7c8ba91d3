from __future__ import annotations

import random

import numpy as np
import pytest

from pipeline.data.quality.near_duplicates import near_duplicate_pairs


def jaccard(left: str, right: str) -> float:
    a, b = ({text[i : i + 5] for i in range(len(text) - 4)} for text in (left, right))
    return len(a & b) / len(a | b) if a | b else 0.0


def corpus(seed: int, count: int = 120) -> list[str]:
    """Random texts, and for each second one a longer copy with up to six characters changed."""
    generator = random.Random(seed)
    letters = "abcdefghij 今天比赛"
    texts = []
    for number in range(count):
        text = "".join(generator.choices(letters, k=generator.randint(0, 200)))
        texts.append(text)
        if number % 2:
            changed = list(text)
            for _ in range(generator.randint(0, 6)):
                if changed:
                    changed[generator.randrange(len(changed))] = "#"
            texts.append("".join(changed) + "$")
    return list(dict.fromkeys(texts))


@pytest.mark.parametrize("similarity", [0.5, 0.7, 0.85, 0.95])
def test_pairs_are_those_of_comparing_all_with_all(similarity: float) -> None:
    expected, found = set(), set()
    for seed in range(5):
        texts = corpus(seed)
        expected |= {
            (seed, i, j)
            for j in range(len(texts))
            for i in range(j)
            if jaccard(texts[i], texts[j]) >= similarity
        }
        pairs, values = near_duplicate_pairs(texts, similarity)
        found |= {(seed, i, j) for i, j in pairs.tolist()}
        for (i, j), value in zip(pairs.tolist(), values, strict=True):
            assert value == pytest.approx(jaccard(texts[i], texts[j]))
    assert found <= expected
    assert len(expected) > 20
    assert len(found) >= 0.95 * len(expected)


def test_every_text_of_a_large_group_is_in_a_pair() -> None:
    base = "the same long announcement about the opening hours of the museum in winter"
    texts = [f"{base} {number}" for number in range(300)] + ["something else entirely"]
    pairs, _ = near_duplicate_pairs(texts, 0.8)
    assert np.unique(pairs).tolist() == list(range(300))


@pytest.mark.parametrize("texts", [[], ["abc"], ["", "a", "abcd"], ["abcde", "abcd", "fghij"]])
def test_few_or_short_texts_make_no_pairs(texts: list[str]) -> None:
    pairs, values = near_duplicate_pairs(texts, 0.5)
    assert pairs.shape == (0, 2)
    assert values.shape == (0,)
