"""How a study stands: the trials, the best of them, and whether it runs."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from rich.console import Group, RenderableType
from rich.live import Live
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from pipeline.console import out
from pipeline.reports.words import duration, metric
from pipeline.sweep.board import time_left
from pipeline.sweep.definition.settings import SweepSettings
from pipeline.sweep.study.records import StudyPlan, StudyRecord, TrialRecord
from pipeline.sweep.study.stored import StoredStudy, find_study
from pipeline.sweep.words import (
    best_in_words,
    ended_in_words,
    first_line,
    parameter,
    params_in_words,
    progress_in_words,
    running_seconds,
    searched,
    short_names,
    violations_in_words,
)

_SECONDS_BETWEEN_LOOKS = 2.0
_LONGEST_REASON = 60
_LINES_BESIDE_TABLE = 8
_ANY_WIDTH = 10_000


def show_status(name: str, arguments: Sequence[str], root: Path, *, watch: bool) -> None:
    """Prints how a study stands.

    Args:
        name: The sweep; see `stored.find_study`.
        arguments: Overrides, as the sweep was started with.
        root: The project's root.
        watch: Whether to go on until the sweep ends or Ctrl-C: on a terminal the table is redrawn,
            in a pipe a line tells of every trial that has ended.

    Raises:
        UserError: If there is no such study.
    """
    stored = find_study(name, arguments, root)
    try:
        if watch and stored.is_driven:
            if out.is_terminal:
                _watch_live(stored)
            else:
                _watch_lines(stored)
    except KeyboardInterrupt:
        return
    out.print(_view(stored, stored.read()))


def _watch_live(stored: StoredStudy) -> None:
    room = max(out.height - _LINES_BESIDE_TABLE, 1)
    with Live(console=out, auto_refresh=False, transient=True) as live:
        try:
            while stored.is_driven:
                live.update(_view(stored, stored.read(), room), refresh=True)
                time.sleep(_SECONDS_BETWEEN_LOOKS)
        except KeyboardInterrupt:
            live.transient = False  # what was seen last stays
            raise


def _watch_lines(stored: StoredStudy) -> None:
    told: set[int] | None = None
    progress = ""
    while True:
        driven = stored.is_driven
        record = stored.read()
        ended = {trial.number: trial for trial in record.finished}
        lines = (
            []
            if told is None
            else [ended_in_words(record, ended[number]) for number in sorted(set(ended) - told)]
        )
        told = set(ended)
        if progress != (progress := progress_in_words(record, _plan(stored, record).n_trials)):
            lines.append(progress)
        for line in lines:
            out.print(line, markup=False, soft_wrap=True)
        if not driven:
            return
        time.sleep(_SECONDS_BETWEEN_LOOKS)


def _plan(stored: StoredStudy, record: StudyRecord) -> StudyPlan | SweepSettings:
    """What the latest command was to do; before any, what the sweep's file says."""
    return record.plan or stored.settings or record.facts.settings


def _state(stored: StoredStudy, record: StudyRecord) -> str:
    if stored.is_driven:
        return "running"
    unfinished = len(record.of("running"))
    if not unfinished:
        return "not running"
    trials = "1 trial is" if unfinished == 1 else f"{unfinished} trials are"
    if stored.storage is not None:
        return f"not running here; {trials} running on another machine, or cut off"
    return f"not running; {trials} cut off, to be taken up at the next start"


def _view(stored: StoredStudy, record: StudyRecord, room: int | None = None) -> RenderableType:
    aims = ", ".join(f"{direction} {name}" for name, direction in record.facts.objectives)
    lines = [
        f"{record.name}: {_state(stored, record)}",
        f"experiment {record.facts.experiment}, {aims}",
        progress_in_words(record, _plan(stored, record).n_trials),
        best_in_words(record),
    ]
    plan = _plan(stored, record)
    left = time_left(record, plan.n_trials, plan.workers)
    if left and stored.is_driven:
        lines[2] += f", about {duration(left)} left"
    trials = record.trials if room is None else record.trials[-room:]
    if len(trials) < len(record.trials):
        lines.append(f"{len(record.trials) - len(trials)} earlier trials are not shown")
    parts: list[RenderableType] = [Text(line) for line in lines]
    if trials:
        parts += ["", _table(record, trials, cut=room is not None)]
    return Group(*parts)


def _table(record: StudyRecord, trials: Sequence[TrialRecord], *, cut: bool) -> Table:
    """A column for each parameter where they fit, otherwise one for all."""
    wide = _filled(record, trials, one_column=False, cut=cut)
    needed = Measurement.get(out, out.options.update(width=_ANY_WIDTH), wide).maximum
    return wide if needed <= out.width else _filled(record, trials, one_column=True, cut=cut)


def _filled(
    record: StudyRecord, trials: Sequence[TrialRecord], *, one_column: bool, cut: bool
) -> Table:
    names = short_names(searched(record))
    objectives = [name for name, _ in record.facts.objectives]
    best = {trial.number for trial in record.ranked[: None if record.is_multi_objective else 1]}
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("trial", justify="right", no_wrap=True)
    table.add_column("outcome", no_wrap=True)
    for name in objectives:
        table.add_column(name, justify="right", no_wrap=True)
    if one_column:
        table.add_column("parameters")
    for name in () if one_column else names.values():
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("time", justify="right", no_wrap=True)
    table.add_column("note")
    for trial in trials:
        params = trial.params or {}
        values = [metric(value) for value in trial.values] or [""] * len(objectives)
        cells = [parameter(params[name]) if name in params else "" for name in names]
        if one_column:
            cells = [params_in_words(params, names)]
        is_best = trial.number in best
        table.add_row(
            str(trial.number),
            trial.outcome,
            *values,
            *(_cell(cell, cut) for cell in cells),
            _time(trial),
            _cell(_note(record, trial, is_best=is_best), cut),
            style="bold" if is_best else None,
        )
    return table


def _cell(text: str, cut: bool) -> Text:
    return Text(text, no_wrap=True, overflow="ellipsis") if cut else Text(text, overflow="fold")


def _time(trial: TrialRecord) -> str:
    if trial.outcome == "waiting":
        return ""
    return duration(running_seconds(trial) if trial.outcome == "running" else trial.seconds)


def _note(record: StudyRecord, trial: TrialRecord, *, is_best: bool) -> str:
    if is_best:
        return "on the front" if record.is_multi_objective else "best"
    if trial.outcome == "infeasible":
        return violations_in_words(trial)
    if trial.outcome == "running" and trial.reported:
        return f"last {record.primary[0]} {metric(trial.reported[max(trial.reported)])}"
    reason = first_line(trial.reason)
    return reason if len(reason) <= _LONGEST_REASON else f"{reason[: _LONGEST_REASON - 1]}…"
