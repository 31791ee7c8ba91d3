"""The description of a run that MLflow's UI shows: what it is, its key numbers, and where to go."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from pipeline.config.schema import Config
from pipeline.data.quality.finding import count_of
from pipeline.data.store import SPLITS
from pipeline.manifest import Manifest
from pipeline.tasks.base import Task
from pipeline.tasks.columns import length_unit
from pipeline.tasks.registry import load_task, metric_names
from pipeline.tracking.links import CHILDREN, MODELS, PARENT, SELF, code, escape

MOST_METRICS = 6
MOST_CHANGES = 30
_WH_DIGITS = 2


@dataclass(frozen=True)
class RunFacts:
    """What is known of a model when a stage has ended.

    Attributes:
        config: Its configuration.
        manifest: What made it.
        data: Name and rows of its dataset.
        changes: What differs from its experiment.
        metrics: `metrics.json`, once it is evaluated.
        export: `report.json`, once it is exported.
        pages: Titles and paths of files among the run's artifacts that are worth a look.
    """

    config: Config
    manifest: Manifest
    data: tuple[str, Mapping[str, int]]
    changes: Sequence[str] = ()
    metrics: Mapping[str, Any] | None = None
    export: Mapping[str, Any] | None = None
    pages: Sequence[tuple[str, str]] = ()

    @property
    def metric_names(self) -> tuple[str, ...]:
        """The task's metrics, the primary one first."""
        return metric_names(self.task, self.config.task.primary_metric)

    @property
    def length_unit(self) -> str:
        """What the lengths of rows are counted in."""
        return length_unit(column.kind for column in self.task.columns)

    @cached_property
    def task(self) -> Task:
        """The task that the model was trained for."""
        return load_task(self.manifest.task, self.manifest.task_options)


def pages_of_training(dataset: Path) -> list[tuple[str, str]]:
    """Titles and paths of what train keeps among the artifacts.

    Args:
        dataset: The dataset's directory.
    """
    found = [
        ("learning curves", "plots/learning_curves.png"),
        ("configuration", "config.yaml"),
        ("environment", "environment/environment.json"),
    ]
    if (dataset / "quality.html").is_file():
        found.insert(1, ("data quality", "dataset/quality.html"))
    return found


def pages_of_evaluation(evaluation: Path) -> list[tuple[str, str]]:
    """Titles and paths of what evaluate keeps among the artifacts.

    Args:
        evaluation: Its directory.
    """
    found = [
        ("mistakes", "mistakes.html"),
        ("how right rows are", "plots/scores.png"),
        ("precision and recall", "plots/pr_curve.png"),
    ]
    return [(title, f"evaluation/{name}") for title, name in found if (evaluation / name).is_file()]


def model_description(facts: RunFacts, *, nested: bool) -> str:
    """The description of a model's run.

    Args:
        facts: What is known.
        nested: Whether there is a run around it to link to.
    """
    links = [f"[the run around it]({PARENT})"] if nested else []
    links += [f"[{escape(name)}]({SELF}/artifacts/{path})" for name, path in facts.pages]
    links.append(f"[models]({MODELS})")
    return _joined(
        [
            _headline(facts),
            *_test(facts),
            _validation(facts),
            _training(facts.manifest, facts.length_unit),
            *_export(facts),
            _origin(facts),
            " · ".join(links),
        ]
    )


def pipeline_description(facts: RunFacts) -> str:
    """The description of the run of a whole execution: its result, and the way to its model."""
    primary = facts.metric_names[0]
    lines = [_headline(facts)]
    if facts.metrics is None:
        lines.append(_validation(facts))
    elif primary in facts.metrics["test"]:
        lines.append(f"{primary} on the test split: {_with_interval(facts, primary)}.")
    lines.append(_origin(facts))
    lines.append(f"[its model's run, with all metrics, parameters and files]({CHILDREN})")
    return _joined(lines)


def _headline(facts: RunFacts) -> str:
    name, rows = facts.data
    counts = ", ".join(f"{split} {rows[split]:,}" for split in SPLITS if split in rows)
    shown = [code(one) for one in facts.changes[:MOST_CHANGES]]
    if len(facts.changes) > MOST_CHANGES:
        shown.append(f"{len(facts.changes) - MOST_CHANGES} more")
    changes = f" Changed: {', '.join(shown)}." if shown else ""
    return (
        f"**{escape(facts.config.experiment)}**: {code(facts.config.model.name)} on "
        f"{code(name)} ({counts} rows), seed {facts.manifest.seed}.{changes}"
    )


