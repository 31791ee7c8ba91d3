from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from pipeline.config.compose import compose
from pipeline.errors import ConfigError
from pipeline.sweep.definition.checking import Checked, check_sweep, identity_of, threads_of
from tests.sweep_project import LR, choice, copy_project, write_sweep


@pytest.fixture
def project(tmp_path: Path, repository: Path) -> Path:
    return copy_project(repository, tmp_path)


def check(root: Path, *arguments: str, **settings: Any) -> Checked:
    return check_sweep(write_sweep(root, *arguments, **settings), root)


def identity(root: Path, *arguments: str, metric: str = "accuracy", **settings: Any) -> str:
    sweep = write_sweep(root, *arguments, **settings)
    return identity_of(sweep, root, ((metric, "maximize"),))


def problems(root: Path, *arguments: str, **settings: Any) -> dict[str, str]:
    """Key to message of everything wrong with a sweep."""
    with pytest.raises(ConfigError) as caught:
        check(root, *arguments, **settings)
    return {problem.key: str(problem) for problem in caught.value.problems}


def test_a_good_sweep_is_judged_by_the_tasks_primary_metric(project: Path) -> None:
    checked = check(project, threads=1)
    assert checked.objectives == (("accuracy", "maximize"),)
    assert checked.threads == 1
    assert checked.warnings == ()
    expected = compose(["experiment=sports_news", "trainer.num_threads=1"], project)
    assert checked.default == expected


def test_the_experiments_primary_metric_is_the_objective(project: Path) -> None:
    assert check(project, "task.primary_metric=log_loss").objectives == (("log_loss", "minimize"),)


def test_workers_share_the_cores(project: Path) -> None:
    settings = write_sweep(project).settings
    cores = len(os.sched_getaffinity(0))
    for workers, threads in ((1, cores), (cores, 1), (10 * cores, 1)):
        assert threads_of(settings.model_copy(update={"workers": workers})) == threads
    assert threads_of(settings.model_copy(update={"threads": 7, "workers": 2})) == 7


def test_all_problems_are_reported_together(project: Path) -> None:
    found = problems(
        project,
        space={
            "optimizer": choice("adamw", "adamww"),
            "optimizer.lrr": LR,
            "model": {"type": "int", "low": 1, "high": 2},
            "scheduler.warmup_ratio": {"type": "float", "low": 0.0, "high": 1.5},
        },
        objectives=[{"metric": "acuracy"}],
        constraints=[{"metric": "latency", "max": 5.0}],
        pruner="none",
    )
    assert set(found) == {
        "space.optimizer",
        "space.optimizer.lrr",
        "space.model",
        "space.scheduler.warmup_ratio",
        "objectives.0.metric",
        "constraints.0.metric",
    }
    assert "did you mean 'adamw'?" in found["space.optimizer"]
    assert "type: choice" in found["space.model"]
    assert (
        "scheduler.warmup_ratio=1.5: Input should be less than 1"
        in (found["space.scheduler.warmup_ratio"])
    )


def test_a_default_that_does_not_compose_is_reported_beside_unknown_keys(project: Path) -> None:
    found = problems(project, "trainer.max_epochs=0", space={"optimizer.lrr": LR})
    assert set(found) == {"trainer.max_epochs", "space.optimizer.lrr"}
    assert "argument 'trainer.max_epochs=0'" in found["trainer.max_epochs"]


def test_a_cost_known_at_the_end_cannot_prune(project: Path) -> None:
    costs = [{"metric": "size_mb"}]
    assert "pruner: none" in problems(project, objectives=costs)["pruner"]
    assert check(project, objectives=costs, pruner="none").objectives == (("size_mb", "minimize"),)
    both = [{"metric": "size_mb"}, {"metric": "loss"}]
    assert len(check(project, objectives=both).objectives) == 2


def test_a_test_over_seeds_needs_enough_of_them(project: Path) -> None:
    found = problems(project, pruner="wilcoxon", seeds=4)
    assert "seeds: 5" in found["pruner.p_threshold"]
    assert check(project, pruner="wilcoxon", seeds=5).warnings == ()
    lenient = {"kind": "wilcoxon", "p_threshold": 0.13}
    assert check(project, pruner=lenient, seeds=4).warnings == ()


def test_the_loss_is_known_at_every_validation(project: Path) -> None:
    assert check(project, objectives=[{"metric": "loss"}]).objectives == (("loss", "minimize"),)


def test_the_same_trials_have_the_same_identity(project: Path) -> None:
    first = identity(project)
    assert first == check(project).identity
    assert first == identity(
        project,
        "workers=2",
        "threads=3",
        "n_trials=7",
        "timeout=5",
        "sampler=random",
        "pruner=none",
        "keep_models=0",
        "confirm.seeds=0",
        "storage=postgresql://host/db",
        "tracking=off",
        "study=other",
        initial=[{"optimizer.lr": 1e-4}],
    )
    (project / "conf" / "model" / "lstm.yaml").write_text("broken: [", encoding="utf-8")
    assert first == identity(project)


@pytest.mark.parametrize(
    "change",
    [
        {"space": {"optimizer.lr": {**LR, "low": 2e-5}}},
        {"derived": {"optimizer.head_lr": "2 * optimizer.lr"}},
        {"metric": "f1_macro"},
        {"constraints": [{"metric": "accuracy", "min": 0.5}]},
        {"seeds": 2},
        {"overrides": ["trainer.max_epochs=2"]},
        {"overrides": ["trainer.num_threads=2"]},
        {"experiment": "newsroom_topic"},
    ],
)
def test_other_trials_have_another_identity(project: Path, change: dict[str, Any]) -> None:
    assert identity(project) != identity(project, **change)


def test_an_edited_option_makes_other_trials(project: Path) -> None:
    space = {"optimizer": choice("adamw", "sgd")}
    first = identity(project, space=space)
    path = project / "conf" / "optimizer" / "sgd.yaml"
    text = path.read_text(encoding="utf-8")
    path.write_text("# Another comment.\n" + text, encoding="utf-8")
    assert identity(project, space=space) == first
    path.write_text(text + "momentum: 0.5\n", encoding="utf-8")
    assert identity(project, space=space) != first


def test_a_configuration_for_several_devices_is_refused(project: Path) -> None:
    sweep = write_sweep(project, "trainer.devices=2", "trainer.strategy=ddp")
    with pytest.raises(ConfigError, match=r"trainer\.devices: a trial runs in one process") as bad:
        check_sweep(sweep, project)
    assert "more `workers`" in str(bad.value)


@pytest.mark.parametrize("key", ["trainer.devices", "trainer.num_nodes", "trainer.strategy"])
def test_how_many_devices_share_a_trial_is_not_searched(project: Path, key: str) -> None:
    sweep = write_sweep(project, space={key: choice(1, 2)})
    with pytest.raises(ConfigError, match="one process on one device"):
        check_sweep(sweep, project)
