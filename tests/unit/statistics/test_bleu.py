"""The tests on BLEU, against those that sacrebleu has itself."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from sacrebleu.metrics.bleu import BLEU
from sacrebleu.significance import PairedTest, Result

from pipeline.evaluation.bootstrap import intervals
from pipeline.statistics.arrays import BoolArray, FloatArray
from pipeline.statistics.bootstrap_test import bootstrap_p
from pipeline.statistics.randomisation import approximate_randomisation

SENTENCES = 120
SAMPLES = 2_000
SACREBLEU_SEED = 12345


def bleu(counts: FloatArray) -> FloatArray:
    """BLEU of sums of sentences' counts `[samples, 10]`: lengths, hits and n-grams by order."""
    ours, theirs, hits, ngrams = counts[:, 0], counts[:, 1], counts[:, 2:6], counts[:, 6:10]
    brevity = np.minimum(0.0, 1 - theirs / ours)
    found: FloatArray = 100 * np.exp(brevity + np.log(hits / ngrams).mean(axis=1))
    return found


@dataclass(frozen=True)
class Case:
    systems: tuple[list[str], list[str]]
    references: list[str]
    counts: tuple[FloatArray, FloatArray]
    observed: float

    def sacrebleu(self, test: str) -> tuple[float, float, float]:
        """Its p-value, and the mean and half width of the second system's interval."""
        found = PairedTest(
            [("first", self.systems[0]), ("second", self.systems[1])],
            {"BLEU": BLEU(references=[self.references])},
            None,
            test_type=test,
            n_samples=SAMPLES,
        )()[1]["BLEU"][1]
        assert isinstance(found, Result)
        return found.p_value or 0.0, found.mean or 0.0, found.ci or 0.0


def case(errors: tuple[float, float]) -> Case:
    generator = np.random.default_rng(4)
    words = [f"w{i}" for i in range(300)]
    references = [
        " ".join(generator.choice(words, generator.integers(8, 25))) for _ in range(SENTENCES)
    ]

    def translate(error: float) -> list[str]:
        lines = []
        for line in references:
            kept = [w for w in line.split() if generator.random() > error / 4]
            lines.append(" ".join(w if generator.random() > error else "other" for w in kept))
        return lines

    systems = translate(errors[0]), translate(errors[1])
    metric = BLEU(references=[references])
    first, second = (
        np.array(metric._extract_corpus_statistics(one, None), dtype=np.float64) for one in systems
    )
    observed = float(bleu(second.sum(axis=0)[None])[0] - bleu(first.sum(axis=0)[None])[0])
    assert bleu(second.sum(axis=0)[None])[0] == pytest.approx(
        metric.corpus_score(systems[1], None).score
    )
    return Case(systems, references, (first, second), observed)


CASES = {"clear": (0.25, 0.15), "small": (0.21, 0.175), "none": (0.2, 0.2)}


@pytest.fixture(params=sorted(CASES))
def compared(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Case:
    monkeypatch.setenv("SACREBLEU_SEED", str(SACREBLEU_SEED))
    return case(CASES[request.param])


def monte_carlo(p: float) -> float:
    """Four standard deviations of the difference of two estimates of a p-value."""
    return 4 * float(np.sqrt(2 * max(p, 1 / SAMPLES) / SAMPLES))


def test_approximate_randomisation_is_sacrebleus(compared: Case) -> None:
    first, second = compared.counts

    def swapped(exchanges: BoolArray) -> FloatArray:
        moved = exchanges.astype(np.float64) @ (second - first)
        return bleu(second.sum(axis=0) - moved) - bleu(first.sum(axis=0) + moved)

    found = approximate_randomisation(
        swapped, compared.observed, SENTENCES, num_samples=SAMPLES, seed=1
    )
    expected = compared.sacrebleu("ar")[0]
    assert found == pytest.approx(expected, abs=monte_carlo(expected))


def test_the_paired_bootstrap_is_sacrebleus_with_both_tails(compared: Case) -> None:
    """On the very same resamples, which the seed determines."""
    drawn = np.random.default_rng(SACREBLEU_SEED).choice(SENTENCES, (SAMPLES, SENTENCES))
    first, second = (bleu(one[drawn].sum(axis=1)) for one in compared.counts)
    differences = second - first
    one_tail, mean, half = compared.sacrebleu("bs")
    sizes = np.abs(differences)
    above = (sizes - sizes.mean() > abs(compared.observed)).sum()
    assert one_tail == pytest.approx((above + 1) / (SAMPLES + 1), abs=2 / SAMPLES)
    found = bootstrap_p(differences, compared.observed)
    centred = np.sign(compared.observed) * (differences - differences.mean())
    upper = (centred >= abs(compared.observed)).sum()
    lower = (centred <= -abs(compared.observed)).sum()
    assert found == pytest.approx((upper + lower + 1) / (SAMPLES + 1))
    if one_tail < 0.1:
        assert found == pytest.approx(2 * one_tail, abs=2 * monte_carlo(one_tail))
    assert second.mean() == pytest.approx(mean, rel=1e-5)
    value = float(bleu(compared.counts[1].sum(axis=0)[None])[0])
    interval = intervals({"bleu": value}, {"bleu": second}, 0.95)["bleu"]
    assert (interval.high - interval.low) / 2 == pytest.approx(half, rel=0.05)
    assert interval.low == pytest.approx(mean - half, abs=0.25 * half)
    assert interval.high == pytest.approx(mean + half, abs=0.25 * half)
