from __future__ import annotations

import os
import random
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import TypeAdapter

from pipeline.config.compose import compose
from pipeline.errors import ConfigError
from pipeline.sweep.checking import Checked, check_sweep, identity_of, threads_of
from pipeline.sweep.keys import key_problems
from pipeline.sweep.loading import Sweep, load_sweep
from pipeline.sweep.parameters import Parameter
from pipeline.sweep.probing import draw
from pipeline.tasks import text_classification

LR = {"type": "float", "low": 1e-5, "high": 1e-3, "log": True}
DUPLICATES = {"step": "deduplicate"}
SPACES = {"step": "whitespace"}


@pytest.fixture
def project(tmp_path: Path, repository: Path) -> Path:
    """The shipped configuration, to be edited."""
    shutil.copytree(repository / "conf", tmp_path / "conf")
    shutil.copy(repository / "params.yaml", tmp_path)
    return tmp_path


def choice(*choices: Any, **when: Any) -> dict[str, Any]:
    return {"type": "choice", "choices": list(choices), **({"when": when} if when else {})}


def write(root: Path, *arguments: str, **settings: Any) -> Sweep:
    """Writes a sweep over the learning rate and loads it."""
    (root / "sweeps").mkdir(exist_ok=True)
    values = {"experiment": "sports_news", "space": {"optimizer.lr": LR}, **settings}
    (root / "sweeps" / "mine.yaml").write_text(
        yaml.safe_dump(values, sort_keys=False), encoding="utf-8"
    )
    return load_sweep("mine", arguments, root)


def check(root: Path, *arguments: str, **settings: Any) -> Checked:
    return check_sweep(write(root, *arguments, **settings), root)


def identity(root: Path, *arguments: str, metric: str = "accuracy", **settings: Any) -> str:
    return identity_of(write(root, *arguments, **settings), root, ((metric, "maximize"),))


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
    settings = write(project).settings
    cores = len(os.sched_getaffinity(0))
    for workers, threads in ((1, cores), (cores, 1), (10 * cores, 1)):
        assert threads_of(settings.model_copy(update={"workers": workers})) == threads
    assert threads_of(settings.model_copy(update={"threads": 7, "workers": 2})) == 7


@pytest.mark.parametrize(
    ("key", "words"),
    [
        ("optimizer.lrr", "did you mean 'optimizer.lr'?"),
        ("lr", "did you mean 'optimizer.lr'?"),
        ("optimizr", "did you mean 'optimizer'?"),
        ("optimizer.num_layers", "did you mean 'model.architecture.num_layers'?"),
        ("optimizer.lr.low", "did you mean 'optimizer.lr'?"),
        ("scheduler.zzz", "allowed: scheduler.kind, scheduler.name,"),
        ("task.options.label_smothing", "did you mean 'task.options.label_smoothing'?"),
        ("scheduler.kind.x", "did you mean 'scheduler.kind'?"),
        ("model.dropout.zzz", "did you mean 'model.dropout'?"),
        ("seed", "seeds: 3"),
        ("experiment", "`model`"),
        ("data", "data.cleaning"),
        ("data.split.seed", "data.cleaning"),
        ("data.files.all.path", "data.cleaning"),
        ("data.max_rows", "data.cleaning"),
        ("task.kind", "task.options"),
        ("task.primary_metric", "task.options"),
        ("tracking.enabled", "changes no trial's result"),
        ("evaluation.seed", "changes no trial's result"),
        ("export.opset", "changes no trial's result"),
        ("model.name", "search the config group: `model`"),
    ],
)
def test_a_key_that_cannot_be_searched_is_refused_with_a_remedy(
    project: Path, key: str, words: str
) -> None:
    sweep = write(project, space={"optimizer.lr": LR, key: choice(1, 2)})
    (problem,) = key_problems(sweep, project, text_classification.Options)
    assert problem.key == f"space.{key}"
    assert words in str(problem)
    assert problem.source == "sweeps/mine.yaml"


