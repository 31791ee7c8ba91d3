"""Tests of two models on the same examples, by the kind of test that a metric names."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np

from pipeline.comparison.judged import BoolArray, Condensed, Judged
from pipeline.comparison.measured import MeasuredRun, Sampling
from pipeline.comparison.result import Estimate
from pipeline.evaluation.bootstrap import intervals
from pipeline.statistics.bootstrap_test import bootstrap_p
from pipeline.statistics.mcnemar import mcnemar_examples_needed, mcnemar_p
from pipeline.statistics.power import examples_needed
from pipeline.statistics.randomisation import approximate_randomisation
from pipeline.tasks.base import FloatArray, MetricSpec

MCNEMAR = "McNemar's test"
RANDOMISATION = "approximate randomisation"
BOOTSTRAP = "paired bootstrap"
_SAME = 1e-9


@dataclass(frozen=True)
class Outcome:
    """What a test of two models gave.

    Attributes:
        estimate: Other minus reference, with its interval.
        p_value: Of the two-sided test; None where the metric is undefined in every resample.
        method: The test's name in words.
        examples_needed: About how many examples would show such a difference; None if no number.
    """

    estimate: Estimate
    p_value: float | None
    method: str
    examples_needed: int | None


class PairedRuns:
    """Two models over the same examples, at least two.

    Args:
        reference: The model that the other is compared with.
        other: The other model.
        sampling: Level, swaps and their seed.
    """

    def __init__(self, reference: MeasuredRun, other: MeasuredRun, sampling: Sampling) -> None:
        self._reference = reference
        self._other = other
        self._sampling = sampling
        self._swaps: Swaps | None = None

    def test(self, spec: MetricSpec) -> Outcome:
        """Compares a metric that is defined for both.

        The interval is that of the paired bootstrap, whatever the test; and so is the test where
        examples are measured together, for then they are not independent of each other.
        """
        name = spec.name
        observed = self._other.values[name] - self._reference.values[name]
        resampled = self._other.resamples[name] - self._reference.resamples[name]
        estimate = interval(observed, resampled, self._sampling.confidence)
        together = self._reference.judged.units is not None
        if spec.test == "mcnemar" and not together:
            found = self._mcnemar(name, estimate)
            if found is not None:
                return found
        p_value, method = None, RANDOMISATION
        if spec.test != "bootstrap" and not together:
            p_value = self._randomisation(name, observed)
        if p_value is None:
            p_value, method = bootstrap_p(resampled, observed), BOOTSTRAP
        if np.isnan(p_value):
            p_value = None
        needed = examples_needed(
            observed,
            float(np.nanstd(resampled, ddof=1)),
            self._num_rows,
            confidence=self._sampling.confidence,
        )
        return Outcome(estimate, p_value, method, needed)

    @property
    def _num_rows(self) -> int:
        return self._reference.judged.num_rows

    def _mcnemar(self, name: str, estimate: Estimate) -> Outcome | None:
        """None where the metric is not the share of examples that are entirely right."""
        rights = []
        for run in (self._reference, self._other):
            right = run.judged.scores == 1
            if abs(right.mean() - run.values[name]) > _SAME:
                return None
            rights.append(right)
        reference, other = rights
        only_reference = int((reference & ~other).sum())
        only_other = int((other & ~reference).sum())
        needed = mcnemar_examples_needed(
            only_reference, only_other, self._num_rows, confidence=self._sampling.confidence
        )
        return Outcome(estimate, mcnemar_p(only_reference, only_other), MCNEMAR, needed)

    def _randomisation(self, name: str, observed: float) -> float | None:
        """None where the predictions of both cannot be mixed."""
        if self._swaps is None:
            pooled = self._other.judged.above(self._reference.judged)
            if pooled is None:
                return None
            self._swaps = Swaps(pooled)
        swaps = self._swaps
        return approximate_randomisation(
            lambda swapped: swaps.differences(swapped, name),
            observed,
            self._num_rows,
            num_samples=self._sampling.num_samples,
            seed=self._sampling.seed,
        )


class Swaps:
    """Differences of metrics when some predictions of two models are exchanged.

    Any metric that takes weights can be asked: each model's predictions are those rows of both
    models' that have weight 1.

    Args:
        pooled: The rows of the first model, then those of the second.
    """

    def __init__(self, pooled: Judged) -> None:
        self._pooled = pooled
        self._condensed = Condensed(pooled)
        self._known: dict[bytes, dict[str, FloatArray]] = {}

    def differences(self, swapped: BoolArray, name: str) -> FloatArray:
        """First minus second model, `[samples]`.

        Args:
            swapped: Whose predictions are exchanged, `[samples, rows]`.
            name: The metric.
        """
        first = np.concatenate([~swapped, swapped], axis=1)
        second = np.concatenate([swapped, ~swapped], axis=1)
        if name in self._condensed.names:
            return self._condensed.metrics(first, name) - self._condensed.metrics(second, name)
        draw = hashlib.blake2b(np.packbits(swapped).tobytes()).digest()
        if draw not in self._known:
            ours, theirs = (
                self._pooled.metrics(weights.astype(np.int64)) for weights in (first, second)
            )
            self._known[draw] = {metric: ours[metric] - theirs[metric] for metric in ours}
        return self._known[draw][name]


def interval(observed: float, resampled: FloatArray, confidence: float) -> Estimate:
    """A difference with the interval that its resamples give."""
    found = intervals({"": observed}, {"": resampled}, confidence).get("")
    return Estimate(observed) if found is None else Estimate(observed, found.low, found.high)
