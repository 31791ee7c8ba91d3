from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pipeline.artifacts import read_json
from pipeline.config.schema import Config
from pipeline.sweep.confirmation import Confirmation
from pipeline.sweep.definition.settings import ConfirmSettings
from pipeline.sweep.layout import JobLayout, StudyLayout
from pipeline.sweep.study.opening import open_study
from pipeline.sweep.study.records import StudyRecord
from pipeline.sweep.study.search import Search
from pipeline.sweep.workers.jobs import Job
from tests.sweep_project import check_shipped, copy_project, write_sweep
from tests.unit.sweep.finished_jobs import complete, failed

BEST = {"optimizer.lr": 1e-4}


@pytest.fixture
def project(repository: Path, tmp_path: Path) -> Path:
    return copy_project(repository, tmp_path)


def searched(root: Path, point: dict[str, Any] = BEST) -> tuple[StudyRecord, Config, StudyLayout]:
    """A study whose one trial has been measured."""
    sweep = write_sweep(root, n_trials=1, initial=[point])
    checked = check_shipped(sweep, root)
    layout = StudyLayout.of(root, sweep.settings.study)
    study, facts = open_study(sweep, checked, layout, root)
    search = Search(
        study,
        sweep,
        checked,
        facts,
        layout=layout,
        conf_root=root,
        on_end=lambda _record, _trial: None,
    )
    search.prepare()
    job = search.next_job()
    assert job is not None
    search.ended(job, complete(job, 0.9))
    return search.record(), checked.default, layout


def confirmation(
    found: tuple[StudyRecord, Config, StudyLayout], root: Path, seeds: int = 3
) -> Confirmation:
    record, default, layout = found
    return Confirmation(record, default, ConfirmSettings(seeds=seeds), layout=layout, root=root)


def take_all(source: Confirmation) -> list[Job]:
    jobs = []
    while (job := source.next_job()) is not None:
        jobs.append(job)
    return jobs


def train(job: Job, value: float) -> None:
    """Writes what a worker would have written."""
    layout = JobLayout(Path(job.directory))
    layout.root.mkdir(parents=True)
    complete(job, value).write(layout.result)


def test_both_sides_are_trained_on_seeds_that_the_search_did_not_use(project: Path) -> None:
    jobs = take_all(confirmation(searched(project), project))
    seeds = [job.seeds for job in jobs]
    assert seeds == [(seed,) for seed in (1000, 1000, 1001, 1001, 1002, 1002)]
    rates = [job.config["optimizer"]["lr"] for job in jobs]
    assert rates == [1e-4, 2e-4] * 3
    assert len({job.run_key for job in jobs}) == 6
    assert not any(job.prunes or job.keeps_model for job in jobs)


def test_trained_pairs_are_compared_and_written_down(project: Path) -> None:
    found = searched(project)
    source = confirmation(found, project)
    for job in take_all(source):
        gain = 0.02 + 0.001 * job.seeds[0] % 2 if "best" in job.name else 0.0
        train(job, 0.9 + gain)
    comparison = source.comparison()
    assert comparison is not None
    assert comparison.trial == 0
    assert comparison.n == 3
    assert comparison.difference is not None
    assert comparison.difference > 0.019
    assert read_json(found[2].comparison)["verdict"] == comparison.verdict


def test_what_was_trained_before_is_not_trained_again(project: Path) -> None:
    found = searched(project)
    first = take_all(confirmation(found, project))
    for job in first[:4]:
        train(job, 0.9)
    assert take_all(confirmation(found, project)) == first[4:]


def test_the_default_itself_needs_no_comparison(project: Path) -> None:
    source = confirmation(searched(project, {"optimizer.lr": 2e-4}), project)
    assert not source.has_work
    comparison = source.comparison()
    assert comparison is not None
    assert comparison.is_default


def test_no_seeds_leave_the_comparison_out(project: Path) -> None:
    source = confirmation(searched(project), project, seeds=0)
    assert not source.has_work
    assert source.comparison() is None


def test_a_training_that_fails_leaves_its_seed_out(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = confirmation(searched(project), project)
    jobs = take_all(source)
    for job in jobs[1:]:
        train(job, 0.9)
    source.ended(jobs[0], failed(jobs[0]))
    assert "left out of the comparison: it diverged" in capsys.readouterr().err
    comparison = source.comparison()
    assert comparison is not None
    assert comparison.left_out == (1000,)


def test_a_training_whose_worker_dies_is_tried_once_more(project: Path) -> None:
    source = confirmation(searched(project), project)
    job = source.next_job()
    assert job is not None
    source.lost(job, "its worker was killed by SIGKILL")
    assert source.next_job() == job
    source.lost(job, "its worker was killed by SIGKILL")
    assert source.next_job() != job


def test_a_changed_configuration_is_said_and_not_compared(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = searched(project)
    path = project / "conf" / "experiment" / "sports_news.yaml"
    path.write_text(path.read_text().replace("max_epochs: 5", "max_epochs: 9"))
    source = confirmation(found, project)
    assert "conf/ has changed" in capsys.readouterr().err
    assert not source.has_work
    assert source.comparison() is None
