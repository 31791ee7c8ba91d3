from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import yaml
from pydantic import BaseModel

from pipeline.config.compose import compose, config_hash, group_hash, load_config, save_config
from pipeline.config.schema import GROUPS, Config
from pipeline.config.validation import models_in
from pipeline.errors import ConfigError, UserError


@pytest.fixture
def project(tmp_path: Path, repository: Path) -> Path:
    """A project of its own: the shipped `conf/` and `params.yaml`, to be edited."""
    shutil.copytree(repository / "conf", tmp_path / "conf")
    shutil.copy(repository / "params.yaml", tmp_path)
    return tmp_path


def experiments(repository: Path) -> list[str]:
    return sorted(path.stem for path in (repository / "conf" / "experiment").glob("*.yaml"))


def problems(root: Path, *arguments: str) -> dict[str, str]:
    """Key to message of everything wrong with a composition."""
    with pytest.raises(ConfigError) as caught:
        compose(arguments, root)
    return {problem.key: str(problem) for problem in caught.value.problems}


def set_params(project: Path, **sections: object) -> None:
    (project / "params.yaml").write_text(yaml.safe_dump(sections), encoding="utf-8")


def test_every_shipped_experiment_composes(repository: Path) -> None:
    names = experiments(repository)
    assert "sports_news" in names
    for name in names:
        assert compose([f"experiment={name}"], repository).experiment == name


@pytest.mark.parametrize("group", GROUPS)
def test_every_shipped_option_composes(repository: Path, group: str) -> None:
    options = sorted(path.stem for path in (repository / "conf" / group).glob("*.yaml"))
    assert options
    for option in options:
        full = [] if group == "method" else ["method=full"]
        config = compose([f"{group}={option}", *full], repository)
        assert getattr(config, group).name == option


