"""What a person sees while a sweep runs: live bars and the best trials, or a line a trial."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Literal, Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from pipeline.console import err
from pipeline.reports.words import duration, metric
from pipeline.sweep.study.records import StudyRecord, TrialRecord
from pipeline.sweep.words import (
    best_in_words,
    ended_in_words,
    params_in_words,
    progress_in_words,
    running_seconds,
    searched,
    short_names,
)

Phase = Literal["starting", "preparing data", "training", "waiting", "confirming"]

_BEST_ROWS = 5
_BAR_WIDTH = 10
_REFRESHES_PER_SECOND = 2.0
_COLOURS = {"failed": "red", "infeasible": "yellow", "pruned": "dim"}


@dataclass(frozen=True)
class WorkerLine:
    """What one worker does.

    Attributes:
        index: The worker, from 1.
        trial: The trial's number; None between trials and in the comparison after the search.
        phase: What it is doing.
        seed: Which of the trial's trainings this is, from 1; 0 where there is none.
        seeds: How many trainings the trial has.
        epoch: The epoch it is in, from 1; 0 before the first.
        epochs: How many there are.
        step: Optimizer steps made, all trainings of the trial together.
        total_steps: How many there are in all; 0 while that is not known.
        value: The first objective at the last validation; None before it.
        seconds: Time since it took the trial.
        seconds_left: Time until the trial's end, estimated; None while that is not known.
    """

    index: int
    trial: int | None
    phase: Phase
    seed: int = 0
    seeds: int = 1
    epoch: int = 0
    epochs: int = 0
    step: int = 0
    total_steps: int = 0
    value: float | None = None
    seconds: float = 0.0
    seconds_left: float | None = None


class Board:
    """Shows how a sweep goes.

    On a terminal: a headline, a line for each worker and the best trials, redrawn in place, and
    above them a line for each trial that has ended. In a pipe only those lines.

    Args:
        n_trials: Finished trials the study is to have.
        workers: Workers that run trials side by side.
        console: Where it is shown.
    """

    def __init__(self, *, n_trials: int, workers: int, console: Console = err) -> None:
        self._n_trials = n_trials
        self._workers = workers
        self._console = console
        self._shown: tuple[Sequence[WorkerLine], StudyRecord] | None = None
        self._began = time.monotonic()
        self._live = Live(
            console=console,
            get_renderable=self._render,
            refresh_per_second=_REFRESHES_PER_SECOND,
            transient=True,
        )

    def __enter__(self) -> Self:
        self._began = time.monotonic()
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._live.stop()

    def update(self, lines: Sequence[WorkerLine], record: StudyRecord) -> None:
        """Takes what is to be seen from now on."""
        self._shown = (tuple(lines), record)

    def trial_ended(self, record: StudyRecord, trial: TrialRecord) -> None:
        """Says in a line how a trial ended.

        Args:
            record: The study, this trial included.
            trial: The trial.
        """
        style = _COLOURS.get(trial.outcome)
        self._console.print(ended_in_words(record, trial), style=style, markup=False)

    def _render(self) -> RenderableType:
        if self._shown is None:
            return Text("starting")
        lines, record = self._shown
        parts: list[RenderableType] = [self._headline(record), _workers_table(lines, record)]
        if record.ranked:
            parts.append(_best_table(record))
        return Group(*parts)

    def _headline(self, record: StudyRecord) -> Text:
        elapsed = duration(time.monotonic() - self._began)
        left = time_left(record, self._n_trials, self._workers)
        until = "" if left is None else f", about {duration(left)} left"
        lines = [
            f"{record.name}: {progress_in_words(record, self._n_trials)}",
            f"{best_in_words(record)}; {elapsed}{until}",
        ]
        return Text("\n".join(lines), style="bold", no_wrap=True, overflow="ellipsis")


def _workers_table(lines: Sequence[WorkerLine], record: StudyRecord) -> Table:
    table = Table.grid(padding=(0, 1))
    table.add_column(no_wrap=True)
    table.add_column(width=_BAR_WIDTH)
    table.add_column(ratio=1)
    table.add_column(no_wrap=True, justify="right")
    for line in lines:
        bar = ProgressBar(
            total=line.total_steps or 1,
            completed=line.step if line.total_steps else 0,
            width=_BAR_WIDTH,
        )
        time_shown = "" if line.phase == "waiting" else duration(line.seconds)
        if line.seconds_left is not None:
            time_shown = f"{duration(line.seconds_left)} left"
        words = _cut(_worker_in_words(line, record))
        table.add_row(f"worker {line.index}", bar, words, time_shown)
    return table


def _cut(text: str) -> Text:
    """Text that may be cut at the end: its column gives way before others do."""
    return Text(text, no_wrap=True, overflow="ellipsis")


def _worker_in_words(line: WorkerLine, record: StudyRecord) -> str:
    words = [] if line.trial is None else [f"trial {line.trial}"]
    if line.phase != "training":
        words.append(line.phase)
    if line.seed and line.seeds > 1:
        words.append(f"seed {line.seed}/{line.seeds}")
    if line.epoch:
        words.append(f"epoch {line.epoch}/{line.epochs}")
    if line.value is not None:
        words.append(f"{record.primary[0]} {metric(line.value)}")
    return "  ".join(words)


def _best_table(record: StudyRecord) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    title = "on the front" if record.is_multi_objective else "best"
    table.add_column(title, justify="right", no_wrap=True)
    for name, _ in record.facts.objectives:
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("parameters")
    table.add_column("time", justify="right", no_wrap=True)
    names = short_names(searched(record))
    for trial in record.ranked[:_BEST_ROWS]:
        values = [metric(value) for value in trial.values]
        table.add_row(
            str(trial.number),
            *values,
            _cut(params_in_words(trial.params or {}, names)),
            duration(trial.seconds),
        )
    return table


def time_left(record: StudyRecord, n_trials: int, workers: int) -> float | None:
    """Estimates how long a sweep still takes.

    Every trial is taken to last as long as the mean of those that ended, pruned and failed ones
    included; what running trials have behind them counts.

    Args:
        record: The study.
        n_trials: Finished trials it is to have.
        workers: Workers that run trials side by side.

    Returns:
        Seconds, 0 when there is nothing left to do; None before any trial has ended.
    """
    left = n_trials - len(record.finished)
    if left <= 0:
        return 0.0
    lasted = [trial.seconds for trial in record.finished if trial.seconds > 0]
    if not lasted:
        return None
    mean = sum(lasted) / len(lasted)
    begun = sorted((running_seconds(trial) for trial in record.of("running")), reverse=True)
    done = sum(min(seconds, mean) for seconds in begun[:left])
    return (left * mean - done) / min(max(workers, 1), left)
