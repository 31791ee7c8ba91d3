"""Sets of labels and numbers through every stage."""

from __future__ import annotations

import io
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from pipeline.artifacts import Outputs, read_json
from pipeline.config.schema import Config
from pipeline.config.validation import validate
from pipeline.manifest import Manifest
from pipeline.stages import evaluate, export, prepare, train
from pipeline.stages.predict import run_predict

torch.set_num_threads(1)

TAGS = ["accident", "international", "law", "money", "record", "weather", "youth"]


def config(task: str, columns: dict[str, str]) -> Config:
    values = {
        "experiment": "tiny",
        "data": {
            "name": "news",
            "files": {"all": {"path": "data/newsroom.jsonl"}},
            "columns": columns,
            "split": {"validation": 0.2, "test": 0.2},
            "max_rows": 200,
        },
        "task": {"kind": task},
        "model": {
            "architecture": {"kind": "bert", "hidden_size": 16, "num_layers": 1},
            "tokenizer": {"kind": "wordpiece", "vocab_size": 600},
            "max_length": 48,
        },
        "method": {},
        "optimizer": {"lr": 1e-3},
        "scheduler": {},
        "trainer": {
            "max_steps": 2,
            "max_tokens_per_batch": 512,
            "accelerator": "cpu",
            "num_threads": 1,
        },
        "evaluation": {"num_bootstrap_samples": 100},
        "export": {"parity_rows": 8, "latency_repeats": 1, "latency_batch_sizes": [1]},
        "tracking": {"enabled": False},
    }
    return validate(Config, values, lambda key: None)


def run_stages(root: Path, newsroom: Path, made: Config) -> Outputs:
    (root / "conf").mkdir()
    (root / "conf" / "config.yaml").write_text("{}\n")
    (root / "data").mkdir()
    shutil.copyfile(newsroom, root / "data" / "newsroom.jsonl")
    outputs = Outputs(root / "outputs")
    for stage in (prepare, train, evaluate, export):
        stage.run(made, root=root, outputs=outputs)
    return outputs


def predicted(directory: Path) -> dict[str, Any]:
    """The prediction for a text; that for none holds nulls in the same columns."""
    out = io.StringIO()
    run_predict(
        ("Snow closed the court.", " "),
        file=None,
        directory=directory,
        backend="auto",
        field="text",
        stream_out=out,
    )
    found, nothing = map(json.loads, out.getvalue().splitlines())
    assert nothing == {**dict.fromkeys(found), "text": " "}
    return found  # type: ignore[no-any-return]


def test_sets_of_labels(tmp_path: Path, newsroom: Path) -> None:
    made = config("multi_label_classification", {"text": "en", "labels": "tags"})
    outputs = run_stages(tmp_path, newsroom, made)

    thresholds = Manifest.read(outputs.model).task_state["thresholds"]
    assert len(thresholds) == len(TAGS)
    metrics = read_json(outputs.evaluation / "metrics.json")
    assert metrics["baselines"].keys() == {"majority", "tfidf"}
    assert metrics["validation"]["f1_micro"]["value"] > 0, "thresholds follow the untrained model"
    assert (outputs.evaluation / "thresholds.csv").is_file()
    for directory in (outputs.model, outputs.export):
        found = predicted(directory)
        assert list(found["scores"]) == TAGS
        above = [
            name for name, bar in zip(TAGS, thresholds, strict=True) if found["scores"][name] >= bar
        ]
        assert found["prediction"] == above


def test_numbers(tmp_path: Path, newsroom: Path) -> None:
    made = config("regression", {"text": "en", "target": "sentiment"})
    outputs = run_stages(tmp_path, newsroom, made)

    state = Manifest.read(outputs.model).task_state
    assert 0.1 < state["mean"] < 1.0
    assert 1.0 < state["scale"] < 2.0
    metrics = read_json(outputs.evaluation / "metrics.json")
    assert metrics["baselines"].keys() == {"majority", "tfidf"}
    assert metrics["baselines"]["majority"]["r2"]["value"] == pytest.approx(0.0, abs=0.1)
    assert (outputs.evaluation / "mistakes.html").is_file()
    pictures = {path.name for path in (outputs.evaluation / "plots").iterdir()}
    assert pictures == {"numbers.png", "residuals.png", "scores.png"}
    exported, plain = predicted(outputs.export), predicted(outputs.model)
    assert exported["prediction"] == pytest.approx(plain["prediction"], abs=1e-3)
    assert -4 < plain["prediction"] < 4