@pytest.mark.parametrize("key", ["seed", "optimizer.lrr", "model", "data.max_rows"])
def test_derived_keys_obey_the_same_rules(project: Path, key: str) -> None:
    sweep = write(project, derived={key: "trainer.max_epochs"})
    (problem,) = key_problems(sweep, project, text_classification.Options)
    assert problem.key == f"derived.{key}"


@pytest.mark.parametrize(
    ("key", "choices"),
    [
        ("optimizer.head_lr", [None, 1e-3]),
        ("task.options", [{"label_smoothing": 0.1}]),
        ("task.options.class_weights", ["uniform", "balanced"]),
        ("model.architecture.num_layers", [1, 2]),
        ("model.checkpoint.sha256.config", ["0"]),
        ("data.cleaning", [[]]),
        ("trainer", ["default"]),
    ],
)
def test_other_keys_may_be_searched(project: Path, key: str, choices: list[Any]) -> None:
    sweep = write(project, space={key: choice(*choices)})
    assert key_problems(sweep, project, text_classification.Options) == []


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


def test_every_choice_has_to_be_valid_somewhere(project: Path) -> None:
    found = problems(
        project,
        space={"trainer.precision": choice("fp32", "fp8", "bf16", "int8"), "optimizer.lr": LR},
    )
    (message,) = found.values()
    assert "trainer.precision=fp8" in message
    assert "fp32, bf16" in message


def test_the_cause_is_named_once_and_not_at_every_parameter(project: Path) -> None:
    found = problems(
        project,
        space={"optimizer.lr": LR, "model.dropout": choice(1.5, 2.0), "method": choice("full")},
    )
    assert set(found) == {"space.model.dropout"}


def test_a_value_that_needs_another_is_found_a_place(project: Path) -> None:
    space = {
        "model": choice("minilm", "lstm"),
        "method": choice("full", "frozen_prefix", "head"),
        "method.frozen_layers": {
            "type": "int",
            "low": 1,
            "high": 5,
            "when": {"method": "frozen_prefix"},
        },
    }
    checked = check(project, space=space)
    (warning,) = checked.warnings
    assert "random points" in warning
    assert "starts from random" in warning


def test_deep_conditions_are_met(project: Path) -> None:
    space = {
        "model": choice("minilm", "lstm", "bert_scratch", "gpt2_scratch"),
        "method": choice("full", "head", model="minilm"),
        "optimizer": choice("adamw", "sgd", method=["full"], model=["minilm"]),
        "optimizer.momentum": {
            "type": "float",
            "low": 0.0,
            "high": 2.0,
            "when": {"optimizer": "sgd"},
        },
    }
    found = problems(project, space=space, overrides=["method=full"])
    assert set(found) == {"space.optimizer.momentum"}
    assert "optimizer.momentum=2.0" in found["space.optimizer.momentum"]


def test_conditions_that_exclude_each_other_are_found(project: Path) -> None:
    space = {
        "method": choice("full", "head"),
        "optimizer": choice("adamw", "sgd", method="full"),
        "optimizer.momentum": choice(0.5, 0.9, method="head", optimizer="sgd"),
    }
    found = problems(project, space=space)
    assert "never hold together" in found["space.optimizer.momentum"]


def test_a_derived_value_that_fails_is_reported_once(project: Path) -> None:
    found = problems(project, derived={"optimizer.head_lr": "10 * optimizer.rate"})
    assert set(found) == {"derived.optimizer.head_lr"}


def test_initial_points_are_composed(project: Path) -> None:
    space = {
        "method": choice("full", "frozen_prefix"),
        "method.frozen_layers": choice(1, 2, method="frozen_prefix"),
        "model": choice("minilm", "lstm"),
    }
    initial = [
        {"method": "full"},
        {"model": "lstm", "method": "frozen_prefix"},
        {"method": "full", "method.frozen_layers": 1},
        {"method.frozen_layers": 2},
    ]
    found = problems(project, space=space, initial=initial)
    assert set(found) == {"initial.1", "initial.2"}
    assert "random ones" in found["initial.1"]
    assert "method.frozen_layers does not exist" in found["initial.2"]


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


