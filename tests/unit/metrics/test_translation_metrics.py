from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import sacrebleu

from pipeline.metrics.rouge import rouge, words
from pipeline.metrics.translation import (
    Tokenization,
    bleu,
    bleu_statistics,
    chrf,
    chrf_statistics,
    signatures,
    ter,
    ter_statistics,
)
from pipeline.metrics.weighting import weighted_sums

LINE = "a dog runs through the tall grass , near old trees and two men look at it ."
WORDS = LINE.split()
HAN = "一条狗在草地上奔跑，旁边有两个男人看着它和老树。"


def texts(seed: int, *, han: bool, error: float) -> tuple[list[str], list[str]]:
    """Written texts and their references; some are empty, some only a word or two."""
    generator = np.random.default_rng(seed)
    pool = list(HAN) if han else WORDS
    references = [generator.choice(pool, generator.integers(1, 20)).tolist() for _ in range(40)]
    written = []
    for reference in references:
        kept = [word for word in reference if generator.random() > error / 3]
        written.append([w if generator.random() > error else "猫" for w in kept])
    joiner = "" if han else " "
    return [joiner.join(one) for one in written], [joiner.join(one) for one in references]


CASES = [("13a", False, 0.3), ("13a", False, 0.95), ("intl", False, 0.2), ("zh", True, 0.3)]
CASES += [("char", True, 0.3), ("none", False, 0.5)]


@pytest.mark.parametrize(("tokenization", "han", "error"), CASES)
def test_every_resample_equals_sacrebleu(tokenization: Any, han: bool, error: float) -> None:
    written, wanted = texts(3, han=han, error=error)
    weights = np.random.default_rng(0).multinomial(40, np.full(40, 1 / 40), size=5)
    weights[0] = 1
    found = {
        "bleu": bleu(weighted_sums(weights, bleu_statistics(written, wanted, tokenization))),
        "chrf": chrf(weighted_sums(weights, chrf_statistics(written, wanted))),
        "ter": ter(weighted_sums(weights, ter_statistics(written, wanted, tokenization))),
    }
    spread = {"normalized": han, "asian_support": han}
    for sample, counts in enumerate(weights):
        rows = np.repeat(np.arange(40), counts)
        ours, theirs = [written[row] for row in rows], [[wanted[row] for row in rows]]
        expected = {
            "bleu": sacrebleu.corpus_bleu(ours, theirs, tokenize=tokenization).score,
            "chrf": sacrebleu.corpus_chrf(ours, theirs).score,
            "ter": sacrebleu.corpus_ter(ours, theirs, **spread).score,
        }
        for name, value in expected.items():
            assert found[name][sample] == pytest.approx(value, abs=1e-9), name


def of_one(written: str, wanted: str, tokenization: Tokenization = "13a") -> tuple[float, ...]:
    return (
        float(bleu(bleu_statistics([written], [wanted], tokenization))[0]),
        float(chrf(chrf_statistics([written], [wanted]))[0]),
        float(ter(ter_statistics([written], [wanted], tokenization))[0]),
    )


def test_the_same_text_is_perfect_and_nothing_is_worst() -> None:
    assert of_one("the old man sits there", "the old man sits there") == pytest.approx(
        (100, 100, 0)
    )
    assert of_one("", "the old man sits there") == (0, 0, 100)
    assert of_one("xx", "the old man sits there")[0] == 0


def test_hand_computed_values() -> None:
    # 4 of 5 words, 3 of 4 pairs, 2 of 3, 1 of 2; as long as the reference; one word replaced.
    found = of_one("a b c d x", "a b c d e", "none")
    assert found[0] == pytest.approx(100 * (4 / 5 * 3 / 4 * 2 / 3 * 1 / 2) ** 0.25)
    assert found[2] == pytest.approx(100 / 5)
    # One word moved is one shift.
    assert of_one("e a b c d", "a b c d e", "none")[2] == pytest.approx(100 / 5)


def test_without_references_nothing_is_defined() -> None:
    for values in (bleu(np.zeros((2, 10))), chrf(np.zeros((2, 6, 3))), ter(np.zeros((2, 2)))):
        assert np.isnan(values).all()


def test_signatures_say_how_texts_were_divided() -> None:
    found = signatures("zh")
    assert "tok:zh" in found["bleu"]
    assert "nrefs:1" in found["chrf"]
    assert "asian:yes" in found["ter"]
    assert f"version:{sacrebleu.__version__}" in found["bleu"]


def test_rouge_by_hand() -> None:
    (found,) = rouge(["The cat sat on the mat."], ["the mat, a cat sat on"])
    # 5 of 6 words each (one `the` too many); pairs `cat sat`, `sat on`, `the mat` of 5; `the`,
    # `cat sat on` are the longest common subsequence.
    assert found.tolist() == pytest.approx([100 * 5 / 6, 100 * 3 / 5, 100 * 4 / 6])
    assert rouge(["", "", "ein"], ["", "ein", "zwei"]).tolist() == [[100] * 3, [0] * 3, [0] * 3]


def test_rouge_equals_torchmetrics() -> None:
    from torchmetrics.functional.text.rouge import rouge_score

    written, wanted = texts(5, han=False, error=0.4)
    written = [f"the {line}".replace("猫", "cat") for line in written]
    keys = ("rouge1", "rouge2", "rougeL")
    expected = rouge_score(written, wanted, rouge_keys=keys)
    means = rouge(written, wanted).mean(axis=0)
    for key, value in zip(keys, means, strict=True):
        assert value == pytest.approx(100 * float(expected[f"{key}_fmeasure"]), abs=1e-4)


def test_characters_of_unspaced_scripts_are_words() -> None:
    assert words("GPT-4写了两句话。 Fin") == ["gpt", "4", "写", "了", "两", "句", "话", "fin"]
    assert rouge(["两句话"], ["两句诗"])[0].tolist() == pytest.approx([200 / 3, 50, 200 / 3])
