from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from optuna.trial import TrialState

from pipeline.errors import UserError
from pipeline.sweep.definition.checking import check_sweep
from pipeline.sweep.layout import JobLayout, StudyLayout
from pipeline.sweep.study.opening import freeze_configuration, open_study
from pipeline.sweep.study.records import OWNER, StudyRecord, TrialRecord
from pipeline.sweep.study.search import Search
from pipeline.sweep.workers.jobs import Job, JobResult
from tests.sweep_project import check_shipped, choice, copy_project, write_sweep
from tests.unit.sweep.finished_jobs import complete, failed


@dataclass
class Opened:
    """A search in a project of its own, and what it told of trials that ended."""

    root: Path
    search: Search
    layout: StudyLayout
    told: list[tuple[int, str]] = field(default_factory=list)

    def job(self) -> Job:
        job = self.search.next_job()
        assert job is not None
        return job

    def end(self, job: Job, value: float, **metrics: float) -> None:
        self.search.ended(job, complete(job, value, **metrics))

    @property
    def record(self) -> StudyRecord:
        return self.search.record()


@pytest.fixture
def project(repository: Path, tmp_path: Path) -> Path:
    return copy_project(repository, tmp_path)


def begin(root: Path, *arguments: str, edited: bool = False, **settings: Any) -> Opened:
    """Opens the study of a sweep as a command of its own would."""
    sweep = write_sweep(root, *arguments, **settings)
    checked = check_sweep(sweep, root) if edited else check_shipped(sweep, root)
    layout = StudyLayout.of(root, sweep.settings.study)
    study, facts = open_study(sweep, checked, layout, root)
    told: list[tuple[int, str]] = []

    def on_end(record: StudyRecord, trial: TrialRecord) -> None:
        assert trial in record.trials
        told.append((trial.number, trial.outcome))

    search = Search(
        study,
        sweep,
        checked,
        facts,
        layout=layout,
        conf_root=freeze_configuration(layout, root),
        on_end=on_end,
    )
    search.prepare()
    return Opened(root, search, layout, told)


def test_a_trial_is_a_composed_configuration_with_the_searched_values(project: Path) -> None:
    opened = begin(project, "threads=1", seeds=2)
    job = opened.job()
    (trial,) = opened.record.trials
    assert trial.params == {"optimizer.lr": job.config["optimizer"]["lr"]}
    assert job.config["trainer"]["num_threads"] == 1
    assert job.seeds == (0, 1)
    assert job.tags["trial"] == "0"
    assert job.run_key.startswith(f"{job.parent_key}-")
    assert trial.outcome == "running"


def test_outcomes_are_kept_in_the_study(project: Path) -> None:
    opened = begin(project, n_trials=3)
    first, second, third = opened.job(), opened.job(), opened.job()
    assert opened.search.next_job() is None
    opened.search.ended(second, failed(second))
    opened.end(first, 0.8)
    assert opened.search.goes_on(third, seed=0, number=1, value=0.3)
    opened.search.ended(third, JobResult(run_key=third.run_key, state="pruned", reason="no"))
    assert [trial.outcome for trial in opened.record.trials] == ["complete", "failed", "pruned"]
    assert opened.told == [(1, "failed"), (0, "complete"), (2, "pruned")]
    assert opened.record.best is not None
    assert opened.record.best.values == (0.8,)
    assert opened.record.trials[1].reason == "it diverged"
    assert opened.record.trials[2].reported == {1: 0.3}
    assert not opened.search.has_work


def test_the_objective_is_the_mean_over_seeds(project: Path) -> None:
    opened = begin(project, seeds=3)
    job = opened.job()
    result = complete(job, 0.0)
    seeds = tuple(
        seed.model_copy(update={"metrics": {"accuracy": value}})
        for seed, value in zip(result.seeds, (0.7, 0.8, 0.9), strict=True)
    )
    opened.search.ended(job, result.model_copy(update={"seeds": seeds}))
    assert opened.record.trials[0].values[0] == pytest.approx(0.8)


def test_a_later_command_goes_on_up_to_the_number_of_trials(project: Path) -> None:
    opened = begin(project, n_trials=2)
    for value in (0.5, 0.6):
        opened.end(opened.job(), value)
    assert not begin(project, n_trials=2).search.has_work
    more = begin(project, n_trials=3)
    assert more.job().tags["trial"] == "2"
    assert more.search.next_job() is None


def test_a_trial_that_was_cut_off_is_taken_up_again_with_its_values(project: Path) -> None:
    opened = begin(project)
    cut_off = opened.job()
    opened.search.goes_on(cut_off, seed=0, number=1, value=0.4)
    again = begin(project).job()
    assert again.model_dump() == cut_off.model_dump()
    (trial,) = opened.record.trials
    assert trial.reported == {1: 0.4}