def test_values_beyond_the_budget_are_named(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.sweep.probing.BUDGET", 1)
    (warning,) = check(project, space={"trainer.max_epochs": choice(1, 2, 3)}).warnings
    assert warning.startswith("2 values were not tried, among them trainer.max_epochs=2")


def test_the_loss_is_known_at_every_validation(project: Path) -> None:
    assert check(project, objectives=[{"metric": "loss"}]).objectives == (("loss", "minimize"),)


@pytest.mark.parametrize(
    ("own", "choices", "is_fair"),
    [
        ([], [[], [SPACES], [{"step": "html"}, SPACES]], True),
        ([], [[], [SPACES, DUPLICATES]], False),
        (
            [SPACES, DUPLICATES],
            [[SPACES, DUPLICATES], [SPACES, DUPLICATES, {"step": "html"}]],
            True,
        ),
        ([SPACES, DUPLICATES], [[SPACES, {**DUPLICATES, "ignore_case": False}]], True),
        ([SPACES, DUPLICATES], [[SPACES, {**DUPLICATES, "ignore_case": True}]], False),
        ([SPACES, DUPLICATES], [[DUPLICATES]], False),
    ],
)
def test_cleaning_must_not_change_which_rows_there_are(
    project: Path, own: list[Any], choices: list[Any], is_fair: bool
) -> None:
    path = project / "conf" / "experiment" / "cleaned.yaml"
    text = "# @package _global_\n" + yaml.safe_dump({"data": {"cleaning": own}})
    path.write_text(text, encoding="utf-8")
    space = {"data.cleaning": choice(*choices), "optimizer.lr": LR}
    if is_fair:
        assert check(project, experiment="cleaned", space=space).warnings == ()
    else:
        found = problems(project, experiment="cleaned", space=space)
        assert "other rows" in found["space.data.cleaning"]


def test_cleaning_moves_rows_that_are_divided_by_hash(project: Path) -> None:
    space = {"data.cleaning": choice([], [SPACES]), "model.max_length": choice(16, 32)}
    found = problems(project, "data.split.method=hash", space=space)
    assert "data.split.method=stratified" in found["space.data.cleaning"]


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


@pytest.mark.parametrize(
    "values",
    [
        {"type": "float", "low": 0.1, "high": 1.0},
        {"type": "float", "low": 1e-6, "high": 1.0, "log": True},
        {"type": "float", "low": 0.0, "high": 0.35, "step": 0.1},
        {"type": "int", "low": 3, "high": 10, "step": 3},
        {"type": "int", "low": 1, "high": 10**12, "log": True},
        {"type": "int", "low": 0, "high": 10**12},
        {"type": "choice", "choices": [None, "a", [1, 2], {"b": 3}]},
    ],
)
def test_random_points_lie_in_the_space(values: dict[str, Any]) -> None:
    adapter: TypeAdapter[Parameter] = TypeAdapter(Parameter)
    parameter = adapter.validate_python(values, strict=False)
    generator = random.Random(3)
    drawn = [draw({"x": parameter}, generator)["x"] for _ in range(200)]
    assert all(parameter.contains(value) for value in drawn)
    if values["type"] == "choice":
        assert all(value in drawn for value in parameter.choices)  # type: ignore[union-attr]


def test_given_values_stay_and_what_they_exclude_is_left_out() -> None:
    adapter: TypeAdapter[dict[str, Parameter]] = TypeAdapter(dict[str, Parameter])
    space = adapter.validate_python(
        {"a": choice("x", "y"), "b": choice(1, 2, a="x"), "c": choice(5, 6)}, strict=False
    )
    generator = random.Random(0)
    assert draw(space, generator, {"a": "x", "b": 2, "c": 6}) == {"a": "x", "b": 2, "c": 6}
    assert set(draw(space, generator, {"a": "y", "b": 2})) == {"a", "c"}
