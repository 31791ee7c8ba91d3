"""Compares groups of loaded runs: every number of a comparison, from predictions to slices."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from pipeline.comparison.examples import disagreements
from pipeline.comparison.judged import Judged
from pipeline.comparison.loading import LoadedRun
from pipeline.comparison.measured import MeasuredGroup, Sampling, measure_groups
from pipeline.comparison.result import Comparison, Curve, Difference, Group, Member, Slice
from pipeline.comparison.same_data import check_comparable
from pipeline.comparison.selecting import common_name
from pipeline.comparison.settings import config_differences, costs, curves, source_differences
from pipeline.comparison.slices import left_out_in_words, measure_parts, slice_differences, whole
from pipeline.comparison.slicing import class_metrics, parts
from pipeline.comparison.testing import PairTest
from pipeline.comparison.verdicts import Scene, conclude, in_points, natural_range
from pipeline.console import progress
from pipeline.data.quality.finding import count_of
from pipeline.errors import UserError, did_you_mean
from pipeline.reports.words import listed
from pipeline.tasks.base import MetricSpec
from pipeline.tracking.reading import RunReader

_LABELS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


@dataclass(frozen=True)
class Wish:
    """What is asked of a comparison.

    Attributes:
        metric: The metric of the verdict; None for the one that chose the reference's weights.
        confidence: Coverage of the intervals; None for what the reference's config says.
        details: Whether examples, slices, settings and costs are wanted.
        curves: Whether learning curves are wanted.
    """

    metric: str | None = None
    confidence: float | None = None
    details: bool = True
    curves: bool = False


def compare(
    runs: Sequence[Sequence[LoadedRun]],
    reader: RunReader,
    wish: Wish,
    notes: Sequence[str] = (),
) -> Comparison:
    """Compares groups of runs.

    Args:
        runs: Each group's runs by seed; the reference first; two groups or more.
        reader: Tells pages and learning curves.
        wish: What is asked.
        notes: What a reader must know already.

    Raises:
        UserError: If they cannot be compared, or there is no such metric.
    """
    if len(runs) > len(_LABELS):
        raise UserError(
            f"{len(runs)} groups are too many for one comparison; {len(_LABELS)} is the most",
            remedy="name fewer runs",
        )
    check_comparable([run for group in runs for run in group])
    groups = dict(zip(_LABELS, runs, strict=False))
    reference = runs[0][0]
    specs = _specs(reference, wish.metric)
    judged = {
        label: [
            Judged(run.task, run.stored.predictions, run.stored.rows, run.stored.label_names)
            for run in members
        ]
        for label, members in groups.items()
    }
    sampling = Sampling.of(
        wish.confidence or float(reference.setting("evaluation", "confidence", 0.95)),
        int(reference.setting("evaluation", "num_bootstrap_samples", 2_000)),
        int(reference.setting("evaluation", "seed", 0)),
    )
    work = _Work(judged, specs, sampling, wish)
    scene = Scene(
        reference.stored.rows.num_rows,
        {label: len(members) for label, members in groups.items()},
        sampling.confidence,
        frozenset(spec.name for spec in specs if _is_share(spec.name, work.measured)),
    )
    differences, pairs = work.differences(scene)
    return Comparison(
        experiment=reference.record.experiment,
        dataset=str(reference.setting("data", "name", "")),
        num_rows=scene.num_rows,
        metric=specs[0].name,
        higher_is_better=specs[0].higher_is_better,
        confidence=sampling.confidence,
        num_samples=sampling.num_samples,
        metrics=tuple(spec.name for spec in specs),
        groups=tuple(
            _group(groups[one.label], one, reader, work.names, scene) for one in work.measured
        ),
        differences=differences,
        pairs=pairs,
        settings=(*config_differences(groups), *source_differences(groups)) if wish.details else (),
        costs=costs(groups) if wish.details else (),
        curves=_curves(reader, groups, specs[0].name, wish),
        disagreements=disagreements(judged) if wish.details else (),
        slices=work.slices,
        notes=(*notes, *work.notes, *_notes(groups, differences)),
    )


class _Work:
    """What takes time: resamples and slices, under one progress bar."""

    def __init__(
        self,
        judged: Mapping[str, Sequence[Judged]],
        specs: Sequence[MetricSpec],
        sampling: Sampling,
        wish: Wish,
    ) -> None:
        self._specs = specs
        self._sampling = sampling
        self.names = tuple(spec.name for spec in specs)
        self.notes: list[str] = []
        first = next(iter(judged.values()))[0]
        members = sum(map(len, judged.values()))
        by_class: dict[str, str] = {}
        if wish.details:
            by_class = class_metrics(first.rows, specs[0].name, list(first.values))
        with progress() as bar:
            shown = bar.add_task("resampling", total=members * sampling.num_samples, note="")
            self.measured = measure_groups(
                judged,
                tuple(dict.fromkeys((*self.names, *by_class.values()))),
                sampling,
                lambda count: bar.advance(shown, count),
            )
        if first.units is not None:
            self.notes.append(
                f"The examples are measured and drawn in {count_of(first.num_units, 'unit')}, such "
                "as a query with its candidates or a text with its pieces."
            )
        self.slices: tuple[Slice, ...] = ()
        if wish.details:
            self._find_slices(first, by_class)

    def differences(self, scene: Scene) -> tuple[tuple[Difference, ...], tuple[Difference, ...]]:
        """Each metric against the reference, and the first metric of every pair."""
        tests = {
            (one.label, other.label): PairTest(one, other, self._sampling)
            for one, other in combinations(self.measured, 2)
        }
        reference = self.measured[0].label
        with progress() as bar:
            shown = bar.add_task("testing", total=len(self._specs), note="")
            pairs = {pair: test.test(self._specs[0]) for pair, test in tests.items()}
            tested = [[one for (first, _), one in pairs.items() if first == reference]]
            bar.advance(shown)
            for spec in self._specs[1:]:
                against = [test for (first, _), test in tests.items() if first == reference]
                tested.append([test.test(spec) for test in against])
                bar.advance(shown)
        differences = [one for together in tested for one in conclude(together, scene)]
        return tuple(differences), conclude(list(pairs.values()), scene)

    def _find_slices(self, first: Judged, by_class: dict[str, str]) -> None:
        large, small = parts(first.rows, first.task.columns, by_class)
        large, torn = whole(large, first.units)
        with progress() as bar:
            shown = bar.add_task("slices", total=len(large), note="")
            measured = measure_parts(
                large,
                self.measured,
                self._specs[0],
                self._sampling,
                lambda: bar.advance(shown),
            )
        reference, *others = self.measured
        self.slices = tuple(
            one
            for other in others
            for one in slice_differences(measured, reference.label, other.label, self._sampling)
        )
        self.notes += [*left_out_in_words(small), *torn]


def _specs(run: LoadedRun, wanted: str | None) -> tuple[MetricSpec, ...]:
    """The task's metrics, the wanted one first."""
    known = {spec.name: spec for spec in run.task.metric_specs}
    if wanted is not None and wanted not in known:
        raise UserError(
            f"{run.task.name} has no metric {wanted!r}", remedy=did_you_mean(wanted, known)
        )
    chosen = run.values["task"].get("primary_metric")
    first = wanted or (chosen if chosen in known else run.task.primary_metric.name)
    return (known[first], *(spec for name, spec in known.items() if name != first))


