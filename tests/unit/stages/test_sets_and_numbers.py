"""Sets of labels and numbers through every stage."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from pipeline.artifacts import Outputs, read_json
from pipeline.config.schema import Config
from pipeline.manifest import Manifest
from tests.stage_projects import empty_project, predicted, run_stages, tiny_config

torch.set_num_threads(1)

TAGS = ["accident", "international", "law", "money", "record", "weather", "youth"]


def config(task: str, columns: dict[str, str]) -> Config:
    files = {"all": {"path": "data/newsroom.jsonl"}}
    return tiny_config(
        task,
        {"files": files, "columns": columns, "max_rows": 200},
        {
            "architecture": {"kind": "bert", "hidden_size": 16, "num_layers": 1},
            "tokenizer": {"kind": "wordpiece", "vocab_size": 600},
            "max_length": 48,
        },
        trainer={"max_steps": 2, "max_tokens_per_batch": 512},
    )


def trained(root: Path, newsroom: Path, made: Config) -> Outputs:
    empty_project(root)
    shutil.copyfile(newsroom, root / "data" / "newsroom.jsonl")
    return run_stages(made, root)


def predicted_for_a_text(directory: Path) -> dict[str, Any]:
    """The prediction for a text; that for none holds nulls in the same columns."""
    found, nothing = predicted(directory, "Snow closed the court.", " ")
    assert nothing == {**dict.fromkeys(found), "text": " "}
    return found


def test_sets_of_labels(tmp_path: Path, newsroom: Path) -> None:
    made = config("multi_label_classification", {"text": "en", "labels": "tags"})
    outputs = trained(tmp_path, newsroom, made)

    thresholds = Manifest.read(outputs.model).task_state["thresholds"]
    assert len(thresholds) == len(TAGS)
    metrics = read_json(outputs.evaluation / "metrics.json")
    assert metrics["baselines"].keys() == {"majority", "tfidf"}
    assert metrics["validation"]["f1_micro"]["value"] > 0, "thresholds follow the untrained model"
    assert (outputs.evaluation / "thresholds.csv").is_file()
    for directory in (outputs.model, outputs.export):
        found = predicted_for_a_text(directory)
        assert list(found["scores"]) == TAGS
        above = [
            name for name, bar in zip(TAGS, thresholds, strict=True) if found["scores"][name] >= bar
        ]
        assert found["prediction"] == above


def test_numbers(tmp_path: Path, newsroom: Path) -> None:
    made = config("regression", {"text": "en", "target": "sentiment"})
    outputs = trained(tmp_path, newsroom, made)

    state = Manifest.read(outputs.model).task_state
    assert 0.1 < state["mean"] < 1.0
    assert 1.0 < state["scale"] < 2.0
    metrics = read_json(outputs.evaluation / "metrics.json")
    assert metrics["baselines"].keys() == {"majority", "tfidf"}
    assert metrics["baselines"]["majority"]["r2"]["value"] == pytest.approx(0.0, abs=0.1)
    assert (outputs.evaluation / "mistakes.html").is_file()
    pictures = {path.name for path in (outputs.evaluation / "plots").iterdir()}
    assert pictures == {"numbers.png", "residuals.png", "scores.png"}
    exported, plain = (
        predicted_for_a_text(directory) for directory in (outputs.export, outputs.model)
    )
    assert exported["prediction"] == pytest.approx(plain["prediction"], abs=1e-3)
    assert -4 < plain["prediction"] < 4
