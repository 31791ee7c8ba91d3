"""In what groups differ besides their results: settings, sources, machines and cost."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from pipeline.comparison.loading import LoadedRun
from pipeline.comparison.result import Cost, Curve, Setting
from pipeline.reports.words import ABSENT
from pipeline.tracking.reading import RunReader

Groups = Mapping[str, Sequence[LoadedRun]]
"""The runs of each group by its label."""

_TAGS = ("checkpoint", "host", "cpu", "gpu", "threads")
_VERSION = "version."
_COSTS = {
    "cost/train_seconds": ("training time", "s"),
    "cost/tokens": ("tokens trained on", ""),
    "cost/tokens_per_second": ("tokens per second", ""),
    "cost/peak_memory_mb": ("peak memory", "MB"),
    "cost/gpu_peak_memory_mb": ("peak GPU memory", "MB"),
    "cost/energy_wh": ("energy", "Wh"),
    "cost/num_parameters": ("parameters", ""),
    "cost/num_trainable_parameters": ("trainable parameters", ""),
}
_EXPORTED = re.compile(r"export/(\w+)/(megabytes|latency_ms/batch_(\d+))")


def config_differences(groups: Groups) -> tuple[Setting, ...]:
    """The settings in which groups differ, by the configuration's order; a dash where unknown."""
    names = dict.fromkeys(name for runs in groups.values() for run in runs for name in run.settings)
    return _differing(
        (name, {label: (run.settings.get(name) for run in runs) for label, runs in groups.items()})
        for name in names
    )


def source_differences(groups: Groups) -> tuple[Setting, ...]:
    """Source tree, data, checkpoint, versions and machines, where they differ."""
    versions = sorted(
        {
            name
            for runs in groups.values()
            for run in runs
            for name in run.record.tags
            if name.startswith(_VERSION)
        }
    )
    rows: list[tuple[str, dict[str, Iterable[str | None]]]] = [
        ("git.revision", {label: map(_source, runs) for label, runs in groups.items()}),
        ("data.hash", {label: map(_data, runs) for label, runs in groups.items()}),
    ]
    rows += [
        (
            name,
            {label: [run.record.tags.get(name) for run in runs] for label, runs in groups.items()},
        )
        for name in (*_TAGS, *versions)
    ]
    return _differing(rows)


def costs(groups: Groups) -> tuple[Cost, ...]:
    """What is recorded of the cost of each group, means over its runs."""
    names = dict.fromkeys(_COSTS)
    for runs in groups.values():
        for run in runs:
            names.update(dict.fromkeys(filter(_EXPORTED.fullmatch, run.record.metrics)))
    found = []
    for name in names:
        values = {
            label: _mean(run.record.metrics.get(name) for run in runs)
            for label, runs in groups.items()
        }
        if any(value is not None for value in values.values()):
            title, unit = _cost_words(name)
            found.append(Cost(title, unit, values))
    return tuple(found)


def curves(reader: RunReader, groups: Groups, metric: str) -> tuple[Curve, ...]:
    """The learning curves of every run: the losses, and the metric on validation data."""
    found = []
    for label, runs in groups.items():
        for run in runs:
            for name in dict.fromkeys(("train/loss", "val/loss", f"val/{metric}")):
                if name not in run.record.metrics:
                    continue
                last = {step: value for step, value, _ in reader.history(run.record.run_id, name)}
                found.append(Curve(label, run.seed, name, tuple(last), tuple(last.values())))
    return tuple(found)


def _differing(
    rows: Iterable[tuple[str, Mapping[str, Iterable[str | None]]]],
) -> tuple[Setting, ...]:
    found = []
    for name, by_group in rows:
        texts = {
            label: ", ".join(dict.fromkeys(ABSENT if value is None else value for value in values))
            for label, values in by_group.items()
        }
        if len(set(texts.values())) > 1:
            found.append(Setting(name, texts))
    return tuple(found)


def _source(run: LoadedRun) -> str | None:
    revision = run.record.tags.get("git.revision")
    if revision is None:
        return None
    if run.record.tags.get("git.dirty") != "true":
        return revision[:10]
    digest = run.record.tags.get("git.diff_sha256", "")
    return f"{revision[:10]} + changes{f' ({digest[:6]})' if digest else ''}"


def _data(run: LoadedRun) -> str | None:
    digest = run.record.tags.get("data.hash")
    return None if digest is None else digest[:10]


def _mean(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def _cost_words(name: str) -> tuple[str, str]:
    if name in _COSTS:
        return _COSTS[name]
    match = _EXPORTED.fullmatch(name)
    assert match is not None
    model, what, batch = match.groups()
    return (
        (f"{model} size", "MB")
        if what == "megabytes"
        else (f"{model} latency, batch {batch}", "ms")
    )