def test_a_result_that_nobody_told_is_found_on_the_disk(project: Path) -> None:
    job = begin(project).job()
    layout = JobLayout(Path(job.directory))
    layout.root.mkdir(parents=True)
    complete(job, 0.75).write(layout.result)
    later = begin(project)
    assert later.told == [(0, "complete")]
    assert later.record.trials[0].values == (0.75,)
    assert later.job().tags["trial"] == "1"


def test_a_result_of_an_earlier_study_of_the_same_name_is_not_taken(project: Path) -> None:
    opened = begin(project)
    job = opened.job()
    layout = JobLayout(Path(job.directory))
    layout.root.mkdir(parents=True)
    complete(job, 0.75).model_copy(update={"run_key": "another"}).write(layout.result)
    assert begin(project).record.of("complete") == []


def test_a_stopped_trial_waits_for_the_next_command(project: Path) -> None:
    opened = begin(project)
    job = opened.job()
    opened.search.suspend(job)
    assert [trial.outcome for trial in opened.record.trials] == ["waiting"]
    assert begin(project).job().config == job.config


def test_a_trial_whose_worker_died_is_tried_again_and_fails_in_the_end(project: Path) -> None:
    opened = begin(project, retries=1)
    job = opened.job()
    opened.search.lost(job, "its worker was killed by SIGKILL")
    assert opened.job() == job
    opened.search.lost(job, "its worker was killed by SIGKILL")
    (trial,) = opened.record.trials
    assert trial.outcome == "failed"
    assert trial.reason == "its worker was killed by SIGKILL (2 times)"


def test_a_worker_that_dies_after_its_result_loses_nothing(project: Path) -> None:
    opened = begin(project)
    job = opened.job()
    layout = JobLayout(Path(job.directory))
    layout.root.mkdir(parents=True)
    complete(job, 0.75).write(layout.result)
    opened.search.lost(job, "its worker was killed by SIGKILL")
    assert opened.record.trials[0].values == (0.75,)


def test_too_many_failures_in_a_row_end_the_search_but_not_the_next_one(project: Path) -> None:
    opened = begin(project, stop={"failures_in_a_row": 2})
    for _ in range(2):
        job = opened.job()
        opened.search.ended(job, failed(job))
    assert opened.search.gave_up
    assert "2 trials failed in a row" in (opened.search.ending or "")
    assert opened.search.next_job() is None
    assert begin(project, stop={"failures_in_a_row": 2}).job().tags["trial"] == "2"


def test_patience_ends_the_search(project: Path) -> None:
    opened = begin(project, stop={"patience": 2})
    for value in (0.9, 0.8, 0.7):
        opened.end(opened.job(), value)
    assert "did not improve" in (opened.search.ending or "")
    assert not opened.search.gave_up
    assert not begin(project, stop={"patience": 2}).search.has_work


def test_after_the_timeout_no_trial_begins(project: Path) -> None:
    opened = begin(project, timeout=0.000001)
    assert opened.search.next_job() is None
    assert "timeout" in (opened.search.ending or "")


def test_initial_points_come_first_and_once(project: Path) -> None:
    points = [{"optimizer.lr": 1e-4}, {"optimizer.lr": 2e-4}]
    begin(project, initial=points)
    opened = begin(project, initial=points)
    values = [opened.job().config["optimizer"]["lr"] for _ in range(3)]
    assert values[:2] == [1e-4, 2e-4]
    assert values[2] not in values[:2]


def test_a_grid_ends_when_every_point_was_tried(project: Path) -> None:
    space = {"optimizer.weight_decay": choice(0.0, 0.1), "optimizer": choice("adamw", "sgd")}
    opened = begin(project, sampler="grid", space=space)
    seen = []
    while (job := opened.search.next_job()) is not None:
        seen.append((job.config["optimizer"]["weight_decay"], job.config["optimizer"]["name"]))
        opened.end(job, 0.5)
    assert sorted(seen) == [(0.0, "adamw"), (0.0, "sgd"), (0.1, "adamw"), (0.1, "sgd")]


def test_an_impossible_configuration_fails_at_once_and_the_next_is_asked_for(
    project: Path,
) -> None:
    space = {
        "model": choice("minilm", "bert_scratch"),
        "method": choice("full", "frozen_prefix"),
    }
    opened = begin(project, sampler="grid", space=space, overrides=["method=full"])
    jobs = [opened.job() for _ in range(3)]
    assert opened.search.next_job() is None
    assert len(opened.record.of("failed")) == 1
    assert "starts from random ones" in opened.record.of("failed")[0].reason
    assert len({job.name for job in jobs}) == 3


