"""Two configurations, each trained with one seed or several, on the same test examples.

The interval and the test say what other seeds and other examples could have given: a t-test whose
variance has a part for the examples and one for the seeds (`pipeline.statistics.variance`). By
simulation it finds a difference that is not there in at most 6 of 100 cases at a level of 5 %, in
fewer where seeds hardly differ. It is too sure of itself only where a group of two or three seeds
spreads much more widely than one of many: up to 9 in 100.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from pipeline.statistics.percentiles import bias_corrected
from pipeline.statistics.planning import more_examples, more_seeds
from pipeline.statistics.variance import (
    GroupSample,
    Variance,
    variance_of_difference,
    variance_of_mean,
)

__all__ = ["GroupDifference", "GroupSample", "compare_groups", "group_interval"]


@dataclass(frozen=True)
class GroupDifference:
    """How much the mean over seeds of one group is above another's.

    Attributes:
        groups: Reference and other, of what is defined.
        difference: Other minus reference; NaN where no seed of one of them has a value.
        low: Lower bound of its interval; NaN where nothing gives one.
        high: Upper bound; both are the difference itself where it has no variance at all.
        p_value: Of the two-sided test; None without bounds, or where a difference has no variance.
        variance: Where the difference's variance comes from; NaN where nothing says it.
        confidence: Coverage of the interval; one minus it is the level of the test.
        num_examples: Test examples; None where the caller did not say.
    """

    groups: tuple[GroupSample, GroupSample]
    difference: float
    low: float
    high: float
    p_value: float | None
    variance: Variance
    confidence: float
    num_examples: int | None

    @property
    def degrees(self) -> float:
        """Degrees of freedom of the test; infinite for single runs."""
        return self.variance.total_degrees

    @property
    def variance_examples(self) -> float:
        """Variance over resamples of the examples, with these seeds."""
        return self.variance.examples

    @property
    def variance_seeds(self) -> float:
        """What the seeds add to it; 0 for single runs."""
        return self.variance.total - self.variance.examples

    @cached_property
    def examples_needed(self) -> int | None:
        """About how many examples would show such a difference with power 0.8, given these seeds.

        None if it would take more than 10,000,000 or no number would, or where the number of
        examples is not known.
        """
        if self.p_value is None or self.num_examples is None:
            return None
        return more_examples(
            self.difference, self.variance, self.num_examples, confidence=self.confidence
        )

    @cached_property
    def seeds_needed(self) -> int | None:
        """About how many seeds of each group would, given these examples.

        None if it would take more than 10,000 or no number would, and for single runs.
        """
        if self.p_value is None:
            return None
        return more_seeds(self.difference, self.groups, self.variance, confidence=self.confidence)


def compare_groups(
    reference: GroupSample,
    other: GroupSample,
    *,
    confidence: float,
    num_examples: int | None = None,
) -> GroupDifference:
    """Compares the means over seeds of two groups.

    Seeds whose metric is undefined are left out, and so are resamples in which it is undefined for
    one of the others. Interval and test always agree. Of two single runs the examples alone speak;
    for these, McNemar's test, randomisation and the bootstrap are better.

    Args:
        reference: What the other is compared with.
        other: The other group, with the same resamples of examples.
        confidence: Coverage of the interval; one minus it is the level of the test.
        num_examples: Test examples, for `examples_needed`.
    """
    reference, other = groups = _defined(reference, other)
    nothing = GroupDifference(
        groups, math.nan, math.nan, math.nan, None, Variance(math.nan), confidence, num_examples
    )
    if not (len(reference.values) and len(other.values)):
        return nothing
    difference = float(other.values.mean() - reference.values.mean())
    if len(reference.resamples) < 2:
        return replace(nothing, difference=difference)
    variance = variance_of_difference(reference, other)
    error, degrees = math.sqrt(variance.total), variance.total_degrees
    reach, p_value = _reach(degrees, confidence) * error, None
    rounding = 1e-12 * max(float(np.abs(group.values).max()) for group in groups)
    if error > rounding:
        p_value = _p_value(difference / error, degrees)
    elif abs(difference) <= rounding:
        p_value = 1.0
    return GroupDifference(
        groups,
        difference,
        difference - reach,
        difference + reach,
        p_value,
        variance,
        confidence,
        num_examples,
    )


def group_interval(sample: GroupSample, confidence: float) -> tuple[float, float]:
    """The interval of a group's mean over seeds: what other seeds and examples could have given.

    Of a single run these are the bias-corrected percentiles of its resamples, which know that a
    metric near its limit can fall further than rise. Seeds widen them on both sides.

    Returns:
        NaN twice where no seed has a value, or fewer than two resamples.
    """
    sample = sample.defined()
    sample = sample.of_resamples(sample.defined_resamples())
    if not len(sample.values) or len(sample.resamples) < 2:
        return math.nan, math.nan
    variance = variance_of_mean(sample)
    low, high = bias_corrected(
        sample.resamples.mean(axis=1), float(sample.values.mean()), confidence
    )
    wider = _reach(variance.total_degrees, confidence) * math.sqrt(variance.total)
    wider -= _reach(math.inf, confidence) * math.sqrt(variance.examples)
    return low - wider, high + wider


def _defined(reference: GroupSample, other: GroupSample) -> tuple[GroupSample, GroupSample]:
    """Without seeds whose metric is undefined, and without resamples in which another's is."""
    first, second = reference.defined(), other.defined()
    rows = first.defined_resamples() & second.defined_resamples()
    return first.of_resamples(rows), second.of_resamples(rows)


def _reach(degrees: float, confidence: float) -> float:
    """Half an interval's width in standard errors."""
    from scipy import special

    return float(special.stdtrit(degrees, (1 + confidence) / 2))


def _p_value(errors: float, degrees: float) -> float:
    from scipy import special

    return float(2 * special.stdtr(degrees, -abs(errors)))
