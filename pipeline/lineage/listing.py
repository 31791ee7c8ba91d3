"""`python -m pipeline runs`: the latest runs of the configured experiment."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.artifacts import lasting_root
from pipeline.config.compose import compose
from pipeline.config.schema import Config
from pipeline.console import notice, out
from pipeline.data.quality.finding import count_of
from pipeline.lineage.words import ago, interval, name_of, revision, seed_of, status
from pipeline.reports.words import ABSENT, metric
from pipeline.tasks.registry import load_task, primary_metric
from pipeline.tracking.reading import RunReader, RunRecord

if TYPE_CHECKING:
    from rich.table import Table

_ROLES = ("", "pipeline", "group", "model", "study")
"""What has a line; the trials of a study are told by its own commands."""
_IN_SWEEP = {"trial", "seed"}
_FETCHED = 200
_SHOWN = 20
_NARROW = 100
_COLOURS = {"failed": "red", "killed": "yellow", "running": "green"}


@dataclass(frozen=True)
class Entry:
    """A run with the runs nested in it.

    Attributes:
        record: The run; the single model of an execution stands for the execution.
        children: Those that have lines of their own, by seed.
    """

    record: RunRecord
    children: tuple[RunRecord, ...] = ()


def list_runs(root: Path) -> None:
    """Prints the latest runs, the newest first; models of one group stand together.

    Args:
        root: The project's root.

    Raises:
        UserError: If the configuration does not track, or nothing was tracked yet.
        EnvironmentProblem: If the store does not answer.
    """
    config = compose([], root)
    reader = RunReader(config.tracking, lasting_root(root))
    experiment = config.mlflow_experiment
    entries = entries_of(reader.latest(experiment, roles=_ROLES, limit=_FETCHED))
    if entries:
        out.print(f"experiment {experiment}", markup=False)
        out.print(_table(entries[:_SHOWN], _primary(config), narrow=out.width < _NARROW))
        if any(revision(one.record).endswith("+") for one in entries[:_SHOWN]):
            notice("+ with uncommitted changes")
    else:
        notice(f"the experiment {experiment} has no runs yet")
    if len(entries) > _SHOWN:
        notice(f"{len(entries) - _SHOWN} or more earlier runs are not shown")
    if entries:
        notice("where one came from: `python -m pipeline runs show RUN`")
    _tell_of_others(reader, experiment)


def entries_of(records: Sequence[RunRecord]) -> list[Entry]:
    """Arranges runs under those they are nested in, in the order given.

    Args:
        records: Runs, the newest first.
    """
    records = [one for one in records if one.tags.get("sweep_role") not in _IN_SWEEP]
    known = {record.run_id for record in records}
    nested: dict[str, list[RunRecord]] = {}
    for record in records:
        if record.parent_id in known:
            nested.setdefault(str(record.parent_id), []).append(record)
    entries = []
    for record in records:
        if record.parent_id in known:
            continue
        children = sorted(nested.get(record.run_id, ()), key=_seed)
        if len(children) == 1 and record.role == "pipeline":
            entries += entries_of([*children, *nested.get(children[0].run_id, ())])
        else:
            entries.append(Entry(record, tuple(children)))
    return entries


def _seed(record: RunRecord) -> tuple[int, str]:
    seed = seed_of(record)
    return (int(seed) if seed.isdigit() else -1, record.name)


def _primary(config: Config) -> str:
    task = load_task(config.task.kind, config.task.options)
    return primary_metric(task, config.task.primary_metric).name


def _table(entries: Sequence[Entry], primary: str, *, narrow: bool) -> Table:
    from rich.table import Table
    from rich.text import Text

    table = Table(
        box=None, pad_edge=False, padding=(0, 1 if narrow else 2, 0, 0), header_style="bold"
    )
    table.add_column("run", no_wrap=True)
    table.add_column("name", overflow="fold")
    table.add_column("seed", justify="right", no_wrap=True)
    table.add_column(primary, no_wrap=True)
    if not narrow:
        table.add_column("status", no_wrap=True)
    table.add_column("revision", no_wrap=True)
    table.add_column("started", no_wrap=True)
    for record, children, parent in _lines(entries):
        state = status(record)
        value = _value(record, children, primary, short=narrow)
        if narrow and state != "finished":
            value = state
        seed = seed_of(record)
        cells = [
            Text(record.run_id[:8]),
            Text(f"{'' if parent is None else '└ '}{name_of(record, parent)}"),
            Text(seed or (f"{len(children)}×" if children else "")),
            Text(value or ABSENT),
            *([] if narrow else [Text(state)]),
            Text(revision(record)),
            Text(ago(record.started)),
        ]
        table.add_row(*cells, style=_COLOURS.get(state))
    return table


def _lines(
    entries: Sequence[Entry],
) -> Iterator[tuple[RunRecord, tuple[RunRecord, ...], RunRecord | None]]:
    """Each run with those nested in it, and the one it is nested in."""
    for entry in entries:
        yield entry.record, entry.children, None
        for child in entry.children:
            yield child, (), entry.record


def _value(
    record: RunRecord, children: Sequence[RunRecord], primary: str, *, short: bool
) -> str | None:
    """The primary metric: of the test split, else of validation, else of what is nested."""
    metrics = record.metrics
    tested = interval(metrics, f"test/{primary}", short=short)
    if tested is not None:
        return tested
    tell = "{:.3f}".format if short else metric
    for name in (f"best/val/{primary}", f"val/{primary}"):
        if name in metrics:
            return f"{tell(metrics[name])} (val)"
    if f"best/{primary}" in metrics:
        trials = count_of(int(metrics.get("trials/finished", 0)), "trial")
        return f"{tell(metrics[f'best/{primary}'])} best{'' if short else f' of {trials}'}"
    values = [child.metrics.get(f"test/{primary}") for child in children]
    known = [value for value in values if value is not None]
    return f"{tell(sum(known) / len(known))} mean of {len(known)}" if known else None


def _tell_of_others(reader: RunReader, experiment: str) -> None:
    """Names the other experiments that have runs, the most recently used first."""
    others = dict.fromkeys(
        record.experiment for record in reader.latest(roles=_ROLES, limit=_FETCHED)
    )
    names = [name for name in others if name != experiment]
    if names:
        notice(
            f"other experiments: {', '.join(names[:5])}{', …' if len(names) > 5 else ''}; this one "
            "is that of params.yaml"
        )
