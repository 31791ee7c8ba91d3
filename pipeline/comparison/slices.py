"""Where a difference lives: the metric in parts of the test examples."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from pipeline.comparison.judged import Condensed
from pipeline.comparison.measured import MeasuredGroup, MeasuredRun, Sampling
from pipeline.comparison.result import Slice
from pipeline.comparison.slicing import FEWEST_ROWS, Part
from pipeline.comparison.testing import PairTest, Uncorrected
from pipeline.data.quality.finding import count_of
from pipeline.evaluation.bootstrap import weights_in_chunks
from pipeline.statistics.multiplicity import holm
from pipeline.tasks.base import FloatArray, IntArray, MetricSpec


@dataclass(frozen=True)
class MeasuredPart:
    """A part, with the metric of every group in it.

    Attributes:
        part: Which examples.
        spec: The metric that was measured there.
        groups: The groups over these examples.
    """

    part: Part
    spec: MetricSpec
    groups: tuple[MeasuredGroup, ...]


def measure_parts(
    parts: Sequence[Part],
    groups: Sequence[MeasuredGroup],
    spec: MetricSpec,
    sampling: Sampling,
    on_part: Callable[[], None] = lambda: None,
) -> list[MeasuredPart]:
    """Measures all groups in each part.

    Args:
        parts: Which examples.
        groups: The groups over all examples.
        spec: The compared metric.
        sampling: Of the examples.
        on_part: Told of each part that is done.
    """
    # Exchanging predictions anew in each part would cost more than it tells.
    cheap = spec if spec.test == "mcnemar" else replace(spec, test="bootstrap")
    found = []
    for part in parts:
        if part.metric is None:
            found.append(MeasuredPart(part, cheap, _measure(part, groups, cheap.name, sampling)))
        else:
            own = MetricSpec(part.metric, cheap.higher_is_better, "bootstrap")
            found.append(MeasuredPart(part, own, tuple(groups)))
        on_part()
    return found


def slice_differences(
    measured: Sequence[MeasuredPart], reference: str, other: str, sampling: Sampling
) -> tuple[Slice, ...]:
    """How two groups differ in each part, corrected over all parts.

    Parts in which the metric is undefined are left out.

    Args:
        measured: From `measure_parts`.
        reference: Label of the reference.
        other: Label of the other group.
        sampling: Level of the tests.
    """
    tested: list[tuple[MeasuredPart, Uncorrected]] = []
    for part in measured:
        by_label = {group.label: group for group in part.groups}
        one = PairTest(by_label[reference], by_label[other], sampling).test(part.spec)
        if not np.isnan(one.estimate.value):
            tested.append((part, one))
    adjusted = holm([one.p_value for _, one in tested])
    return tuple(
        Slice(
            dimension=part.part.dimension,
            value=part.part.value,
            rows=len(part.part.rows),
            reference=reference,
            other=other,
            values=_values(part),
            estimate=one.estimate,
            p_adjusted=p_value,
            significant=p_value is not None and p_value < 1 - sampling.confidence,
        )
        for (part, one), p_value in zip(tested, adjusted, strict=True)
    )


def whole(parts: Sequence[Part], units: IntArray | None) -> tuple[list[Part], list[str]]:
    """The parts that tear nothing apart that is measured together, and a note on the others.

    Args:
        parts: Which examples.
        units: The unit of each example; None where each is measured for itself.
    """
    if units is None:
        return list(parts), []
    sizes = np.bincount(units)
    inside = [np.bincount(units[part.rows], minlength=len(sizes)) for part in parts]
    kept = [((counts == 0) | (counts == sizes)).all() for counts in inside]
    torn = [part.dimension for part, is_whole in zip(parts, kept, strict=True) if not is_whole]
    note = (
        f"{count_of(len(torn), 'slice')} would tear apart examples that are measured together and "
        f"{'is' if len(torn) == 1 else 'are'} left out ({', '.join(dict.fromkeys(torn))})."
    )
    return [part for part, one in zip(parts, kept, strict=True) if one], [note] if torn else []


def left_out_in_words(small: Sequence[Part]) -> list[str]:
    """A note on parts with too few examples; none without any."""
    if not small:
        return []
    dimensions = ", ".join(dict.fromkeys(part.dimension for part in small))
    return [
        f"{count_of(len(small), 'slice')} of fewer than {FEWEST_ROWS} examples "
        f"{'is' if len(small) == 1 else 'are'} left out ({dimensions})."
    ]


def _values(part: MeasuredPart) -> Mapping[str, float]:
    return {group.label: group.value(part.spec.name) for group in part.groups}


def _measure(
    part: Part, groups: Sequence[MeasuredGroup], metric: str, sampling: Sampling
) -> tuple[MeasuredGroup, ...]:
    """Every member of every group over the part's rows, in the same resamples of them."""
    judged = [[run.judged.take(part.rows) for run in group.members] for group in groups]
    condensed = [Condensed(one) for members in judged for one in members]
    drawn: list[list[FloatArray]] = [[] for _ in condensed]
    chunks = weights_in_chunks(
        len(part.rows), sampling.num_samples, sampling.seed, units=judged[0][0].units
    )
    for weights in chunks:
        counted = weights.astype(np.float32)
        for values, one in zip(drawn, condensed, strict=True):
            values.append(one.metrics(counted, metric))
    resamples = iter([np.concatenate(values) for values in drawn])
    return tuple(
        MeasuredGroup(
            group.label,
            tuple(
                MeasuredRun(one, {metric: one.values[metric]}, {metric: next(resamples)})
                for one in members
            ),
        )
        for group, members in zip(groups, judged, strict=True)
    )
