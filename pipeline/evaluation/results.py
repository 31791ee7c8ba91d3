"""All numbers of an evaluation, and their forms for files, tracking and the terminal."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from pipeline.config.schema import EvaluationConfig
from pipeline.evaluation.baselines.registry import fit_baselines
from pipeline.evaluation.bootstrap import Interval
from pipeline.evaluation.context import Context
from pipeline.evaluation.measure import Measured, measure, metric_values
from pipeline.evaluation.tables import raw_columns
from pipeline.tasks.base import Task
from pipeline.tasks.columns import CONTENTS, target_names, with_input_text

if TYPE_CHECKING:
    from rich.table import Table


@dataclass(frozen=True)
class Results:
    """What was measured.

    Attributes:
        metric_names: The task's scalar metrics, the primary one first.
        test: The model on the test split.
        validation: The model on the validation split.
        train: Metrics on the train split, without intervals.
        baselines: Simple models on the test split; those for which no metric is defined are absent.
    """

    metric_names: tuple[str, ...]
    test: Measured
    validation: Measured
    train: dict[str, float]
    baselines: dict[str, Measured]

    def as_json(self) -> dict[str, Any]:
        """What `metrics.json` holds: the scalar metrics of each split and each baseline.

        Each is `{"value": …, "low": …, "high": …}`; those of the train split have no bounds. Under
        `difference` stands how far the model is above each baseline. Undefined metrics are absent.
        """
        return {
            "test": self._scalars(self.test.intervals),
            "validation": self._scalars(self.validation.intervals),
            "train": {
                name: {"value": self.train[name]}
                for name in self.metric_names
                if self.train[name] == self.train[name]
            },
            "baselines": {
                name: self._scalars(measured.intervals) for name, measured in self.baselines.items()
            },
            "difference": {
                name: self._scalars(self.test.above(measured))
                for name, measured in self.baselines.items()
            },
        }

    def tracked(self) -> tuple[dict[str, float], dict[str, float]]:
        """The metrics to log.

        Returns:
            Those of validation that training logs too, and all others: `test/<metric>` and
            `best/val/<metric>` with `_low` and `_high`, `baseline/<name>/<metric>`, and how far the
            primary metric is above each baseline. MLflow shows the last point of `val/<metric>`;
            `best/val/<metric>` is of the weights that were kept.
        """
        points = {f"val/{name}": one.value for name, one in self.validation.intervals.items()}
        others = _with_bounds("test", self.test.intervals, self.metric_names)
        others |= _with_bounds("best/val", self.validation.intervals, self.metric_names)
        primary = self.metric_names[0]
        for baseline, measured in self.baselines.items():
            others |= {
                f"baseline/{baseline}/{name}": measured.intervals[name].value
                for name in self.metric_names
                if name in measured.intervals
            }
            above = self.test.above(measured)
            if primary in above:
                name = f"{primary}_above_{baseline}"
                others |= _with_bounds("test", {name: above[primary]}, (name,))
        return points, others

    def verdict(self) -> dict[str, float]:
        """The primary metric on the test split with its bounds, as `tracked` names them.

        All that the run of an execution repeats of its model's run: MLflow's tables and charts show
        the outer runs alone until their rows are expanded.
        """
        primary = self.metric_names[0]
        found = {primary: self.test.intervals[primary]} if primary in self.test.intervals else {}
        return _with_bounds("test", found, (primary,))

    def headline(self) -> dict[str, dict[str, float]]:
        """What `headline.json` holds, for DVC's tables: few numbers, those of `metrics.json`."""
        primary = self.metric_names[0]
        test = self._scalars(self.test.intervals)
        validation = self._scalars(self.validation.intervals)
        found = {"test": {name: entry["value"] for name, entry in test.items()}}
        if primary in test:
            found["test"] |= {f"{primary}_{end}": test[primary][end] for end in ("low", "high")}
        if primary in validation:
            found["validation"] = {primary: validation[primary]["value"]}
        return found

    def comparisons(self) -> list[str]:
        """For each baseline in words how far the primary metric is from its."""
        primary = self.metric_names[0]
        found = {name: self.test.above(measured) for name, measured in self.baselines.items()}
        return [
            f"{primary} above {name}: {above[primary].value:+.3f} "
            f"({above[primary].low:+.3f} … {above[primary].high:+.3f}, paired)"
            for name, above in found.items()
            if primary in above
        ]

    def _scalars(self, found: Mapping[str, Interval]) -> dict[str, dict[str, float]]:
        return {name: found[name].as_json() for name in self.metric_names if name in found}


