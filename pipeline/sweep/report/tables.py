"""The tables of a sweep's report that are about trials."""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.reports.blocks import Table
from pipeline.reports.words import ABSENT, alike, duration, number
from pipeline.statistics.student import Interval, mean_interval
from pipeline.sweep.comparison import Comparison
from pipeline.sweep.report.words import shown, with_unit
from pipeline.sweep.study.records import Outcome, StudyRecord, TrialRecord
from pipeline.sweep.words import first_line, searched, violations_in_words

TONES: dict[Outcome, str] = {"infeasible": "warning", "pruned": "faint", "failed": "error"}


def trials_table(record: StudyRecord) -> Table:
    """All trials, the best first; at least one."""
    ordered = trials_in_order(record)
    names = _parameter_names(record, ordered)
    metrics = [metric for metric, _ in record.facts.objectives]
    rows: tuple[tuple[str, ...], ...] = tuple(
        (
            str(trial.number),
            trial.outcome,
            *_values(record, trial),
            *_cells(trial, names),
            duration(trial.seconds) if trial.seconds else ABSENT,
            _remark(trial),
        )
        for trial in ordered
    )
    head = ("trial", "outcome", *metrics, *names, "time", "remark")
    if not any(row[-1] for row in rows):
        head, rows = head[:-1], tuple(row[:-1] for row in rows)
    return Table(
        head,
        rows,
        numeric=(*range(2, 2 + len(metrics)), 2 + len(metrics) + len(names)),
        tones=tuple(TONES.get(trial.outcome, "") for trial in ordered),
    )


def trials_in_order(record: StudyRecord) -> list[TrialRecord]:
    """The best first, then the infeasible, pruned, failed and unfinished ones."""
    chosen = {trial.number for trial in record.ranked}
    others = [trial for trial in record.of("complete") if trial.number not in chosen]
    rest: tuple[Outcome, ...] = ("infeasible", "pruned", "failed", "running", "waiting")
    return [*record.ranked, *others, *(t for outcome in rest for t in record.of(outcome))]


def front_table(record: StudyRecord, ordered: Sequence[TrialRecord]) -> Table:
    """Trials of a Pareto front with their values and parameters."""
    names = _parameter_names(record, ordered)
    metrics = [metric for metric, _ in record.facts.objectives]
    return Table(
        ("trial", *metrics, *names),
        tuple((str(t.number), *_values(record, t), *_cells(t, names)) for t in ordered),
        numeric=tuple(range(1, 1 + len(metrics))),
    )


def parameters_table(trial: TrialRecord) -> Table:
    """A trial's searched values, and what follows from them."""
    values = {name: shown(value) for name, value in (trial.params or {}).items()}
    overrides = {} if trial.facts is None else trial.facts.overrides
    others = {n: shown(v) for n, v in overrides.items() if n not in values}
    rows = [(name, text, "searched") for name, text in values.items()]
    rows += [(name, text, "derived or set") for name, text in others.items()]
    return Table(("parameter", "value", "from"), tuple(rows))


def metrics_table(trial: TrialRecord, confidence: float) -> Table:
    """A trial's validation metrics and costs, with intervals where it has several seeds."""
    seeds = list((trial.seeds or {}).values())
    head: tuple[str, ...] = ("validation metric", "value")
    if len(seeds) > 1:
        head += (f"{confidence * 100:g} % interval over {len(seeds)} seeds",)
    rows: list[tuple[str, ...]] = []
    for name, value in (trial.metrics or {}).items():
        row: tuple[str, ...] = (name, with_unit(value, name))
        if len(seeds) > 1:
            interval = mean_interval([seed[name] for seed in seeds if name in seed], confidence)
            row += (_range(interval),)
        rows.append(row)
    return Table(head, tuple(rows), numeric=tuple(range(1, len(head))))


def comparison_table(found: Comparison) -> Table:
    """Means, intervals and seeds of the best trial and the default, and the gain."""
    name = "best trial" if found.trial is None else f"trial {found.trial}"
    lines = (
        (name, found.best_mean, found.best_interval, found.best),
        ("default", found.default_mean, found.default_interval, found.default),
    )
    rows = [
        (
            label,
            number(mean),
            _range(interval),
            *map(number, values.values()),
        )
        for label, mean, interval, values in lines
    ]
    gains = found.differences.values()
    if found.difference is not None:
        bounds = found.difference_interval
        mean, *ends = alike((found.difference, *(bounds or ())))
        rows.append(("gain", mean, " to ".join(ends) or ABSENT, *map(number, gains)))
    head = ("", f"mean {found.metric}", f"{found.confidence * 100:g} % interval")
    seeds = (f"seed {seed}" for seed in found.best)
    return Table((*head, *seeds), tuple(rows), numeric=tuple(range(1, 3 + found.n)))


def _parameter_names(record: StudyRecord, trials: Sequence[TrialRecord]) -> list[str]:
    """Parameters that one of the trials has, in order of the space."""
    used = {name for trial in trials for name in trial.params or {}}
    return [name for name in searched(record) if name in used]


def _values(record: StudyRecord, trial: TrialRecord) -> list[str]:
    return [number(value) for value in trial.values] or [ABSENT] * len(record.facts.objectives)


def _range(interval: Interval | None) -> str:
    """Both ends; a dash where there is none, or no spread that it could tell of."""
    if interval is None or interval[0] == interval[1]:
        return ABSENT
    return " to ".join(map(number, interval))


def _remark(trial: TrialRecord) -> str:
    return "; ".join(filter(None, (violations_in_words(trial), first_line(trial.reason))))


def _cells(trial: TrialRecord, names: Sequence[str]) -> list[str]:
    params = trial.params or {}
    return [shown(params[name]) if name in params else ABSENT for name in names]
