"""Every metric of every run, and in the same resamples of the examples for all of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.comparison.judged import Judged
from pipeline.comparison.result import Estimate
from pipeline.evaluation.bootstrap import intervals, resample
from pipeline.statistics.groups import GroupSample, group_interval
from pipeline.tasks.base import FloatArray, IntArray

FEWEST_SAMPLES = 2_000
MOST_SAMPLES = 10_000


@dataclass(frozen=True)
class Sampling:
    """How often is drawn, and at which level is judged.

    Attributes:
        confidence: Coverage of the intervals; one minus it is the level of the tests.
        num_samples: Resamples of the examples, and swaps of predictions.
        seed: Seed of both.
    """

    confidence: float
    num_samples: int
    seed: int

    @classmethod
    def of(cls, confidence: float, num_samples: int, seed: int) -> Sampling:
        """With as many samples as configured, but 2,000 to 10,000."""
        return cls(confidence, min(max(num_samples, FEWEST_SAMPLES), MOST_SAMPLES), seed)


@dataclass(frozen=True)
class MeasuredRun:
    """One run.

    Attributes:
        judged: Its predictions and their references.
        values: Metrics over all examples; NaN where undefined.
        resamples: The same in each resample, `[samples]`.
    """

    judged: Judged
    values: Mapping[str, float]
    resamples: Mapping[str, FloatArray]


@dataclass(frozen=True)
class MeasuredGroup:
    """Runs of one configuration over the same examples.

    Attributes:
        label: The group's letter.
        members: By seed; at least one.
    """

    label: str
    members: tuple[MeasuredRun, ...]

    def value(self, metric: str) -> float:
        """The mean over seeds; NaN if it is undefined for one of them."""
        return float(np.mean([member.values[metric] for member in self.members]))

    def sample(self, metric: str) -> GroupSample:
        """The metric of every seed, over all examples and in each resample."""
        return GroupSample(
            np.array([member.values[metric] for member in self.members]),
            np.stack([member.resamples[metric] for member in self.members], axis=1),
        )

    def estimate(
        self, metric: str, confidence: float, limits: tuple[float, float] = (-np.inf, np.inf)
    ) -> Estimate:
        """The metric with its interval; a NaN where it is undefined.

        Args:
            metric: Which.
            confidence: Coverage of the interval.
            limits: Between which values the metric lies.
        """
        value = self.value(metric)
        if np.isnan(value):
            return Estimate(value)
        if len(self.members) > 1:
            low, high = group_interval(self.sample(metric), confidence)
            return bounded(value, max(low, limits[0]), min(high, limits[1]))
        (member,) = self.members
        found = intervals({metric: value}, {metric: member.resamples[metric]}, confidence)
        if metric not in found:
            return Estimate(value)
        return Estimate(value, found[metric].low, found[metric].high)


def bounded(value: float, low: float, high: float) -> Estimate:
    """An estimate whose bounds may be unknown (NaN)."""
    known = not np.isnan(low + high)
    return Estimate(value, low, high) if known else Estimate(value)


def measure_groups(
    groups: Mapping[str, Sequence[Judged]],
    metrics: Sequence[str],
    sampling: Sampling,
    on_samples: Callable[[int], None] = lambda _: None,
) -> tuple[MeasuredGroup, ...]:
    """Measures groups of models over the same examples.

    Args:
        groups: The models of each group by its label.
        metrics: Which metrics.
        sampling: Of the examples.
        on_samples: Told how many resamples of one model are done.
    """
    return tuple(
        MeasuredGroup(
            label,
            tuple(_measure(one, metrics, sampling, on_samples) for one in members),
        )
        for label, members in groups.items()
    )


def _measure(
    judged: Judged,
    metrics: Sequence[str],
    sampling: Sampling,
    on_samples: Callable[[int], None],
) -> MeasuredRun:
    def measure(weights: IntArray | None) -> Mapping[str, FloatArray]:
        found = judged.metrics(weights)
        return {name: found[name] for name in metrics}

    return MeasuredRun(
        judged,
        {name: judged.values[name] for name in metrics},
        resample(
            measure,
            judged.num_rows,
            num_samples=sampling.num_samples,
            seed=sampling.seed,
            units=judged.units,
            on_samples=on_samples,
        ),
    )
