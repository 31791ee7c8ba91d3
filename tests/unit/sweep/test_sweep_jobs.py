from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from pipeline.sweep.layout import JobLayout, StudyLayout
from pipeline.sweep.workers.jobs import Job, JobResult, SeedResult
from tests.sweep_jobs import make_job


def seed_result(seed: int, **metrics: float) -> SeedResult:
    return SeedResult(
        run_key="key-0001",
        seed=seed,
        metrics=metrics,
        steps=10,
        best_step=5,
        dataset_fingerprint="f" * 64,
    )


def result(*seeds: SeedResult, **values: Any) -> JobResult:
    return JobResult(run_key="key-0001", state="complete", seeds=seeds, **values)


def test_a_job_reaches_a_worker_as_it_was_made(tmp_path: Path) -> None:
    job = make_job(tmp_path, constraints=[{"metric": "size_mb", "max": 1.0}], seeds=(3, 4))
    message = json.loads(json.dumps(job.model_dump(mode="json")))
    assert Job.model_validate(message, strict=False) == job


def test_a_job_needs_its_objectives_and_the_metrics_of_its_constraints(tmp_path: Path) -> None:
    constraints = [
        {"metric": "latency_ms", "max": 5.0},
        {"metric": "accuracy", "min": 0.5},
        {"metric": "latency_ms", "min": 1.0},
    ]
    job = make_job(tmp_path, objectives=("accuracy", "loss"), constraints=constraints)
    assert job.needed == ("accuracy", "loss", "latency_ms")


def test_a_job_without_an_objective_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match="objectives"):
        make_job(tmp_path, objectives=())


def test_metrics_of_a_job_are_means_of_those_that_all_seeds_have() -> None:
    seeds = seed_result(0, accuracy=0.5, loss=1.0, f1=0.1), seed_result(1, loss=2.0, accuracy=0.75)
    assert result(*seeds).metrics == {"accuracy": 0.625, "loss": 1.5}
    assert list(result(*seeds).metrics) == ["accuracy", "loss"]


def test_a_job_without_a_finished_training_has_no_metrics() -> None:
    assert result().metrics == {}


def test_a_result_is_read_as_it_was_written(tmp_path: Path) -> None:
    path = tmp_path / "trials" / "0001" / "result.json"
    written = result(seed_result(0, loss=0.1 + 0.2), seconds=1.5, reason="球赛", git_dirty=True)
    written.write(path)
    assert JobResult.read(path, "key-0001") == written


def test_a_result_of_another_study_counts_as_none(tmp_path: Path) -> None:
    path = tmp_path / "result.json"
    result().write(path)
    assert JobResult.read(path, "other-0001") is None


@pytest.mark.parametrize(
    "content",
    [
        None,
        "",
        '{"run_key": "key-0001", "state": "comp',
        '{"run_key": "key-0001"}',
        '{"run_key": "key-0001", "state": "lost"}',
        '{"run_key": "key-0001", "state": "complete", "of_a_later_version": 1}',
    ],
)
def test_a_missing_or_damaged_result_counts_as_none(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "result.json"
    if content is not None:
        path.write_text(content)
    assert JobResult.read(path, "key-0001") is None


def test_jobs_of_a_study_have_directories_of_their_own(tmp_path: Path) -> None:
    study = StudyLayout.of(tmp_path, "lr")
    jobs = [
        study.trial(7),
        study.trial(70),
        study.confirmation("default", 3),
        study.confirmation("best-0007", 3),
    ]
    assert len({job.root for job in jobs}) == len(jobs)
    for job in jobs:
        assert job.result.is_relative_to(study.root)


def test_trainings_of_a_job_share_the_dataset_and_nothing_else(tmp_path: Path) -> None:
    layout, dataset = JobLayout(tmp_path), tmp_path / "shared"
    outputs = [layout.outputs(seed, dataset) for seed in (0, 1)]
    assert [made.dataset for made in outputs] == [dataset, dataset]
    assert outputs[0].model != outputs[1].model
    assert layout.seed_result(0) != layout.seed_result(1) != layout.result