def test_a_composition_depends_on_its_files_alone(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = compose([], project)
    monkeypatch.chdir("/")
    monkeypatch.setenv("HYDRA_FULL_ERROR", "1")
    assert compose([], project) == first


def test_params_choose_options_and_override_values(project: Path) -> None:
    set_params(
        project,
        experiment="sports_news",
        model="gpt2",
        method={"name": "frozen_prefix", "frozen_layers": 2},
        optimizer={"lr": 3.0e-4},
        seed=7,
    )
    config = compose([], project)
    assert config.model.name == "gpt2"
    assert (config.method.name, config.method.frozen_layers) == ("frozen_prefix", 2)
    assert config.optimizer.lr == 3.0e-4
    assert config.seed == 7


def test_arguments_win_over_params_and_params_over_the_experiment(project: Path) -> None:
    set_params(project, experiment="newsroom_topic", trainer={"max_epochs": 9})
    assert compose([], project).trainer.max_epochs == 9
    assert compose(["trainer.max_epochs=2"], project).trainer.max_epochs == 2


def test_naming_another_experiment_leaves_the_pinned_values(project: Path) -> None:
    set_params(project, experiment="sports_news", optimizer={"lr": 0.5})
    assert compose(["experiment=newsroom_ner"], project).optimizer.lr != 0.5
    assert compose(["optimizer.weight_decay=0.1"], project).optimizer.lr == 0.5


def test_choosing_another_option_leaves_what_is_pinned_for_its_group(project: Path) -> None:
    set_params(
        project,
        model={"name": "bert_scratch", "architecture": {"hidden_size": 32}},
        optimizer={"lr": 0.5},
    )
    config = compose(["model=minilm"], project)
    assert config.model.architecture is None
    assert config.optimizer.lr == 0.5


@pytest.mark.parametrize(
    ("argument", "key", "words"),
    [
        ("optimizer.learning_rate=1e-3", "optimizer.learning_rate", "no such key"),
        ("optimizr.lr=1e-3", "optimizr", "did you mean 'optimizer'?"),
        ("optimizer.lr=fast", "optimizer.lr", "got 'fast'"),
        ("optimizer.lr=-1", "optimizer.lr", "greater than 0"),
        ("trainer.max_epochs='3'", "trainer.max_epochs", "got '3'"),
        ("model=minilmm", "model", "did you mean 'minilm'?"),
        ("method.kind=fulll", "method.kind", "did you mean 'full'?"),
        ("scheduler.warmup_ratio=1.5", "scheduler.warmup_ratio", "less than 1"),
        ("method.kind=full", "method", "frozen_layers must be positive"),
        ("data.cleaning=[{step:htm}]", "data.cleaning.0", "did you mean 'html'?"),
    ],
)
def test_a_mistake_is_one_message_with_its_source(
    repository: Path, argument: str, key: str, words: str
) -> None:
    found = problems(repository, argument)
    assert words in found[key]
    assert argument.partition("=")[0] in found[key]


def test_all_mistakes_are_reported_together(repository: Path) -> None:
    found = problems(repository, "optimizer.lrr=1", "trainer.max_epochs=0", "seed=-1")
    assert set(found) == {"optimizer.lrr", "trainer.max_epochs", "seed"}


def test_contradictory_settings_are_refused(repository: Path) -> None:
    found = problems(repository, "scheduler.num_warmup_steps=5", "scheduler.warmup_ratio=0.1")
    assert "not both" in found["scheduler"]


def test_a_model_brings_how_it_learns_and_an_experiment_knows_better(repository: Path) -> None:
    chosen = ["data=fsdd", "task=speech_recognition", "model=crnn_ctc"]
    plain = compose(["experiment=plain", *chosen], repository)
    assert plain.optimizer.lr == 2.0e-3
    assert plain.trainer.max_epochs == 40
    assert plain.method.kind == "full"
    assert compose(["experiment=plain", *chosen, "model=minilm"], repository).optimizer.lr == 2.0e-4
    base = compose(["experiment=plain", *chosen, "model=distilbert"], repository)
    assert base.optimizer.lr == 5.0e-5
    assert compose(["experiment=fsdd"], repository).trainer.max_epochs == 45
    assert compose(["experiment=fsdd", "optimizer.lr=0.5"], repository).optimizer.lr == 0.5


def test_every_recipe_is_of_some_model(repository: Path) -> None:
    models = "".join(path.read_text("utf-8") for path in (repository / "conf/model").glob("*.yaml"))
    for path in (repository / "conf" / "recipe").glob("*.yaml"):
        assert f"/recipe@_global_: {path.stem}\n" in models


def test_a_mistake_in_a_recipe_names_its_file(project: Path) -> None:
    path = project / "conf" / "recipe" / "scratch_text.yaml"
    path.write_text("optimizer: {lr: fast}\n", encoding="utf-8")
    found = problems(project, "experiment=plain", "model=bert_scratch")
    assert "conf/recipe/scratch_text.yaml" in found["optimizer.lr"]


def test_a_mistake_in_a_file_names_the_file(project: Path) -> None:
    path = project / "conf" / "optimizer" / "adamw.yaml"
    path.write_text("kind: adamw\nlearning_rate: 0.1\n", encoding="utf-8")
    assert "conf/optimizer/adamw.yaml" in problems(project)["optimizer.learning_rate"]


def test_a_mistake_in_params_names_params(project: Path) -> None:
    set_params(project, trainer={"max_epoch": 3})
    message = problems(project)["trainer.max_epoch"]
    assert "params.yaml" in message
    assert "did you mean 'max_epochs'?" in message


@pytest.mark.parametrize("text", ["model: [", "- a\n- b\n"])
def test_params_that_are_no_mapping_are_refused(project: Path, text: str) -> None:
    (project / "params.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match=r"params\.yaml"):
        compose([], project)


@pytest.mark.parametrize("value", ["${now:%Y}", "${hydra:job.name}", "${oc.env:HOME}"])
def test_values_that_depend_on_more_than_files_are_refused(project: Path, value: str) -> None:
    path = project / "conf" / "tracking" / "default.yaml"
    path.write_text(f"run_name: '{value}'\n", encoding="utf-8")
    with pytest.raises(ConfigError, match="depend on more than its files"):
        compose([], project)


def test_a_sweep_on_the_command_line_of_a_stage_is_refused(repository: Path) -> None:
    assert "several values" in problems(repository, "seed=1,2")["seed"]


def test_freezing_random_weights_is_refused(repository: Path) -> None:
    found = problems(repository, "model=bert_scratch", "method=head")
    assert "set method=full" in found["config"]


def test_an_argument_that_is_no_override_is_refused(repository: Path) -> None:
    assert "write key=value" in problems(repository, "gpt2")["gpt2"]


def test_a_project_without_conf_says_how_to_get_it_back(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="git checkout"):
        compose([], tmp_path)


def test_a_saved_configuration_is_read_back_equal(repository: Path, tmp_path: Path) -> None:
    config = compose([], repository)
    save_config(config, tmp_path / "config.yaml")
    assert load_config(tmp_path / "config.yaml") == config


def test_a_missing_saved_configuration_names_the_command(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="dvc repro"):
        load_config(tmp_path / "config.yaml")


def test_tracking_and_gate_do_not_change_the_hash_of_a_configuration(repository: Path) -> None:
    def hashed(*arguments: str) -> str:
        return config_hash(compose(arguments, repository))

    assert hashed("tracking=off") == hashed("tracking.run_name=x") == hashed()
    assert hashed("gate=serving") == hashed("gate.confidence=0.9") == hashed()
    assert hashed("seed=1") != hashed()


def test_seeds_of_one_configuration_are_one_group(repository: Path) -> None:
    def grouped(*arguments: str) -> str:
        return group_hash(compose(arguments, repository))

    assert grouped("seed=1", "tracking=off") == grouped("seed=2") == grouped()
    assert grouped("optimizer.lr=1e-4") != grouped()


def test_the_first_line_of_every_option_says_what_it_is(repository: Path) -> None:
    for path in sorted((repository / "conf").rglob("*.yaml")):
        assert path.read_text(encoding="utf-8").startswith("# "), path


def test_every_key_of_the_schema_is_documented() -> None:
    parts: list[type[BaseModel]] = [Config]
    undocumented = []
    while parts:
        part = parts.pop()
        for name, field in part.model_fields.items():
            inner = models_in(field.annotation)
            parts += inner
            is_section = part is Config and bool(inner)
            if field.description is None and not is_section and name != "step":
                undocumented.append(f"{part.__name__}.{name}")
    assert undocumented == []
