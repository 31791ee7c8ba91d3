from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.config.compose import config_hash
from pipeline.errors import ConfigError
from pipeline.stages.compose import compose_checked
from pipeline.sweep.definition.composition import compose_default, compose_trial, overrides_of
from tests.sweep_project import copy_project, write_sweep


@pytest.fixture
def project(tmp_path: Path, repository: Path) -> Path:
    return copy_project(repository, tmp_path)


def test_searched_values_lie_over_arguments_and_experiment(project: Path) -> None:
    mine = write_sweep(
        project, "trainer.max_epochs=2", "optimizer.lr=0.5", overrides=["trainer.max_epochs=7"]
    )
    config = compose_trial(mine, {"optimizer.lr": 3e-5}, project, threads=1).config
    assert config.experiment == "sports_news"
    assert config.optimizer.lr == 3e-5
    assert config.trainer.max_epochs == 2


def test_a_chosen_option_and_values_below_it_fit_in_any_order(project: Path) -> None:
    params = {"model.max_length": 12, "model": "lstm", "method": "full"}
    config = compose_trial(write_sweep(project), params, project, threads=1).config
    assert (config.model.name, config.model.max_length) == ("lstm", 12)
    assert config.method.name == "full"


def test_options_come_first_and_the_rest_keeps_its_order() -> None:
    values = {"model.max_length": 12, "optimizer.lr": 1e-5, "model": "lstm"}
    assert overrides_of(values) == ["model='lstm'", "model.max_length=12", "optimizer.lr=1e-05"]


def test_the_overrides_of_a_trial_compose_the_same_configuration(project: Path) -> None:
    mine = write_sweep(project, derived={"optimizer.head_lr": "10 * optimizer.lr"})
    params = {"optimizer.lr": 1.2345678901234567e-5, "method": "head"}
    trial = compose_trial(mine, params, project, threads=3)
    assert trial.overrides == {
        **params,
        "optimizer.head_lr": trial.config.optimizer.head_lr,
        "trainer.num_threads": 3,
    }
    again = compose_checked([*mine.arguments, *overrides_of(trial.overrides)], project)
    assert again == trial.config
    assert config_hash(again) == config_hash(trial.config)


def test_cleaning_is_chosen_as_a_list_of_mappings(project: Path) -> None:
    steps = [{"step": "whitespace"}, {"step": "stop_words", "words": ["it's", "a,b", "[c]"]}]
    config = compose_trial(
        write_sweep(project), {"data.cleaning": steps}, project, threads=1
    ).config
    found = config.model_dump(mode="json", exclude_unset=True)["data"]["cleaning"]
    assert found == steps
    none = compose_trial(write_sweep(project), {"data.cleaning": []}, project, threads=1).config
    assert none.data.cleaning == ()


words = st.text(alphabet="ab'\" ,=[]{}:()#@/-é中", max_size=8).filter(lambda word: "${" not in word)
values = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
)


@given(st.recursive(values | words, lambda inner: st.lists(inner, max_size=3), max_leaves=4))
def test_values_survive_the_grammar(value: Any) -> None:
    from hydra.core.override_parser.overrides_parser import OverridesParser

    (text,) = overrides_of({"task.options.any": value})
    read = OverridesParser.create().parse_override(text).value()
    assert read == value
    assert type(read) is type(value)


def test_threads_are_set_where_nothing_else_sets_them(project: Path) -> None:
    mine = write_sweep(project)
    assert compose_trial(mine, {}, project, threads=2).config.trainer.num_threads == 2
    assert compose_default(mine, project, threads=2).trainer.num_threads == 2
    searched = compose_trial(mine, {"trainer.num_threads": 5}, project, threads=2)
    assert searched.config.trainer.num_threads == 5
    assert searched.overrides == {"trainer.num_threads": 5}
    argued = write_sweep(project, "trainer.num_threads=4")
    assert compose_trial(argued, {}, project, threads=2).config.trainer.num_threads == 4
    assert compose_default(argued, project, threads=2).trainer.num_threads == 4


