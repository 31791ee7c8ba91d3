from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from pipeline.config.schema import Config
from pipeline.training.identity import code_hashes, training_key
from tests.training_project import config


def key(made: Config, **values: Any) -> str:
    defaults: dict[str, Any] = {
        "dataset_fingerprint": "data",
        "checkpoint_files": (),
        "world_size": 1,
        "seed": made.seed,
    }
    sections = {
        name: getattr(made, name)
        for name in ("task", "model", "method", "optimizer", "scheduler", "trainer")
    }
    return training_key(**{**defaults, **sections, **values})


@pytest.mark.parametrize(
    "change",
    [
        {"optimizer": {"lr": 0.5}},
        {"trainer": {"max_epochs": 9}},
        {"trainer": {"max_tokens_per_batch": 64}},
        {"scheduler": {"kind": "cosine"}},
        {"model": {"dropout": 0.3}},
        {"method": {"kind": "head"}},
        {"task": {"primary_metric": "accuracy"}},
        {"seed": 4},
    ],
)
def test_all_that_changes_the_weights_changes_the_key(change: dict[str, Any]) -> None:
    assert key(config(**change)) != key(config())


@pytest.mark.parametrize(
    "change",
    [
        {"trainer": {"state_interval_seconds": 5.0}},
        {"trainer": {"log_every_n_steps": 10}},
        {"optimizer": {"name": "mine"}},
        {"tracking": {"enabled": True}},
        {"evaluation": {"seed": 3}},
    ],
)
def test_what_does_not_change_the_weights_keeps_the_key(change: dict[str, Any]) -> None:
    assert key(config(**change)) == key(config())


def test_data_weights_and_number_of_processes_count(tmp_path: Path) -> None:
    weights = tmp_path / "model.safetensors"
    weights.write_bytes(b"1")
    plain, first = key(config()), key(config(), checkpoint_files=[weights])
    weights.write_bytes(b"2")
    others = [
        key(config(), checkpoint_files=[weights]),
        key(config(), dataset_fingerprint="other"),
        key(config(), world_size=2),
    ]
    assert len({plain, first, *others}) == 5


def test_a_task_of_the_users_own_counts_with_its_source(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "own_task_module.py").write_text("class Mine: ...\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    found = code_hashes("own_task_module:Mine")
    assert "own_task_module:Mine" in found
    assert "training/module.py" in found
    assert "own_task_module" not in sys.modules
    assert set(code_hashes("text_classification")) < set(found)
