from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import optuna
import pytest

from pipeline.sweep.definition.settings import Direction, StopSettings, SweepSettings
from pipeline.sweep.study.records import Outcome, StudyFacts, StudyRecord, TrialRecord, read_study
from pipeline.sweep.study.stopping import StopRule
from pipeline.sweep.study.storage import load_or_create, open_storage


def facts(*objectives: tuple[str, Direction]) -> StudyFacts:
    return StudyFacts(
        settings=SweepSettings.model_validate_json(
            '{"study": "s", "space": {"optimizer.lr": {"type": "float", "low": 0, "high": 1}}}'
        ),
        arguments=(),
        identity="0" * 64,
        objectives=objectives or (("accuracy", "maximize"),),
        run_key="key",
        experiment="default",
        mlflow_experiment="sweep",
        default_config_hash="0",
        git_revision=None,
        git_dirty=None,
        project=None,
        created="2026-01-01T00:00:00+00:00",
    )


def study(*trials: float | Outcome, direction: Direction = "maximize") -> StudyRecord:
    """A study of trials; a number is the value of a complete one."""
    records = [
        TrialRecord(number, trial, reason="out of memory" if trial == "failed" else "")
        if isinstance(trial, str)
        else TrialRecord(number, "complete", values=(trial,))
        for number, trial in enumerate(trials)
    ]
    return StudyRecord("s", facts(("accuracy", direction)), tuple(records))


def reason(record: StudyRecord, **settings: Any) -> str | None:
    return StopRule(StopSettings(**settings)).reason(record, optuna.create_study())


def test_a_study_without_rules_goes_on() -> None:
    assert reason(study(0.5, *[0.4] * 50)) is None


def test_an_empty_study_goes_on() -> None:
    assert reason(study(), patience=1, terminator=True, failures_in_a_row=1) is None


def test_patience_counts_finished_trials_since_the_best() -> None:
    assert reason(study(0.5, 0.6, 0.6, 0.1), patience=3) is None
    stop = reason(study(0.5, 0.6, 0.6, 0.1, "pruned"), patience=3)
    assert stop == "3 trials in a row did not improve accuracy"


def test_a_better_trial_begins_the_count_anew() -> None:
    assert reason(study(0.5, 0.4, 0.4, 0.51, 0.4, 0.4), patience=3) is None


def test_less_is_better_where_the_objective_is_minimised() -> None:
    assert reason(study(0.5, 0.6, 0.7, direction="minimize"), patience=2) is not None
    assert reason(study(0.5, 0.4, 0.3, direction="minimize"), patience=2) is None


def test_gains_up_to_min_delta_do_not_count_but_add_up() -> None:
    creeping = study(0.500, 0.504, 0.508)
    assert reason(creeping, patience=2, min_delta=0.01) == (
        "2 trials in a row did not improve accuracy by more than 0.01"
    )
    assert reason(study(0.500, 0.506, 0.512, 0.51), patience=2, min_delta=0.01) is None


def test_running_and_waiting_trials_are_no_trials_yet() -> None:
    assert reason(study(0.5, "running", "waiting", 0.4), patience=2) is None


def test_infeasible_and_failed_trials_are_not_better() -> None:
    assert reason(study(0.5, "infeasible", "failed"), patience=2) is not None


def test_patience_begins_with_the_first_feasible_trial() -> None:
    assert reason(study("infeasible", "pruned", "infeasible"), patience=2) is None
    assert reason(study("infeasible", "infeasible", 0.1, 0.1), patience=2) is None


def test_failures_in_a_row_give_the_study_up_with_the_last_reason() -> None:
    record = study(0.5, "failed", "failed", "running", "failed")
    assert reason(record, failures_in_a_row=4) is None
    rule = StopRule(StopSettings(failures_in_a_row=3))
    assert rule.given_up(record) == "3 trials failed in a row, the last with: out of memory"
    assert reason(record, failures_in_a_row=3) == rule.given_up(record)
    assert rule.satisfied(record, optuna.create_study()) is None


@pytest.mark.parametrize("outcome", [0.1, "pruned", "infeasible"])
def test_a_trial_that_ran_interrupts_the_failures(outcome: Any) -> None:
    assert reason(study("failed", outcome, "failed"), failures_in_a_row=2) is None


def test_several_objectives_have_no_patience() -> None:
    record = StudyRecord(
        "s",
        facts(("accuracy", "maximize"), ("size_mb", "minimize")),
        tuple(TrialRecord(n, "complete", values=(0.5, 1.0)) for n in range(9)),
    )
    assert reason(record, patience=2, terminator=True) is None


def search(journal: Path, trials: int) -> tuple[StudyRecord, optuna.Study]:
    """A search that closes in on the best point of a parabola."""
    made = load_or_create(open_storage(None, journal), "parabola", ["maximize"])
    made.set_user_attr("facts", facts().model_dump_json())
    made.sampler = optuna.samplers.TPESampler(seed=0)
    for _ in range(trials - len(made.trials)):
        trial = made.ask()
        made.tell(trial, -((trial.suggest_float("optimizer.lr", 0.0, 1.0) - 0.3) ** 2))
    return read_study(made), made


def test_the_terminator_waits_for_its_minimum_of_trials_and_then_ends(tmp_path: Path) -> None:
    rule = StopRule(StopSettings(terminator=True))
    assert rule.reason(*search(tmp_path / "j", 29)) is None
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = rule.reason(*search(tmp_path / "j", 30))
    assert found is not None
    assert "the gain still to be expected is below 1% of what it was" in found


def test_the_terminator_goes_on_while_there_is_something_to_gain(tmp_path: Path) -> None:
    made = load_or_create(open_storage(None, tmp_path / "j"), "noise", ["maximize"])
    made.set_user_attr("facts", facts().model_dump_json())
    made.sampler = optuna.samplers.RandomSampler(seed=0)
    for number in range(35):
        trial = made.ask()
        trial.suggest_float("optimizer.lr", 0.0, 1.0)
        made.tell(trial, float(number * 7919 % 101))
    assert StopRule(StopSettings(terminator=True)).reason(read_study(made), made) is None