def test_a_trial_that_breaks_a_constraint_is_infeasible_and_never_the_best(project: Path) -> None:
    opened = begin(project, constraints=[{"metric": "latency_ms", "max": 10.0}])
    slow, fast = opened.job(), opened.job()
    assert "latency_ms" in slow.needed
    opened.end(slow, 0.9, latency_ms=12.0)
    opened.end(fast, 0.8, latency_ms=8.0)
    record = opened.record
    assert [trial.outcome for trial in record.trials] == ["infeasible", "complete"]
    assert record.best is not None
    assert record.best.number == 1
    assert record.trials[0].violations == {"latency_ms <= 10": 2.0}


def test_the_median_pruner_ends_a_bad_trial_and_reports_are_taken_once(project: Path) -> None:
    opened = begin(project, pruner={"kind": "median", "n_startup_trials": 2})
    for value in (0.8, 0.9):
        job = opened.job()
        opened.search.goes_on(job, seed=0, number=1, value=value)
        opened.end(job, value)
    bad = opened.job()
    assert not opened.search.goes_on(bad, seed=0, number=1, value=0.2)
    assert not opened.search.goes_on(bad, seed=0, number=1, value=0.99), "the first report stands"
    assert opened.search.goes_on(bad, seed=1, number=1, value=0.1), "a later seed's curve"


def test_weights_are_kept_of_trials_that_would_be_among_the_best(project: Path) -> None:
    opened = begin(project, keep_models=1)
    first, second = opened.job(), opened.job()
    assert opened.search.keeps(first, {"accuracy": 0.8})
    opened.end(first, 0.8)
    assert not opened.search.keeps(second, {"accuracy": 0.7})
    assert opened.search.keeps(second, {"accuracy": 0.9})
    assert not opened.search.keeps(second, {})


def test_several_objectives_have_a_front_and_no_pruning(project: Path) -> None:
    objectives = [{"metric": "accuracy"}, {"metric": "size_mb"}]
    opened = begin(project, objectives=objectives, sampler="nsga-ii")
    jobs = [opened.job() for _ in range(3)]
    assert not jobs[0].prunes
    for job, accuracy, size in zip(jobs, (0.9, 0.8, 0.7), (100.0, 50.0, 60.0), strict=True):
        opened.end(job, accuracy, size_mb=size)
    assert [trial.number for trial in opened.record.ranked] == [0, 1]
    assert opened.record.best is None


def test_an_edit_of_the_configuration_does_not_change_a_search_that_runs(project: Path) -> None:
    opened = begin(project)
    before = opened.job().config
    path = project / "conf" / "experiment" / "sports_news.yaml"
    path.write_text(path.read_text().replace("max_epochs: 5", "max_epochs: 9"))
    assert opened.job().config["trainer"]["max_epochs"] == before["trainer"]["max_epochs"] == 5
    with pytest.raises(UserError, match="searches something else"):
        begin(project, edited=True)


def test_a_study_that_names_no_experiment_stays_what_it_was(project: Path) -> None:
    from pipeline.sweep.definition.loading import load_sweep, with_pinned

    write_sweep(project, experiment=None)
    params = project / "params.yaml"
    params.write_text("experiment: newsroom_topic\nseed: 3\ntrainer: {max_epochs: 2}\n")
    sweep = with_pinned(load_sweep("mine", (), project), project)
    assert sweep.arguments[0] == "experiment=newsroom_topic"
    params.write_text("experiment: sports_news\n")
    config = check_sweep(sweep, project).default
    assert (config.experiment, config.seed, config.trainer.max_epochs) == ("newsroom_topic", 3, 2)


def test_trials_of_another_machine_are_left_alone_until_they_give_no_sign_of_life(
    project: Path,
) -> None:
    patient: dict[str, Any] = {"heartbeat_seconds": 0.001, "grace_seconds": 3600.0}
    opened = begin(project, **patient)
    job = opened.job()
    study = opened.search.study
    (trial,) = study.get_trials(states=[TrialState.RUNNING])
    study._storage.set_trial_user_attr(trial._trial_id, OWNER, "elsewhere:/project:1")
    other = begin(project, **patient)
    assert other.job().tags["trial"] == "1"
    for _ in range(3):
        time.sleep(0.01)
        other.search.beat()
    assert [t.outcome for t in other.record.trials] == ["running", "running"]
    assert other.search.waits

    impatient = begin(project, heartbeat_seconds=0.001, grace_seconds=0.001)
    for _ in range(3):
        time.sleep(0.01)
        impatient.search.beat()
    again = {impatient.job().name, impatient.job().name}
    assert job.name in again


def test_signs_of_life_keep_a_trial(project: Path) -> None:
    opened = begin(project, heartbeat_seconds=0.001)
    opened.job()
    for _ in range(3):
        time.sleep(0.01)
        opened.search.beat()
    (trial,) = opened.search.study.get_trials()
    assert trial.user_attrs["beat"] == 3
