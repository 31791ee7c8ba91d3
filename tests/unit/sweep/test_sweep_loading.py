from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from pipeline.errors import ConfigError, UserError
from pipeline.sweep.definition.loading import Sweep, available, load_sweep
from pipeline.sweep.definition.parameters import ChoiceParameter, FloatParameter

LR = {"type": "float", "low": 1e-5, "high": 1e-3, "log": True}


def write(root: Path, text: str, name: str = "mine") -> Path:
    path = root / "sweeps" / f"{name}.yaml"
    path.parent.mkdir(exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return root


def load(root: Path, *arguments: str, **settings: Any) -> Sweep:
    """Writes a sweep over the learning rate and loads it."""
    values = {"space": {"optimizer.lr": LR}, **settings}
    return load_sweep("mine", arguments, write(root, yaml.safe_dump(values)))


def problems(root: Path, *arguments: str, **settings: Any) -> dict[str, str]:
    """Key to message of everything wrong with a sweep."""
    with pytest.raises(ConfigError) as caught:
        load(root, *arguments, **settings)
    return {problem.key: str(problem) for problem in caught.value.problems}


def test_a_file_needs_a_space_only(tmp_path: Path) -> None:
    sweep = load(tmp_path)
    assert sweep.settings.study == "mine"
    assert sweep.settings.experiment is None
    assert sweep.arguments == ()
    assert sweep.source == "sweeps/mine.yaml"
    assert sweep.path == tmp_path / "sweeps" / "mine.yaml"


def test_a_number_without_a_point_is_a_number(tmp_path: Path) -> None:
    text = "space:\n  optimizer.lr: {type: float, low: 1e-5, high: 1e-3, log: true}\n"
    parameter = load_sweep("mine", [], write(tmp_path, text)).settings.space["optimizer.lr"]
    assert isinstance(parameter, FloatParameter)
    assert (parameter.low, parameter.high) == (1e-5, 1e-3)


def test_the_name_may_be_written_as_a_path(tmp_path: Path) -> None:
    load(tmp_path)
    assert load_sweep("sweeps/mine.yaml", [], tmp_path).settings.study == "mine"


def test_a_word_is_the_kind_of_sampler_and_pruner(tmp_path: Path) -> None:
    settings = load(tmp_path, sampler="random", pruner="none").settings
    assert (settings.sampler.kind, settings.pruning.kind) == ("random", "none")


def test_arguments_set_the_sweep(tmp_path: Path) -> None:
    settings = load(
        tmp_path,
        "workers=2",
        "n_trials=40",
        "timeout=60",
        "sampler=gp",
        "sampler.seed=3",
        "stop.patience=5",
        "confirm.seeds=0",
        "storage=postgresql://me@host/db",
        "study=other",
        "launcher=ray",
        "ray.address=auto",
        "objectives=[{metric:f1_macro}]",
    ).settings
    assert (settings.workers, settings.n_trials, settings.timeout) == (2, 40, 60.0)
    assert (settings.sampler.kind, settings.sampler.seed) == ("gp", 3)
    assert (settings.stop.patience, settings.confirm.seeds) == (5, 0)
    assert settings.storage == "postgresql://me@host/db"
    assert settings.study == "other"
    assert (settings.launcher, settings.ray.address) == ("ray", "auto")
    assert settings.objectives[0].metric == "f1_macro"


@pytest.mark.parametrize(
    "arguments", [("sampler=gp", "sampler.seed=3"), ("sampler.seed=3", "sampler=gp")]
)
def test_a_kind_and_its_options_come_in_any_order(
    tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    sampler = load(tmp_path, *arguments, sampler={"n_startup_trials": 4}).settings.sampler
    assert (sampler.kind, sampler.seed, sampler.n_startup_trials) == ("gp", 3, 4)


def test_other_arguments_are_overrides_of_the_experiment(tmp_path: Path) -> None:
    sweep = load(
        tmp_path,
        "model=gpt2",
        "workers=2",
        "+optimizer.weight_decay=0.1",
        "seed=3",
        experiment="sports_news",
        overrides=["trainer.max_epochs=2"],
    )
    assert sweep.arguments == (
        "experiment=sports_news",
        "trainer.max_epochs=2",
        "model=gpt2",
        "+optimizer.weight_decay=0.1",
        "seed=3",
    )


def test_an_experiment_on_the_command_line_replaces_that_of_the_file(tmp_path: Path) -> None:
    sweep = load(tmp_path, "experiment=newsroom_ner", experiment="sports_news")
    assert sweep.settings.experiment == "newsroom_ner"
    assert sweep.arguments == ("experiment=newsroom_ner",)


def test_a_part_of_the_space_is_changed_by_its_dotted_name(tmp_path: Path) -> None:
    space = {"optimizer": {"type": "choice", "choices": ["adamw", "sgd"]}, "optimizer.lr": LR}
    sweep = load(
        tmp_path,
        "space.optimizer.lr.low=1e-6",
        "space.optimizer.choices=[adam,sgd]",
        "space.model.max_length={type:int,low:16,high:64}",
        "derived.optimizer.head_lr='10 * optimizer.lr'",
        space=space,
    )
    settings = sweep.settings
    rate, kind = settings.space["optimizer.lr"], settings.space["optimizer"]
    assert isinstance(rate, FloatParameter)
    assert isinstance(kind, ChoiceParameter)
    assert (rate.low, rate.high) == (1e-6, 1e-3)
    assert kind.choices == ("adam", "sgd")
    assert list(settings.space) == ["optimizer", "optimizer.lr", "model.max_length"]
    assert settings.derived == {"optimizer.head_lr": "10 * optimizer.lr"}
    assert "low=1e-6" in sweep.source_of("space.optimizer.lr.low")
    assert sweep.source_of("space.optimizer.lr.high") == "sweeps/mine.yaml"


def test_a_parameter_that_is_not_searched_cannot_be_changed(tmp_path: Path) -> None:
    found = problems(tmp_path, "space.optimizer.lrr.low=1e-6")
    assert "did you mean 'optimizer.lr'?" in found["space.optimizer.lrr.low"]


def test_all_mistakes_are_reported_together_with_their_sources(tmp_path: Path) -> None:
    found = problems(
        tmp_path,
        "workers=0",
        "n_trial=3",
        "model=gpt2,lstm",
        "+pruner=none",
        "status",
        sampler="tpee",
        stop={"patience": "soon"},
        seedz=1,
    )
    assert set(found) == {
        "workers",
        "n_trial",
        "model",
        "pruner",
        "status",
        "sampler.kind",
        "stop.patience",
        "seedz",
    }
    assert "argument 'workers=0'" in found["workers"]
    assert "did you mean 'n_trials'?" in found["n_trial"]
    assert "type choice" in found["model"]
    assert "key=value" in found["status"]
    assert "did you mean 'tpe'?" in found["sampler.kind"]
    assert "sweeps/mine.yaml" in found["sampler.kind"]
    assert "'soon'" in found["stop.patience"]
    assert "did you mean 'seeds'?" in found["seedz"]


@pytest.mark.parametrize(
    ("space", "key", "words"),
    [
        ({}, "space", "at least 1 item"),
        ({"optimizer.lr": {**LR, "low": 0.0}}, "space.optimizer.lr", "touch zero"),
        ({"optimizer.lr": {**LR, "type": "flaot"}}, "space.optimizer.lr", "did you mean 'float'?"),
        ({"optimizer.lr": {**LR, "lo": 1}}, "space.optimizer.lr.lo", "did you mean 'low'?"),
    ],
)
def test_a_mistake_in_the_space_names_the_parameter(
    tmp_path: Path, space: dict[str, Any], key: str, words: str
) -> None:
    assert words in problems(tmp_path, space=space)[key]


def test_an_argument_that_breaks_a_range_is_named(tmp_path: Path) -> None:
    found = problems(tmp_path, "space.optimizer.lr.high=1e-9")
    assert "argument 'space.optimizer.lr.high=1e-9'" in found["space.optimizer.lr"]


@pytest.mark.parametrize(
    "text", ["space: [", "- a\n- b\n", "a: 1\na: 2\n", "7", "space: {x: '${'}"]
)
def test_what_is_no_mapping_in_yaml_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigError, match=r"not valid YAML|must be a mapping"):
        load_sweep("mine", [], write(tmp_path, text))


def test_a_missing_sweep_is_suggested_and_listed(tmp_path: Path) -> None:
    write(write(tmp_path, "", "minilm_lr"), "", "other")
    with pytest.raises(UserError) as caught:
        load_sweep("minilm_rl", [], tmp_path)
    assert "did you mean 'minilm_lr'?" in str(caught.value)
    assert "minilm_lr, other" in str(caught.value)


def test_without_any_sweep_the_remedy_is_to_write_one(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"write sweeps/mine\.yaml"):
        load_sweep("mine", [], tmp_path)


def test_sweeps_are_listed_with_their_descriptions(tmp_path: Path) -> None:
    write(tmp_path, "description: rates\n", "b")
    write(tmp_path, "space: {}\n", "a")
    write(tmp_path, "description: [", "c")
    assert available(tmp_path) == [("a", ""), ("b", "rates"), ("c", "(cannot be read)")]
