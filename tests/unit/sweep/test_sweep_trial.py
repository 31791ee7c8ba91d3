from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest

from pipeline.manifest import Manifest
from pipeline.stages.datasets import prepared_dataset
from pipeline.stages.run_log import weights_sha256
from pipeline.sweep.layout import JobLayout
from pipeline.sweep.workers.jobs import Job, JobResult
from pipeline.sweep.workers.link import Message, send
from pipeline.sweep.workers.trial import run_job
from pipeline.training.signals import Interrupted
from tests.sweep_jobs import (
    PARENT,
    Driver,
    do_job,
    job_config,
    line_to_driver,
    make_job,
    model_of,
    result_file,
    saved_states,
    tracked,
    weights,
)

COSTS = {"size_mb", "num_parameters", "num_trainable_parameters", "train_seconds"}
TIMES = {"train_seconds", "tokens_per_second"}
ONE_EPOCH = job_config(trainer={"max_epochs": 1}, export={"latency_repeats": 2})


@dataclass(frozen=True)
class Done:
    """A job that is complete.

    Attributes:
        root: Its project.
        job: The job.
        result: How it ended.
        driver: What heard of it meanwhile.
    """

    root: Path
    job: Job
    result: JobResult
    driver: Driver

    def copy(self, root: Path) -> Path:
        """A copy of its project; returns the root."""
        return shutil.copytree(self.root, root)


@pytest.fixture(scope="module")
def complete(prepared_project: Path, tmp_path_factory: pytest.TempPathFactory) -> Done:
    """The job that all tests begin with, done once."""
    root = tmp_path_factory.mktemp("complete") / "project"
    job = make_job(shutil.copytree(prepared_project, root))
    return Done(root, job, *do_job(job, root))


def test_a_complete_job_leaves_a_result_a_model_and_a_finished_run(complete: Done) -> None:
    root, job, result, driver = complete.root, complete.job, complete.result, complete.driver
    assert (result.state, result.reason, result.unexpected) == ("complete", "", False)
    assert result_file(job) == result.model_dump(mode="json")
    assert result.metrics.keys() >= {"accuracy", "log_loss", "loss", *COSTS}
    assert result.metrics["log_loss"] == pytest.approx(result.metrics["loss"], abs=1e-6)
    assert result.metrics["num_parameters"] * 4 / 1e6 == result.metrics["size_mb"]
    assert (result.seeds[0].steps, result.seeds[0].seed) == (28, 0)

    assert Manifest.read(model_of(job)).run_key == job.run_key
    assert saved_states(root) == []
    layout = JobLayout(Path(job.directory))
    assert (layout.root / "config.yaml").is_file()
    [told] = driver.of("trained")
    assert told == result.metrics

    run = tracked(root, job.run_key)
    assert (run.parent, run.name) == (PARENT, "tiny-0000")
    assert run.experiment == "text_classification/tiny"
    assert run.status == "FINISHED"
    assert run.params["optimizer.lr"] == "0.01"
    assert run.tags["trial_state"] == "complete"
    assert run.tags["weights.sha256"] == weights_sha256(model_of(job))
    assert run.tags["data.hash"] == result.dataset_fingerprint
    assert {"trial": "0", "sweep": "tiny"}.items() <= run.tags.items()
    assert run.metrics["objective/log_loss"] == result.metrics["log_loss"]
    assert set(run.points.values()) == {1}
    assert sum(name == "train/loss" for name, _ in run.points) == 28
    assert [step for name, step in sorted(run.points) if name == "val/log_loss"] == [14, 28]


def test_the_driver_hears_how_far_training_is(complete: Done) -> None:
    first, *training = complete.driver.of("progress")
    assert first == {"phase": "preparing data"}
    steps = [told["step"] for told in training]
    assert steps[0] == 0
    assert {14, 28} <= set(steps), "after each validation, and once a second between"
    assert steps == sorted(steps)
    assert {(told["seed"], told["seeds"]) for told in training} == {(1, 1)}
    assert {(told["total_steps"], told["epochs"]) for told in training} == {(28, 2)}
    assert training[0]["value"] is None
    assert training[-1]["value"] == pytest.approx(0.69, abs=0.01)


def test_weights_are_written_only_if_the_driver_wants_them(root: Path) -> None:
    job = make_job(root, settings=ONE_EPOCH)
    result, _ = do_job(job, root, lambda question: "trained" not in question)
    assert result.state == "complete"
    assert not model_of(job).exists()


def test_a_job_that_keeps_no_model_does_not_ask(root: Path) -> None:
    job = make_job(root, settings=ONE_EPOCH, keeps_model=False)
    result, driver = do_job(job, root)
    assert result.state == "complete"
    assert driver.of("trained") == []
    assert not model_of(job).exists()


def test_latency_is_not_measured_where_it_does_not_count(complete: Done) -> None:
    assert "latency_ms" not in complete.result.metrics
    assert "objective/latency_ms" not in tracked(complete.root, complete.job.run_key).metrics


def test_an_objective_of_latency_is_measured_without_test_data(root: Path) -> None:
    (prepared_dataset(job_config(), root=root) / "test.arrow").unlink()
    job = make_job(root, settings=ONE_EPOCH, objectives=("log_loss", "latency_ms"))
    result, _ = do_job(job, root)
    assert result.state == "complete", result.reason
    assert result.metrics["latency_ms"] > 0
    assert "objective/latency_ms" in tracked(root, job.run_key).metrics


