"""Whether metrics differ between groups of runs on the same examples, before any correction."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipeline.comparison.judged import same_predictions
from pipeline.comparison.measured import MeasuredGroup, Sampling, bounded
from pipeline.comparison.paired import PairedRuns
from pipeline.comparison.result import Estimate
from pipeline.statistics.groups import compare_groups
from pipeline.tasks.base import MetricSpec

GROUPS = "t-test over seeds and examples"
UNTESTED = "none"
_UNKNOWN = "nothing shows how far chance reaches"


@dataclass(frozen=True)
class Uncorrected:
    """A difference before the correction for what else is compared.

    Attributes:
        spec: The metric.
        reference: Label of the reference.
        other: Label of the other group.
        estimate: Other minus reference, with its interval; NaN where a value is undefined.
        p_value: Of the two-sided test; None where it cannot be tested.
        method: The test's name in words.
        same: Whether the predictions are the same.
        problem: Why it cannot be tested, in words; None where it is.
        examples_needed: About how many examples would show it.
        seeds_needed: About how many seeds of each would.
    """

    spec: MetricSpec
    reference: str
    other: str
    estimate: Estimate
    p_value: float | None
    method: str
    same: bool = False
    problem: str | None = None
    examples_needed: int | None = None
    seeds_needed: int | None = None

    @property
    def gain(self) -> float:
        """The difference with the sign that makes larger better."""
        return self.estimate.value if self.spec.higher_is_better else -self.estimate.value


class PairTest:
    """Tests metrics of two groups over the same examples.

    Single runs are compared by the test that the metric names; groups of several seeds by one that
    takes in the spread over seeds.

    Args:
        reference: What the other is compared with.
        other: The other group.
        sampling: Level, swaps and their seed.
    """

    def __init__(self, reference: MeasuredGroup, other: MeasuredGroup, sampling: Sampling) -> None:
        self._reference = reference
        self._other = other
        self._sampling = sampling
        self._same = same_predictions(
            [run.judged for run in reference.members], [run.judged for run in other.members]
        )
        self._paired: PairedRuns | None = None
        if len(reference.members) == len(other.members) == 1:
            self._paired = PairedRuns(reference.members[0], other.members[0], sampling)

    def test(self, spec: MetricSpec) -> Uncorrected:
        """Compares one metric."""
        groups = (self._reference, self._other)
        before, after = (group.value(spec.name) for group in groups)
        undefined = [group.label for group in groups if np.isnan(group.value(spec.name))]
        if undefined:
            names = " and ".join(undefined)
            problem = f"{spec.name} of {names} is undefined on these examples"
            return self._tested(spec, Estimate(np.nan), None, UNTESTED, problem=problem)
        if self._reference.members[0].judged.num_units < 2:
            problem = "one example allows no interval and no test"
            return self._tested(spec, Estimate(after - before), None, UNTESTED, problem=problem)
        if self._paired is not None:
            found = self._paired.test(spec)
            return self._tested(
                spec,
                found.estimate,
                found.p_value,
                found.method,
                problem=None if found.p_value is not None else _UNKNOWN,
                examples_needed=found.examples_needed,
            )
        ours = compare_groups(
            self._reference.sample(spec.name),
            self._other.sample(spec.name),
            confidence=self._sampling.confidence,
            num_examples=self._reference.members[0].judged.num_rows,
        )
        return self._tested(
            spec,
            bounded(ours.difference, ours.low, ours.high),
            ours.p_value,
            GROUPS,
            problem=None if ours.p_value is not None else _UNKNOWN,
            examples_needed=ours.examples_needed,
            seeds_needed=ours.seeds_needed,
        )

    def _tested(
        self,
        spec: MetricSpec,
        estimate: Estimate,
        p_value: float | None,
        method: str,
        *,
        problem: str | None = None,
        examples_needed: int | None = None,
        seeds_needed: int | None = None,
    ) -> Uncorrected:
        return Uncorrected(
            spec=spec,
            reference=self._reference.label,
            other=self._other.label,
            estimate=estimate,
            p_value=p_value,
            method=method,
            same=self._same,
            problem=problem,
            examples_needed=examples_needed,
            seeds_needed=seeds_needed,
        )