def _test(facts: RunFacts) -> Iterable[str]:
    if facts.metrics is None:
        return
    test, baselines = facts.metrics["test"], facts.metrics["baselines"]
    names = [name for name in facts.metric_names if name in test][:MOST_METRICS]
    confidence = f"{facts.config.evaluation.confidence:.0%} interval"
    titles = ["test", "value", confidence, *baselines]
    lines = [_row(titles), _row(["---", *["---:"] * (len(titles) - 1)])]
    for name in names:
        one = test[name]
        others = [values.get(name) for values in baselines.values()]
        cells = [name, f"**{one['value']:.4f}**", f"{one['low']:.4f} … {one['high']:.4f}"]
        lines.append(_row([*cells, *("–" if o is None else f"{o['value']:.4f}" for o in others)]))
    yield "\n".join(lines)
    primary = facts.metric_names[0]
    above = [
        f"{primary} above {escape(name)}: {found[primary]['value']:+.4f} "
        f"({found[primary]['low']:+.4f} … {found[primary]['high']:+.4f}, paired)"
        for name, found in facts.metrics["difference"].items()
        if primary in found
    ]
    if above:
        yield "; ".join(above) + "."


def _validation(facts: RunFacts) -> str:
    manifest = facts.manifest
    names = [name for name in facts.metric_names if name in manifest.validation][:MOST_METRICS]
    values = ", ".join(f"{name} {manifest.validation[name]:.4f}" for name in names)
    return (
        f"**Validation** of the kept weights (step {manifest.best_step}, epoch "
        f"{manifest.best_epoch}): {values or 'nothing is defined'}."
    )


def _training(manifest: Manifest, unit: str) -> str:
    parts = [
        f"{count_of(manifest.steps, 'step')}, {count_of(manifest.epochs, 'epoch')}, "
        f"{manifest.train_seconds:,.1f} s",
        f"{manifest.tokens_per_second:,.0f} {unit}/s",
        f"{manifest.num_trainable_parameters:,} of {manifest.num_parameters:,} parameters trained",
    ]
    if manifest.peak_memory_mb is not None:
        parts.append(f"peak memory {manifest.peak_memory_mb:,.0f} MB")
    if manifest.energy_wh is not None:
        parts.append(f"{manifest.energy_wh:,.{_WH_DIGITS}f} Wh of the machine")
    return f"**Training**: {'; '.join(parts)}; weights: {escape(manifest.checkpoint)}."


def _export(facts: RunFacts) -> Iterable[str]:
    if facts.export is None:
        return
    models = [
        f"{code(name)} {model['num_bytes'] / 1e6:.1f} MB, same prediction for "
        f"{model['parity']['prediction_agreement']:.1%} of {model['parity']['rows']} rows"
        for name, model in facts.export["models"].items()
    ]
    times = [
        f"{escape(name)} {timed['p50_ms']:.1f} ms"
        for timing in facts.export["timings"][:1]
        for name, timed in timing["runtimes"].items()
    ]
    sentences = ["; ".join(models)] if models else []
    if times:
        first = facts.export["timings"][0]
        size = f"{first['batch_size']} × {first['length']} {facts.length_unit}"
        sentences.append(f"Median latency of {size}: {', '.join(times)}")
    yield f"**Export**: {'. '.join(sentences)}."


def _origin(facts: RunFacts) -> str:
    manifest = facts.manifest
    revision = "no git revision"
    if manifest.git_revision is not None:
        changed = " with changes, in `git/diff.patch`" if manifest.git_dirty else ""
        revision = f"git {code(manifest.git_revision[:12])}{changed}"
    return (
        f"**From** {revision}; configuration {code(manifest.config_hash[:12])}; data "
        f"{code(manifest.dataset_fingerprint[:12])}; on {escape(manifest.host)}."
    )


def _with_interval(facts: RunFacts, name: str) -> str:
    assert facts.metrics is not None
    one = facts.metrics["test"][name]
    confidence = f"{facts.config.evaluation.confidence:.0%}"
    return f"**{one['value']:.4f}** ({confidence} interval {one['low']:.4f} … {one['high']:.4f})"


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _joined(parts: Iterable[str]) -> str:
    return "\n\n".join(part for part in parts if part)