def metrics_table(
    metrics: Mapping[str, Any], confidence: float, *, most: int | None = None
) -> Table:
    """Test metrics of the model, with intervals, and those of the baselines beside.

    Args:
        metrics: What `metrics.json` holds.
        confidence: Coverage of the intervals.
        most: Show only so many metrics, the first ones; the primary metric is the first.
    """
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for name in ("test", "fine-tuned", f"{confidence:.0%} interval", *metrics["baselines"]):
        table.add_column(name, justify="left" if name == "test" else "right", no_wrap=True)
    for metric, one in list(metrics["test"].items())[:most]:
        others = (values.get(metric) for values in metrics["baselines"].values())
        table.add_row(
            metric,
            f"{one['value']:.3f}",
            f"{one['low']:.3f} … {one['high']:.3f}",
            *("–" if other is None else f"{other['value']:.3f}" for other in others),
        )
    return table


def measure_all(
    task: Task,
    predictions: Mapping[str, pa.Table],
    rows: Mapping[str, pa.Table],
    label_names: Sequence[str],
    *,
    primary: str,
    settings: EvaluationConfig,
    on_samples: Callable[[int], None] = lambda _: None,
) -> Results:
    """Measures the model and the baselines.

    Args:
        task: Knows the metrics.
        predictions: By split; train, validation and test.
        rows: The splits' rows with their references.
        label_names: Names by label id.
        primary: The primary metric's name.
        settings: Resampling and baselines.
        on_samples: Told how many further resamples are done.
    """
    measured = partial(
        measure,
        task,
        label_names=label_names,
        num_samples=settings.num_bootstrap_samples,
        confidence=settings.confidence,
        seed=settings.seed,
        on_samples=on_samples,
    )
    names = [spec.name for spec in task.metric_specs]
    texts = {name: with_input_text(_known(rows[name]), task.columns) for name in rows}
    context = Context(task.columns, tuple(label_names))
    baselines = fit_baselines(settings.baselines, texts["train"], context)
    inputs = texts["test"].drop_columns(list(target_names(task.columns)))
    beside = {name: measured(predict(inputs), rows["test"]) for name, predict in baselines.items()}
    return Results(
        metric_names=(primary, *(name for name in names if name != primary)),
        test=measured(predictions["test"], rows["test"]),
        validation=measured(predictions["validation"], rows["validation"]),
        train=metric_values(task, predictions["train"], rows["train"], label_names),
        baselines={name: one for name, one in beside.items() if one.intervals.keys() & {*names}},
    )


def _known(rows: pa.Table) -> pa.Table:
    """The raw columns, and of recordings and pictures what a model reads."""
    known = raw_columns(rows)
    for name in CONTENTS:
        if name in rows.column_names and name not in known.column_names:
            known = known.append_column(rows.schema.field(name), rows[name])
    return known


def _with_bounds(
    prefix: str, found: Mapping[str, Interval], bounded: Sequence[str]
) -> dict[str, float]:
    """Values, and the bounds of some, by the names that tracking gives them."""
    named = {f"{prefix}/{name}": one.value for name, one in found.items()}
    for name in bounded:
        if name in found:
            named[f"{prefix}/{name}_low"] = found[name].low
            named[f"{prefix}/{name}_high"] = found[name].high
    return named