def test_the_experiments_threads_stay(project: Path) -> None:
    path = project / "conf" / "experiment" / "slow.yaml"
    path.write_text("# @package _global_\ntrainer:\n  num_threads: 6\n", encoding="utf-8")
    trial = compose_trial(write_sweep(project, experiment="slow"), {}, project, threads=2)
    assert trial.config.trainer.num_threads == 6
    assert trial.overrides == {"trainer.num_threads": 6}


def test_derived_values_follow_those_above_them(project: Path) -> None:
    mine = write_sweep(
        project,
        derived={
            "optimizer.head_lr": "10 * optimizer.lr",
            "optimizer.weight_decay": "2 * optimizer.head_lr",
        },
    )
    optimizer = compose_trial(mine, {"optimizer.lr": 1e-3}, project, threads=1).config.optimizer
    assert optimizer.head_lr == pytest.approx(1e-2)
    assert optimizer.weight_decay == pytest.approx(2e-2)


def test_derived_values_see_the_number_of_threads(project: Path) -> None:
    mine = write_sweep(project, derived={"trainer.accumulate_grad_batches": "trainer.num_threads"})
    config = compose_trial(mine, {}, project, threads=3).config
    assert config.trainer.accumulate_grad_batches == 3


def test_the_default_has_no_searched_and_no_derived_value(project: Path) -> None:
    mine = write_sweep(
        project, "model.max_length=50", derived={"optimizer.head_lr": "10 * optimizer.lr"}
    )
    expected = compose_checked(
        ["experiment=sports_news", "model.max_length=50", "trainer.num_threads=1"], project
    )
    assert compose_default(mine, project, threads=1) == expected


def test_without_an_experiment_trials_start_from_the_pinned_one(project: Path) -> None:
    (project / "params.yaml").write_text("experiment: newsroom_ner\nseed: 7\n", encoding="utf-8")
    config = compose_trial(write_sweep(project, experiment=None), {}, project, threads=1).config
    assert (config.experiment, config.seed) == ("newsroom_ner", 7)


def test_a_derived_value_that_fails_is_named(project: Path) -> None:
    mine = write_sweep(project, derived={"optimizer.head_lr": "10 * optimizer.rate"})
    with pytest.raises(ConfigError) as caught:
        compose_trial(mine, {}, project, threads=1)
    (problem,) = caught.value.problems
    assert problem.key == "derived.optimizer.head_lr"
    assert problem.source == "sweeps/mine.yaml"


@pytest.mark.parametrize(
    ("asked", "params", "key", "source"),
    [
        ({}, {"optimizer.lr": -1.0}, "optimizer.lr", "space.optimizer.lr of sweeps/mine.yaml"),
        ({}, {"model": "lstmm"}, "model", "space.model of sweeps/mine.yaml"),
        ({"overrides": ["seed=-1"]}, {}, "seed", "sweeps/mine.yaml"),
        ({"experiment": "sport"}, {}, "experiment", "sweeps/mine.yaml"),
        ("experiment=sport", {}, "experiment", "argument 'experiment=sport'"),
        ("seed=-1", {}, "seed", "argument 'seed=-1'"),
        (
            {"derived": {"optimizer.weight_decay": "-1 * optimizer.lr"}},
            {},
            "optimizer.weight_decay",
            "derived.optimizer.weight_decay of sweeps/mine.yaml",
        ),
    ],
)
def test_a_mistake_names_its_place_in_the_sweep(
    project: Path, asked: dict[str, Any] | str, params: dict[str, Any], key: str, source: str
) -> None:
    mine = write_sweep(project, asked) if isinstance(asked, str) else write_sweep(project, **asked)
    with pytest.raises(ConfigError) as caught:
        compose_trial(mine, params, project, threads=1)
    assert [(p.key, p.source) for p in caught.value.problems] == [(key, source)]
