"""What came out of a run, as labelled lines."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping

from pipeline.console import moment
from pipeline.lineage.source_facts import Fact
from pipeline.lineage.words import interval, name_of, number, seed_of, status
from pipeline.reports.words import ABSENT, duration, metric
from pipeline.tracking.reading import RunReader, RunRecord

_SPLIT = re.compile(r"(?:test|best/val|val)/([^/]+)|group/(?:test|val)/([^/]+)_mean")
_BOUND = re.compile(r"_(?:low|high)$|_above_")
_ELSEWHERE = (
    "group/test/",
    "group/val/",
    "test/",
    "best/val/",
    "val/",
    "train/",
    "system/",
    "baseline/",
    "cost/",
    "export/",
)
_COSTS: Mapping[str, tuple[str, Callable[[float], str]]] = {
    "cost/train_seconds": ("training", duration),
    "cost/tokens": ("tokens", lambda value: f"{value:,.0f}"),
    "cost/tokens_per_second": ("tokens per second", lambda value: f"{value:,.0f}"),
    "cost/peak_memory_mb": ("memory", lambda value: f"{value:,.0f} MB at most"),
    "cost/gpu_peak_memory_mb": ("GPU memory", lambda value: f"{value:,.0f} MB at most"),
    "cost/energy_wh": ("energy", lambda value: f"{value:,.1f} Wh"),
    "cost/num_parameters": ("parameters", lambda value: f"{value:,.0f}"),
    "cost/num_trainable_parameters": ("of them trained", lambda value: f"{value:,.0f}"),
}
_WHOLE = {"pipeline", "group", "study"}
_MOST_CHILDREN = 10


def metric_rows(metrics: Mapping[str, float]) -> list[tuple[str, str, str]]:
    """Name, value on the test split and on validation, with intervals, of each scalar metric.

    Those of single classes are left out. Validation is that of the kept weights where the run tells
    it, otherwise the last one.
    """
    names = dict.fromkeys(
        found[1] or found[2]
        for key in metrics
        if (found := _SPLIT.fullmatch(key)) and not _BOUND.search(key)
    )
    rows = []
    for name in names:
        validation = interval(metrics, f"best/val/{name}") or interval(metrics, f"val/{name}")
        rows.append((name, interval(metrics, f"test/{name}") or ABSENT, validation or ABSENT))
    return sorted(rows, key=lambda row: row[1] == ABSENT)


def result_facts(reader: RunReader, record: RunRecord) -> Iterator[Fact]:
    """What a run cost and left behind.

    Args:
        reader: Reads the store: artifacts, nested runs and registered versions.
        record: The run.

    Yields:
        Label and text; nothing for what there is not.
    """
    metrics = record.metrics
    costs = [
        f"{word} {tell(metrics[key])}" for key, (word, tell) in _COSTS.items() if key in metrics
    ]
    if costs:
        yield "cost", ", ".join(costs)
    yield from _export(metrics)
    others = sorted(key for key in metrics if not key.startswith(_ELSEWHERE))
    if others:
        yield "numbers", ", ".join(f"{key} {number(metrics[key])}" for key in others)
    if "weights.sha256" in record.tags:
        yield "weights", f"sha256 {record.tags['weights.sha256']}"
    for model_id in record.model_ids:
        yield "model", f"models:/{model_id}"
    for version in reader.versions(record.run_id):
        aliases = f", {', '.join(version.aliases)}" if version.aliases else ""
        yield "registered", f"{version.name} version {version.number}{aliases}"
    artifacts = reader.artifacts(record.run_id)
    if artifacts:
        yield "artifacts", ", ".join(artifacts)
    yield from _children(reader, record)
    yield from _reproduced(record)


def _export(metrics: Mapping[str, float]) -> Iterator[Fact]:
    """A line for each runtime."""
    runtimes: dict[str, list[str]] = {}
    for key in sorted(key for key in metrics if key.startswith("export/")):
        runtime, _, name = key.removeprefix("export/").partition("/")
        runtimes.setdefault(runtime, []).append(f"{name} {metric(metrics[key])}")
    for position, (runtime, told) in enumerate(runtimes.items()):
        yield "" if position else "export", f"{runtime}: {', '.join(told)}"


def _children(reader: RunReader, record: RunRecord) -> Iterator[Fact]:
    children = sorted(reader.children(record.run_id), key=lambda child: child.started)
    for position, child in enumerate(children[:_MOST_CHILDREN]):
        seed = f"seed {seed_of(child)}" if seed_of(child) else ""
        words = " ".join(filter(None, [child.run_id[:8], name_of(child, record), seed]))
        yield "" if position else "holds", f"{words}, {status(child)}"
    if len(children) > _MOST_CHILDREN:
        yield "", f"and {len(children) - _MOST_CHILDREN} more"


def _reproduced(record: RunRecord) -> Iterator[Fact]:
    tags = record.tags
    if "reproduced.verdict" in tags:
        yield (
            "reproduced",
            f"{tags['reproduced.verdict']} ({tags.get('reproduced.at', 'some time')} on "
            f"{tags.get('reproduced.host', 'some machine')})",
        )
    elif "data.hash" in tags and record.role not in _WHOLE and record.ended is not None:
        yield "reproduced", f"never; `python -m pipeline reproduce {record.run_id[:8]}` tries"


def headline(record: RunRecord) -> str:
    """How a run ended and when it ran, for example `finished, 2026-11-27 05:24, 3 min 05 s`."""
    words = [status(record), moment(record.started)]
    if record.ended is not None:
        words.append(duration(max(record.ended - record.started, 0.0)))
    if record.role:
        words.insert(0, record.role)
    return ", ".join(words)
