"""The tracked run of a sweep, in which the runs of its trials are nested."""

from __future__ import annotations

from pathlib import Path

from pipeline.config.schema import TrackingConfig
from pipeline.provenance import collect
from pipeline.sweep.comparison import Comparison
from pipeline.sweep.study.records import (
    StudyFacts,
    StudyRecord,
    TrialRecord,
    numbers_in_words,
    trial_name,
    trial_run_key,
    trial_tags,
)
from pipeline.sweep.tracked import open_sweep_run
from pipeline.sweep.words import values_in_words
from pipeline.tracking.links import DESCRIPTION_TAG
from pipeline.tracking.log import RunLog


def open_study_run(
    tracking: TrackingConfig, facts: StudyFacts, name: str, sweep_file: Path, *, root: Path
) -> RunLog:
    """Opens the sweep's run, or continues it.

    Args:
        tracking: The section of the config.
        facts: What the study was made from.
        name: The study's name.
        sweep_file: The file of `sweeps/`, kept as an artifact.
        root: The project's root.
    """
    provenance = collect(root)
    log = open_sweep_run(
        tracking,
        root=root,
        key=facts.run_key,
        experiment=facts.mlflow_experiment,
        run_name=f"sweep-{name}",
        tags={**provenance.tags(), "sweep": name, "sweep_role": "study", "role": "study"},
    )
    settings = facts.settings.model_dump(mode="json", exclude={"storage"})
    log.log_params({"sweep": {**settings, "arguments": list(facts.arguments)}})
    log.log_artifact(sweep_file)
    if provenance.git.diff:
        log.log_text(provenance.git.diff, "git/diff.patch")
    return log


def log_failure(
    tracking: TrackingConfig, record: StudyRecord, trial: TrialRecord, *, root: Path
) -> None:
    """Ends the run of a trial that no worker ended: it could not begin, or its workers died.

    Args:
        tracking: The section of the config.
        record: The study.
        trial: A failed trial.
        root: The project's root.
    """
    name = trial_name(record.name, trial.number)
    log = open_sweep_run(
        tracking,
        root=root,
        key=trial_run_key(record.facts, trial.number),
        experiment=record.facts.mlflow_experiment,
        run_name=name,
        tags=trial_tags(record.name, trial.number, "failed") | {"trial_reason": trial.reason},
        parent=record.facts.run_key,
    )
    if trial.facts is None:
        log.log_params(trial.params or {})
    log.finish("FAILED")


def log_progress(log: RunLog, record: StudyRecord) -> None:
    """Logs how many trials have ended, and the best value so far."""
    finished = len(record.finished)
    values = {"trials/finished": float(finished)}
    for outcome in ("complete", "infeasible", "pruned", "failed"):
        values[f"trials/{outcome}"] = float(len(record.of(outcome)))
    if record.best is not None:
        values[f"best/{record.primary[0]}"] = record.best.values[0]
    log.log_metrics(values, finished)


def log_summary(
    log: RunLog, record: StudyRecord, comparison: Comparison | None, report: Path
) -> None:
    """Logs the report, and a description that MLflow's UI shows."""
    best = record.best
    lines = [f"**{record.name}**: {numbers_in_words(record.trials)}."]
    if best is not None:
        log.set_tags({"best_trial": str(best.number)})
        lines.append(f"Best: trial {best.number}, {values_in_words(record, best)}.")
    elif record.is_multi_objective:
        front = ", ".join(str(trial.number) for trial in record.ranked)
        log.set_tags({"pareto_trials": front})
        lines.append(f"Pareto front: trials {front or 'none'}.")
    if comparison is not None:
        lines.append(comparison.verdict)
    lines.append(f"Its trials: `{trial_filter(record.name)}`. The report is among the artifacts.")
    log.set_tags({DESCRIPTION_TAG: "\n\n".join(lines)})
    log.log_artifact(report)


def trial_filter(name: str) -> str:
    """What to type into the search field of MLflow's UI to see the trials of one study."""
    return f"tags.sweep = '{name}' and tags.sweep_role = 'trial'"
