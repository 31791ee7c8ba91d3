from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from pipeline.config.schema import Config
from pipeline.errors import UserError
from pipeline.stages.compose import compose_checked
from pipeline.sweep.promotion.experiment_file import comparable, experiment_text
from pipeline.sweep.promotion.promoting import promote
from tests.promotable_projects import promoted, store


@pytest.fixture
def root(promotable: Path, tmp_path: Path) -> Path:
    """A copy of a project whose study can be promoted."""
    return Path(shutil.copytree(promotable, tmp_path / "project"))


SHAPES: dict[str, tuple[tuple[str, ...], dict[str, Any]]] = {
    "a number": (("experiment=sports_news",), {"optimizer.lr": 1.2345678901234567e-05}),
    "group choices": (
        ("experiment=sports_news",),
        {"model": "bert_scratch", "method": "full", "optimizer": "sgd", "scheduler": "cosine"},
    ),
    "a group back at its default": (("experiment=sports_news",), {"method": "full"}),
    "a group whose option is refined": (
        ("experiment=sports_news", "method=full"),
        {"model": "gpt2_scratch", "model.architecture.hidden_size": 64, "model.max_length": 32},
    ),
    "none": (
        ("experiment=sports_news",),
        {"trainer.gradient_clip_val": None, "trainer.max_tokens_per_batch": None,
         "trainer.per_device_batch_size": 8, "scheduler.warmup_ratio": None},
    ),
    "options of a task": (
        ("experiment=newsroom_topic",),
        {"task.options.label_smoothing": 0.25, "model.dropout": 0.3},
    ),
    "lists": (
        ("experiment=lstm_baseline",),
        {"optimizer.betas": [0.8, 0.99], "data.cleaning": [], "evaluation.baselines": []},
    ),
    "lists of mappings": (
        ("experiment=sports_news",),
        {"data.cleaning": [{"step": "html"}, {"step": "unicode", "form": "NFC"}]},
    ),
    "a seed": (("experiment=sports_news", "seed=5"), {"optimizer.lr": 1e-4}),
    "another task and data": (
        ("experiment=sports_news",),
        {"experiment": "newsroom_ner", "optimizer.lr": 1e-4, "trainer.max_epochs": 2},
    ),
    "groups of evaluation and export": (
        ("experiment=sports_news", "export=onnx_int8", "trainer=debug"),
        {"evaluation.seed": 3},
    ),
    "options that only overrides make fit together": (
        ("experiment=sports_news", "model=lstm", "method=head"),
        {"method.kind": "full"},
    ),
    "threads": (("experiment=sports_news",), {"trainer.num_threads": 1}),
}  # fmt: skip


@pytest.mark.parametrize("shape", SHAPES)
def test_the_promoted_experiment_composes_to_the_trials_configuration(
    root: Path, shape: str
) -> None:
    arguments, overrides = SHAPES[shape]
    trial = store(root, overrides, arguments=arguments)
    file = promote("lr", [], root)
    assert file == root / "conf" / "experiment" / "lr_best.yaml"
    named, pinned = promoted(root)
    assert comparable(named) == comparable(trial)
    assert pinned == named
    assert named.experiment == "lr_best"
    assert named.tracking == compose_checked(["experiment=sports_news"], root).tracking


def test_words_that_yaml_or_omegaconf_would_read_otherwise_survive(root: Path) -> None:
    words = [
        "null", "true", "on", "1e3", "0x1f", "1_000", "2026-01-02", ".inf", "~", "it's", '"',
        "a: b", "# c", "- d", "", " e ", "新闻", "two\nlines", "tab\t", "{f}", "[g]", "@h", "%i",
        "${a}", "\\${b}", "\\\\${c", "\\", "back\\slash", "*j", "&k", "!l", "word " * 40,
    ]  # fmt: skip
    values = compose_checked(["experiment=sports_news"], root).model_dump(mode="json")
    values["data"]["cleaning"] = [{"step": "stop_words", "words": words}]
    values["data"]["labels"]["map"] = {"1": "sports", "on": "other", "a b": "other"}
    config = Config.model_validate_json(json.dumps(values))
    text = experiment_text(config, "odd", [], root, params="experiment: odd\n")
    (root / "conf" / "experiment" / "odd.yaml").write_text(text, encoding="utf-8")
    composed = compose_checked(["experiment=odd"], root)
    assert composed.data.cleaning == config.data.cleaning
    assert comparable(composed) == comparable(config)


def test_values_of_conf_that_refer_to_others_are_written_out_where_they_differ(root: Path) -> None:
    option = root / "conf" / "optimizer" / "linked.yaml"
    option.write_text("# Linked.\nkind: adamw\nhead_lr: ${optimizer.lr}\nlr: 1e-3\n")
    overrides = {"optimizer": "linked", "optimizer.lr": 5e-4, "optimizer.head_lr": 1e-3}
    trial = store(root, overrides)
    promote("lr", [], root)
    named, _ = promoted(root)
    assert (named.optimizer.lr, named.optimizer.head_lr) == (5e-4, 1e-3)
    assert comparable(named) == comparable(trial)


def test_a_key_that_an_experiment_cannot_remove_is_named(root: Path) -> None:
    values = compose_checked(["experiment=sports_news"], root).model_dump(mode="json")
    del values["model"]["checkpoint"]["sha256"]["tokenizer.json"]
    config = Config.model_validate_json(json.dumps(values))
    with pytest.raises(UserError, match=r"differ: model\.checkpoint\.sha256\.tokenizer\.json\n"):
        experiment_text(config, "odd", [], root, params="experiment: odd\n")


def test_params_that_would_win_over_the_experiment_are_found(root: Path) -> None:
    config = compose_checked(["experiment=sports_news"], root)
    params = "experiment: odd\noptimizer: {lr: 1}\n"
    with pytest.raises(UserError, match=r"params\.yaml.*differ: optimizer\.lr\n"):
        experiment_text(config, "odd", [], root, params=params)
