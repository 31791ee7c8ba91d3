from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.sweep.layout import JobLayout
from pipeline.sweep.workers.jobs import Job, SeedResult
from pipeline.sweep.workers.link import Message, send
from pipeline.sweep.workers.trial import run_job
from pipeline.training.signals import Interrupted
from tests.sweep_jobs import (
    do_job,
    job_config,
    line_to_driver,
    make_job,
    saved_states,
    tracked,
    weights,
)

SEEDS = (0, 1, 2)


def seeded(root: Path, *, prunes: bool = False, over_seeds: bool = False) -> Job:
    settings = job_config(trainer={"max_epochs": 1})
    return make_job(root, settings=settings, seeds=SEEDS, prunes=prunes, over_seeds=over_seeds)


def test_several_seeds_are_runs_of_their_own_within_the_run_of_the_trial(root: Path) -> None:
    job = seeded(root)
    result, driver = do_job(job, root)
    values = [seed.metrics["log_loss"] for seed in result.seeds]
    assert [seed.seed for seed in result.seeds] == list(SEEDS)
    assert len(set(values)) == 3
    assert result.metrics["log_loss"] == pytest.approx(sum(values) / 3, rel=1e-12)
    assert driver.of("trained") == []
    assert {(told["seed"], told["seeds"]) for told in driver.of("progress")[1:]} == {
        (1, 3),
        (2, 3),
        (3, 3),
    }

    trial = tracked(root, job.run_key)
    assert (trial.parent, trial.status) == (job.parent_key, "FINISHED")
    assert trial.metrics["objective/log_loss"] == result.metrics["log_loss"]
    assert trial.metrics["mean/accuracy"] == result.metrics["accuracy"]
    assert "val/log_loss" not in trial.metrics
    assert trial.params["optimizer.lr"] == "0.01"
    assert "seed" not in trial.params
    for seed, value in zip(SEEDS, values, strict=True):
        run = tracked(root, f"{job.run_key}-seed{seed}")
        assert (run.parent, run.name) == (job.run_key, f"tiny-0000-seed{seed}")
        assert (run.status, run.params["seed"]) == ("FINISHED", str(seed))
        assert (run.tags["trial"], run.tags["sweep_role"]) == ("0", "seed")
        assert run.metrics["val/log_loss"] == value
        assert weights(job, seed)


def test_pruning_by_validations_says_which_seed_asks(root: Path) -> None:
    _, driver = do_job(seeded(root, prunes=True), root)
    asked = [(question["seed"], question["number"]) for question in driver.of("validation")]
    assert asked == [(0, 1), (1, 1), (2, 1)]


def test_a_trial_that_is_worse_over_its_seeds_is_pruned_after_one(root: Path) -> None:
    job = seeded(root, prunes=True, over_seeds=True)
    result, driver = do_job(job, root, lambda question: question["validation"]["seed"] < 1)
    first, second = driver.of("validation")
    assert (first["number"], second["number"]) == (0, 1)
    assert first["value"] == result.seeds[0].metrics["log_loss"]
    assert (result.state, len(result.seeds)) == ("pruned", 2)
    assert result.reason == "pruned after 2 seeds: worse than the best trial"
    assert tracked(root, job.run_key).status == "KILLED"
    assert tracked(root, f"{job.run_key}-seed1").status == "FINISHED"
    assert list(Path(job.directory).glob("seed*/model")) == []
    assert saved_states(root) == []


def test_after_the_last_seed_nobody_is_asked(root: Path) -> None:
    result, driver = do_job(seeded(root, prunes=True, over_seeds=True), root)
    assert result.state == "complete"
    assert [question["seed"] for question in driver.of("validation")] == [0, 1]


def test_seeds_that_were_done_before_an_interruption_are_not_trained_again(root: Path) -> None:
    job = seeded(root, prunes=True)

    def stop_in_the_second(question: Message) -> bool | None:
        if question["validation"]["seed"] == 0:
            return True
        send(driver.connection, stop=True)
        return None

    with line_to_driver(stop_in_the_second) as (line, driver), pytest.raises(Interrupted):
        run_job(job, root=root, line=line)
    first = SeedResult.read(JobLayout(Path(job.directory)).seed_result(0), job.run_key)
    assert first is not None
    assert tracked(root, f"{job.run_key}-seed0").status == "FINISHED"
    assert tracked(root, f"{job.run_key}-seed1").status == "KILLED"

    result, driver = do_job(job, root)
    assert {told["seed"] for told in driver.of("progress")[1:]} == {2, 3}
    assert result.seeds[0] == first
    for name in (job.run_key, *(f"{job.run_key}-seed{seed}" for seed in SEEDS)):
        run = tracked(root, name)
        assert run.status == "FINISHED"
        assert set(run.points.values()) == {1}