def test_constraints_are_measured_and_a_trial_that_keeps_them_is_complete(root: Path) -> None:
    constraints = [{"metric": "latency_ms", "max": 1e6}, {"metric": "size_mb", "max": 100.0}]
    job = make_job(root, settings=ONE_EPOCH, constraints=constraints)
    result, _ = do_job(job, root)
    assert result.metrics["latency_ms"] > 0
    run = tracked(root, job.run_key)
    assert (result.state, run.tags["trial_state"], run.status) == (
        "complete",
        "complete",
        "FINISHED",
    )
    for name in ("latency_ms", "size_mb"):
        assert run.metrics[f"objective/{name}"] == result.metrics[name]


def test_a_trial_that_breaks_a_constraint_is_marked_as_infeasible(root: Path) -> None:
    job = make_job(root, settings=ONE_EPOCH, constraints=[{"metric": "accuracy", "min": 0.99}])
    result, _ = do_job(job, root)
    run = tracked(root, job.run_key)
    assert (result.state, run.tags["trial_state"], run.status) == (
        "complete",
        "infeasible",
        "FINISHED",
    )
    assert run.metrics["objective/accuracy"] == result.metrics["accuracy"]


def test_a_job_that_was_done_before_gives_its_old_result(complete: Done, tmp_path: Path) -> None:
    root = complete.copy(tmp_path / "project")
    job = make_job(root)
    before = tracked(root, job.run_key)
    again, driver = do_job(job, root)
    assert again == complete.result
    assert driver.heard == []
    assert tracked(root, job.run_key) == before


def test_a_result_of_an_earlier_study_of_the_same_name_is_ignored(
    complete: Done, tmp_path: Path
) -> None:
    root = complete.copy(tmp_path / "project")
    later = make_job(root, run_key="other-0000", parent_key="other")
    assert result_file(later)["run_key"] == complete.job.run_key
    result, driver = do_job(later, root)
    assert result.run_key == result.seeds[0].run_key == "other-0000"
    assert driver.of("progress")[-1]["step"] == 28
    assert result_file(later)["run_key"] == "other-0000"
    assert tracked(root, "other-0000").status == "FINISHED"


def test_a_trial_that_the_driver_ends_at_a_validation_is_pruned(root: Path) -> None:
    settings = job_config(trainer={"state_interval_seconds": 0.001})
    job = make_job(root, settings=settings, prunes=True)
    seen: list[Path] = []

    def no(question: Message) -> bool:
        seen.extend(saved_states(root))
        return False

    result, driver = do_job(job, root, no)
    [asked] = driver.of("validation")
    assert (asked["seed"], asked["number"]) == (0, 1)
    assert result.state == "pruned"
    assert result.reason.startswith("pruned at validation 1 (step 14): log_loss 0.69")
    assert (result.unexpected, result.seeds, result.metrics) == (False, (), {})
    run = tracked(root, job.run_key)
    assert (run.status, run.tags["trial_state"]) == ("KILLED", "pruned")
    assert run.tags["trial_reason"] == result.reason
    assert not any(name.startswith("objective/") for name in run.metrics)
    assert ("val/log_loss", 14) in run.points
    assert seen
    assert list((root / ".cache" / "training").iterdir()) == []
    assert not model_of(job).exists()


@pytest.mark.parametrize("ending", ["stop", "hang up"])
def test_a_job_that_was_interrupted_goes_on_to_the_same_end(
    root: Path, complete: Done, ending: str
) -> None:
    job = make_job(root, prunes=True)

    def end(question: Message) -> None:
        if ending == "stop":
            send(driver.connection, stop=True)
        else:
            driver.connection.close()

    with line_to_driver(end) as (line, driver), pytest.raises(Interrupted):
        run_job(job, root=root, line=line)
    assert tracked(root, job.run_key).status == "KILLED"
    assert not JobLayout(Path(job.directory)).result.exists()
    assert len(saved_states(root)) == 1

    result, driver = do_job(job, root)
    assert driver.of("progress")[1]["step"] >= 14
    assert [asked["number"] for asked in driver.of("validation")] == [1, 2]
    expected = complete.result
    assert result.metrics.keys() == expected.metrics.keys()
    assert all(
        value == expected.metrics[name]
        for name, value in result.metrics.items()
        if name not in TIMES
    )
    assert weights(job) == weights(complete.job)
    run = tracked(root, job.run_key)
    assert run.points == tracked(complete.root, complete.job.run_key).points
    assert (run.status, run.tags["trial_state"]) == ("FINISHED", "complete")
    assert saved_states(root) == []


def test_trials_of_one_configuration_may_run_side_by_side(root: Path) -> None:
    inner: list[JobResult] = []

    def meanwhile(question: Message) -> bool:
        inner.append(do_job(make_job(root, 1, ONE_EPOCH), root)[0])
        return True

    outer, _ = do_job(make_job(root, 0, ONE_EPOCH), root, meanwhile)
    [other] = inner
    assert (outer.state, other.state) == ("complete", "complete"), other.reason
    assert outer.metrics["log_loss"] == other.metrics["log_loss"]
