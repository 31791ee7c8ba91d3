from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.config.compose import compose
from pipeline.config.schema import Config
from pipeline.stages.naming import (
    LONGEST,
    changes,
    group_member_name,
    model_name,
    parent_name,
)
from tests.trained import tiny_config

NEWS = "experiment=sports_news"


def composed(repository: Path, *arguments: str) -> Config:
    return compose([NEWS, *arguments], repository)


def test_the_experiment_itself_differs_in_nothing(repository: Path) -> None:
    assert changes(composed(repository, "seed=7", "tracking=off"), repository) == []


def test_a_key_is_as_short_as_it_is_unambiguous(repository: Path) -> None:
    config = composed(
        repository,
        "optimizer.lr=3e-05",
        "export.formats=[onnx,onnx_int8]",
        "evaluation.seed=3",
        "trainer.max_epochs=2",
    )
    assert changes(config, repository) == [
        "lr=3e-05",
        "max_epochs=2",
        "evaluation.seed=3",
        "formats=[onnx,onnx_int8]",
    ]


def test_another_option_is_named_by_its_group_and_its_values_are_not_listed(
    repository: Path,
) -> None:
    config = composed(repository, "method=full", "model=bert_scratch", "trainer.max_epochs=9")
    assert changes(config, repository) == ["method=full", "max_epochs=9"]


def test_a_name_says_what_a_run_is_and_its_end_tells_equal_ones_apart(repository: Path) -> None:
    config = composed(repository, "optimizer.lr=3e-05", "seed=4")
    one, other = (model_name(config, changes(config, repository), key) for key in ("k1", "k2"))
    start = f"sports_news-{config.model.name}-lr=3e-05"
    assert one.startswith(f"{start}-seed4-")
    assert one != other
    assert parent_name(config, changes(config, repository), "k1") == one.replace("-seed4", "")


def test_what_does_not_fit_a_name_is_counted(repository: Path) -> None:
    keys = ("optimizer.lr=3e-05", "trainer.max_epochs=2", "model.max_length=64")
    more = ("optimizer.weight_decay=0.5", "evaluation.confidence=0.9", "export.parity_rows=7")
    config = composed(repository, *keys, *more)
    name = model_name(config, changes(config, repository), "k1")
    assert len(name) <= LONGEST
    shown, _, rest = name.partition("+")
    assert int(rest.partition("_more-")[0]) + shown.count("=") == 6


def test_a_name_in_the_configuration_wins(repository: Path) -> None:
    config = composed(repository, "tracking.run_name=mine", "seed=2")
    assert model_name(config, changes(config, repository), "k") == "mine"
    assert parent_name(config, changes(config, repository), "k") == "mine-pipeline"
    assert group_member_name(config, changes(config, repository), "k") == "mine-seed2"


@pytest.mark.parametrize("conf", [True, False])
def test_an_experiment_that_cannot_be_composed_is_no_obstacle(tmp_path: Path, conf: bool) -> None:
    if conf:
        (tmp_path / "conf").mkdir()
        (tmp_path / "conf" / "config.yaml").write_text("{}\n")
    assert changes(tiny_config(), tmp_path) == []
    assert model_name(tiny_config(), changes(tiny_config(), tmp_path), "k").startswith(
        "tiny_experiment-default-"
    )
