"""Runs a sweep from its file to its report; the same command goes on where it stopped."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path

from pipeline.artifacts import cannot_write, lasting_root, shown
from pipeline.config.schema import Config
from pipeline.console import notice, out, warn
from pipeline.data.quality.finding import count_of
from pipeline.errors import EnvironmentProblem, UserError
from pipeline.stages.datasets import prepared_dataset
from pipeline.sweep.board import Board
from pipeline.sweep.comparison import Comparison
from pipeline.sweep.confirmation import Confirmation
from pipeline.sweep.definition.checking import check_sweep, threads_of
from pipeline.sweep.definition.loading import load_sweep, with_pinned
from pipeline.sweep.definition.settings import SweepSettings
from pipeline.sweep.layout import StudyLayout
from pipeline.sweep.report.writing import write_report
from pipeline.sweep.study.databases import storage_problems
from pipeline.sweep.study.opening import freeze_configuration, open_study
from pipeline.sweep.study.records import StudyRecord, TrialRecord
from pipeline.sweep.study.search import Search
from pipeline.sweep.study_run import (
    log_failure,
    log_progress,
    log_summary,
    open_study_run,
    trial_filter,
)
from pipeline.sweep.words import best_in_words, progress_in_words
from pipeline.sweep.workers.crew import Crew
from pipeline.sweep.workers.launching import make_launcher
from pipeline.sweep.workers.running import Runner
from pipeline.tracking.status import run_hint
from pipeline.training.signals import StopRequest

_LOCK_SECONDS = 2.0
"""Somebody who looks whether the sweep runs holds its lock for a moment."""


def run_sweep(name: str, arguments: Sequence[str], *, root: Path) -> None:
    """Searches, compares the best with the default, and reports.

    Args:
        name: A file of `sweeps/`.
        arguments: Settings of the sweep and overrides of its experiment, in Hydra's grammar.
        root: The project's root.

    Raises:
        ConfigError: With all that is wrong with the sweep, before its first trial.
        DataError: If the default configuration's data cannot be prepared, before it as well.
        SweepStopped: After SIGINT or SIGTERM.
        EnvironmentProblem: If too many trials fail in a row, or the machine refuses.
    """
    sweep = with_pinned(load_sweep(name, arguments, root), root)
    settings = sweep.settings
    layout = StudyLayout.of(root, settings.study)
    threads = threads_of(settings)

    def make_crew() -> Crew:
        launcher = make_launcher(settings, layout, threads=threads, root=root)
        return Crew(launcher, settings.workers)

    board = Board(n_trials=settings.n_trials, workers=settings.workers)
    stop = StopRequest("the running trials save their state, then the sweep stops")
    with (
        _alone(layout, settings.study),
        _problems_of(settings.storage),
        Runner(make_crew, board, stop) as runner,
    ):
        runner.start()  # workers import what they need while the sweep is checked
        checked = check_sweep(sweep, root)
        for text in checked.warnings:
            warn(text)
        prepared_dataset(checked.default, root=root)
        study, facts = open_study(sweep, checked, layout, root)
        with open_study_run(
            checked.default.tracking, facts, study.study_name, sweep.path, root=root
        ) as log:

            def on_end(record: StudyRecord, trial: TrialRecord) -> None:
                board.trial_ended(record, trial)
                if trial.outcome == "failed" and not trial.host:
                    log_failure(checked.default.tracking, record, trial, root=root)
                log_progress(log, record)
                _remove_weights(record, settings.keep_models, layout)

            conf_root = freeze_configuration(layout, root)
            search = Search(
                study, sweep, checked, facts, layout=layout, conf_root=conf_root, on_end=on_end
            )
            comparison: Comparison | None = None
            with stop, board:
                search.prepare()
                notice(_beginning(search.record(), settings, threads))
                runner.run(search)
                if not search.gave_up:
                    confirmation = Confirmation(
                        search.record(),
                        checked.default,
                        settings.confirm,
                        layout=layout,
                        root=conf_root,
                    )
                    runner.run(confirmation)
                    comparison = confirmation.comparison()
            record = search.record()
            report = write_report(record, comparison, layout.report)
            log_summary(log, record, comparison, layout.report)
            if search.gave_up:
                raise _given_up(search, report, layout, root)
    if search.ending is not None:
        notice(f"the search ended early: {search.ending}")
    _print_summary(record, comparison, report, checked.default, root=root)


def _given_up(search: Search, report: Path, layout: StudyLayout, root: Path) -> EnvironmentProblem:
    return EnvironmentProblem(
        f"the sweep was given up: {search.ending}",
        remedy=f"read {shown(report, root)} and the logs in "
        f"{shown(layout.root / 'trials', root)}, mend the cause, then run it again",
    )


def _beginning(record: StudyRecord, settings: SweepSettings, threads: int) -> str:
    return (
        f"sweep {record.name}: {progress_in_words(record, settings.n_trials)}; "
        f"{count_of(settings.workers, 'worker')} with {count_of(threads, 'thread')} each"
    )


def _problems_of(storage: str | None) -> AbstractContextManager[None]:
    """Puts errors of a database in words; those of files say themselves what is wrong."""
    return nullcontext() if storage is None else storage_problems(storage)


@contextmanager
def _alone(layout: StudyLayout, name: str) -> Iterator[None]:
    """Holds the study's directory, so that one command at a time runs it.

    Raises:
        UserError: If another command runs it.
        EnvironmentProblem: If the directory cannot be written.
    """
    from filelock import FileLock, Timeout

    try:
        layout.root.mkdir(parents=True, exist_ok=True)
        lock = FileLock(layout.driver_lock)
        lock.acquire(timeout=_LOCK_SECONDS)
    except Timeout:
        raise UserError(
            f"a sweep of the study {name} is running here already",
            remedy=f"watch it with `python -m pipeline sweep status {name} --watch`, "
            "or give this one a name of its own (study=…)",
        ) from None
    except OSError as error:
        raise cannot_write(layout.root, error) from error
    try:
        yield
    finally:
        lock.release()


def _remove_weights(record: StudyRecord, keep: int, layout: StudyLayout) -> None:
    """Removes the weights of trials that are not among the best."""
    kept = {trial.number for trial in record.ranked[:keep]}
    for trial in record.finished:
        if trial.number not in kept:
            for model in layout.trial(trial.number).root.glob("seed*/model"):
                shutil.rmtree(model, ignore_errors=True)


def _print_summary(
    record: StudyRecord,
    comparison: Comparison | None,
    report: Path,
    default: Config,
    *,
    root: Path,
) -> None:
    out.print(f"\n[bold]{record.name}[/]: {progress_in_words(record, len(record.finished))}")
    out.print(best_in_words(record), markup=False)
    if comparison is not None:
        out.print(comparison.verdict, markup=False)
    out.print(f"{'report':12} {shown(report, root)}", markup=False)
    if record.ranked:
        which = " --trial NUMBER" if record.is_multi_objective else ""
        out.print(
            f"{'pin it':12} python -m pipeline sweep promote {record.name}{which}", markup=False
        )
    hint = run_hint(default.tracking, lasting_root(root), record.facts.run_key)
    if hint is not None:
        command = f"`{hint.command}`, then " if hint.command else ""
        where = hint.url or "`python -m pipeline sync` first: the store does not have it yet"
        out.print(f"{'MLflow':12} {command}{where}", markup=False)
        out.print(f"{'its trials':12} {trial_filter(record.name)}", markup=False)
