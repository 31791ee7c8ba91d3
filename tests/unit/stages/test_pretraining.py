"""Pre-training on raw texts through every stage, then fine-tuning what came of it."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from pipeline.artifacts import Outputs, file_sha256, read_json
from pipeline.config.schema import Config
from pipeline.evaluation.tables import read_predictions
from pipeline.export.bundle import load_predictor
from pipeline.manifest import Manifest
from pipeline.models.locate import read_model_config
from pipeline.stages import prepare, train
from tests.stage_projects import empty_project, run_stages, tiny_config

torch.set_num_threads(1)

SCRATCH = {
    "architecture": {"kind": "bert", "hidden_size": 16, "num_layers": 2},
    "tokenizer": {"kind": "wordpiece", "vocab_size": 600},
    "max_length": 48,
}


@dataclass(frozen=True)
class Pretrained:
    """A project in which a masked language model was trained, evaluated and exported."""

    root: Path
    outputs: Outputs

    @property
    def sha(self) -> str:
        return file_sha256(self.outputs.model / "model.safetensors")


def config(
    task: str,
    columns: dict[str, str],
    model: dict[str, Any],
    *,
    options: dict[str, Any] | None = None,
    file: str = "newsroom.jsonl",
) -> Config:
    return tiny_config(
        task,
        {"files": {"all": {"path": f"data/{file}"}}, "columns": columns, "max_rows": 120},
        model,
        options=options,
        experiment=task,
        trainer={"max_steps": 2, "max_tokens_per_batch": 512},
        evaluation={"baselines": []},
    )


@pytest.fixture(scope="module")
def pretrained(tmp_path_factory: pytest.TempPathFactory, newsroom: Path) -> Pretrained:
    root = empty_project(tmp_path_factory.mktemp("pretrained"))
    shutil.copyfile(newsroom, root / "data" / "newsroom.jsonl")
    made = config("masked_language_model", {"text": "en"}, SCRATCH)
    return Pretrained(root, run_stages(made, root, root / "runs" / "pretraining"))


def test_a_language_model_goes_through_every_stage(pretrained: Pretrained) -> None:
    metrics = read_json(pretrained.outputs.evaluation / "metrics.json")["test"]
    perplexity = metrics["pseudo_perplexity"]
    assert 1 < perplexity["low"] <= perplexity["value"] <= perplexity["high"] < 700
    stored = read_predictions(pretrained.outputs.evaluation / "predictions_test.parquet")
    assert stored.predictions["prediction"].null_count == 0
    report = read_json(pretrained.outputs.export / "report.json")
    assert report["models"]["onnx"]["parity"]["prediction_agreement"] == 1.0
    assert Manifest.read(pretrained.outputs.model).parent_model is None
    predicted_alike(pretrained.outputs)


def predicted_alike(outputs: Outputs) -> None:
    """The graph predicts what PyTorch does."""
    given = ["Snow closed the court."]
    (found,) = load_predictor(outputs.model, "torch").predict(given)
    (other,) = load_predictor(outputs.export, "onnx").predict(given)
    assert found["prediction"] == other["prediction"] is not None
    assert found["text"] == other["text"] == "Snow closed the court."


GPT2 = {
    "architecture": {"kind": "gpt2", "hidden_size": 16, "num_layers": 1},
    "tokenizer": {"kind": "byte_bpe", "vocab_size": 600, "lowercase": False},
    "max_length": 128,
}


def test_a_causal_language_model_goes_through_every_stage(pretrained: Pretrained) -> None:
    made = config("causal_language_model", {"text": "en"}, {**GPT2, "max_length": 64})
    outputs = run_stages(made, pretrained.root, pretrained.root / "runs" / "causal")
    rows = read_predictions(outputs.evaluation / "predictions_test.parquet").rows
    assert len(set(rows["document"].to_pylist())) == 24 < rows.num_rows
    found = read_json(outputs.evaluation / "metrics.json")["test"]["perplexity"]
    assert 1 < found["low"] <= found["value"] <= found["high"] < 700
    report = read_json(outputs.export / "report.json")
    assert report["models"]["onnx"]["parity"]["prediction_agreement"] == 1.0
    predicted_alike(outputs)


def test_chats_go_through_every_stage_and_are_answered(
    pretrained: Pretrained, newsroom: Path
) -> None:
    items = [json.loads(line) for line in newsroom.read_text(encoding="utf-8").splitlines()[:120]]
    chats = [
        {
            "messages": [
                {"from": "human", "value": f"Which topic? {item['en'][:60]}"},
                {"from": "gpt", "value": item["topic"]},
            ]
        }
        for item in items
    ]
    lines = "".join(f"{json.dumps(chat, ensure_ascii=False)}\n" for chat in chats)
    (pretrained.root / "data" / "chats.jsonl").write_text(lines, encoding="utf-8")
    made = config(
        "causal_language_model",
        {},
        GPT2,
        options={"form": "messages", "generation": {"max_new_tokens": 4}},
        file="chats.jsonl",
    )
    runs = pretrained.root / "runs"
    outputs = run_stages(made, pretrained.root, runs / "chats")
    found = read_json(outputs.evaluation / "metrics.json")["test"]
    assert {"perplexity", "token_accuracy", "exact_match", "chrf"} <= found.keys()

    asked = [json.dumps([{"role": "user", "content": "Which topic?"}]), "Which topic?", "[1]"]
    first, same, bad = load_predictor(outputs.export, "onnx").predict(asked)
    assert load_predictor(outputs.model, "torch").predict(asked[:1]) == [first]
    assert first["prediction"] == same["prediction"]
    assert isinstance(first["prediction"], str)
    assert bad["prediction"] is None
    assert "must be an object" in bad["error"]


@pytest.mark.parametrize(
    ("task", "columns", "architecture"),
    [
        ("text_classification", {"text": "en", "label": "topic"}, "BertForSequenceClassification"),
        (
            "token_classification",
            {"text": "en", "entities": "entities_en"},
            "BertForTokenClassification",
        ),
        ("masked_language_model", {"text": "en"}, "BertForMaskedLM"),
    ],
)
def test_its_body_and_tokenizer_begin_another_task(
    pretrained: Pretrained, tmp_path: Path, task: str, columns: dict[str, str], architecture: str
) -> None:
    checkpoint = {
        "source": "directory",
        "location": "runs/pretraining/model",
        "sha256": {"model.safetensors": pretrained.sha},
    }
    made = config(task, columns, {"checkpoint": checkpoint, "max_length": 48})
    still = made.model_copy(update={"optimizer": made.optimizer.model_copy(update={"lr": 1e-30})})
    outputs = run_stages(still, pretrained.root, tmp_path / "outputs", stages=(prepare, train))

    before = load_file(pretrained.outputs.model / "model.safetensors")
    after = load_file(outputs.model / "model.safetensors")
    body = [name for name in before if name.startswith("bert.")]
    assert body
    for name in body:
        torch.testing.assert_close(after[name], before[name], msg=name)
    assert read_model_config(outputs.model)["architectures"] == [architecture]
    for name in ("tokenizer.json",):
        assert file_sha256(outputs.model / name) == file_sha256(pretrained.outputs.model / name)
    parent = Manifest.read(outputs.model).parent_model
    assert parent is not None
    assert parent.weights_sha256 == pretrained.sha
    assert parent.experiment == "masked_language_model"
    assert parent.run_key == Manifest.read(pretrained.outputs.model).run_key