def _is_share(metric: str, measured: Sequence[MeasuredGroup]) -> bool:
    return in_points(
        metric, [member.values[metric] for group in measured for member in group.members]
    )


def _group(
    runs: Sequence[LoadedRun],
    measured: MeasuredGroup,
    reader: RunReader,
    names: Sequence[str],
    scene: Scene,
) -> Group:
    limits = {name: natural_range(name, name in scene.points) for name in names}
    return Group(
        label=measured.label,
        name=common_name([run.record for run in runs]),
        members=tuple(_member(run, reader) for run in runs),
        metrics={name: measured.estimate(name, scene.confidence, limits[name]) for name in names},
        by_seed={name: tuple(one.values[name] for one in measured.members) for name in names},
        config=runs[0].settings,
    )


def _member(run: LoadedRun, reader: RunReader) -> Member:
    dirty = run.record.tags.get("git.dirty")
    return Member(
        run_id=run.record.run_id,
        name=run.record.name,
        seed=run.seed,
        started=run.record.started,
        url=reader.page(run.record),
        revision=run.record.tags.get("git.revision"),
        dirty=None if dirty is None else dirty == "true",
    )


def _curves(
    reader: RunReader, groups: Mapping[str, Sequence[LoadedRun]], metric: str, wish: Wish
) -> tuple[Curve, ...]:
    return curves(reader, groups, metric) if wish.curves else ()


def _notes(
    groups: Mapping[str, Sequence[LoadedRun]], differences: Sequence[Difference]
) -> list[str]:
    notes = []
    single = [label for label, members in groups.items() if len(members) == 1]
    if len(single) == len(groups):
        notes.append(
            "With one seed of each, this is about these models, not about their configurations: "
            "another seed gives another model. Train with seeds=5 to compare configurations."
        )
    elif single:
        between = (
            " Between them it is about these models, not about their configurations."
            if len(single) > 1
            else ""
        )
        notes.append(
            f"Of {listed(single)} there is one seed only: against several seeds it is taken to "
            f"spread as these do.{between}"
        )
    if len(groups) > 2:
        notes.append(
            "p-values are adjusted for the number of comparisons made together (Holm): of each "
            "metric, all groups against the first."
        )
    undefined = [one.metric for one in differences if np.isnan(one.estimate.value)]
    if undefined:
        names = listed(dict.fromkeys(undefined))
        notes.append(f"Undefined for some, so not compared: {names}.")
    return notes
