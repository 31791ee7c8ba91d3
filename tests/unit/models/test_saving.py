"""What is saved loads in `transformers` alone, and only whole."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file

from pipeline.artifacts import file_sha256
from pipeline.errors import CheckpointError, EnvironmentProblem
from pipeline.models.pretrained import load_pretrained
from pipeline.models.processor import load_processor
from pipeline.models.saving import load_saved_model, save_model
from pipeline.models.tokenizer import load_tokenizer
from pipeline.tasks.processor import Processor
from tests.checkpoints import MakeCheckpoint

torch.set_num_threads(1)

KINDS = ["bert", "ernie", "gpt2", "distilbert"]
LABELS = {"id2label": {0: "no", 1: "yes"}, "label2id": {"no": 0, "yes": 1}}
TEXTS = ["the home team won", "球赛"]


@pytest.fixture
def saved(make_checkpoint: MakeCheckpoint, tmp_path: Path) -> Any:
    def save(kind: str, head: Any = "sequence_classification") -> tuple[Any, Path]:
        directory = make_checkpoint(kind)
        tokenizer = load_tokenizer(directory)
        torch.manual_seed(0)
        model = load_pretrained(
            directory,
            head,
            pad_token_id=tokenizer.pad_token_id,
            config={**LABELS, "problem_type": "single_label_classification"},
        )
        save_model(model, Processor(tokenizer), tmp_path / "saved")
        return model, tmp_path / "saved"

    return save


@pytest.mark.parametrize("kind", KINDS)
@torch.no_grad()
def test_transformers_alone_gives_the_same_logits_and_labels(saved: Any, kind: str) -> None:
    model, directory = saved(kind)
    tokenizer = transformers.AutoTokenizer.from_pretrained(directory)
    loaded = transformers.AutoModelForSequenceClassification.from_pretrained(directory)
    batch = tokenizer(TEXTS, padding=True, return_tensors="pt")
    assert torch.equal(loaded(**batch).logits, model(**batch).logits)
    assert loaded.config.id2label == LABELS["id2label"]
    assert loaded.config.label2id == LABELS["label2id"]
    assert loaded.config.problem_type == "single_label_classification"
    assert tokenizer.padding_side == "right"
    assert tokenizer.pad_token_id == model.config.pad_token_id


@pytest.mark.parametrize("head", ["sequence_classification", "token_classification"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_saved_model_knows_its_head_and_keeps_its_weights(
    saved: Any, kind: str, head: Any
) -> None:
    model, directory = saved(kind, head)
    loaded = load_saved_model(directory)
    assert type(loaded) is type(model)
    expected = model.state_dict()
    assert loaded.state_dict().keys() == expected.keys()
    for name, tensor in loaded.state_dict().items():
        assert torch.equal(tensor, expected[name])


def test_the_same_weights_give_the_same_bytes(
    make_checkpoint: MakeCheckpoint, tmp_path: Path
) -> None:
    directory = make_checkpoint("bert")
    tokenizer = load_tokenizer(directory)
    for name in ("one", "two"):
        torch.manual_seed(0)
        model = load_pretrained(directory, "sequence_classification", config=LABELS)
        save_model(model, Processor(tokenizer), tmp_path / name)
    names = sorted(path.name for path in (tmp_path / "one").iterdir())
    assert names == sorted(path.name for path in (tmp_path / "two").iterdir())
    for name in names:
        assert file_sha256(tmp_path / "one" / name) == file_sha256(tmp_path / "two" / name), name
    saved_text = "".join(path.read_text() for path in (tmp_path / "one").glob("*.json"))
    assert str(tmp_path) not in saved_text


def test_a_saved_tokenizer_gives_the_same_ids(saved: Any) -> None:
    for kind in ("bert", "gpt2"):
        _, directory = saved(kind)
        original = load_tokenizer(directory.parent / kind)
        assert (
            load_processor(directory).tokenizer(TEXTS)["input_ids"] == original(TEXTS)["input_ids"]
        )


def test_a_saved_model_without_its_classifier_is_refused(saved: Any) -> None:
    _, directory = saved("bert")
    path = directory / "model.safetensors"
    weights = {k: v for k, v in load_file(path).items() if not k.startswith("classifier")}
    save_file(weights, path, metadata={"format": "pt"})
    with pytest.raises(CheckpointError, match=r"lack 2 tensors .* such as classifier\.bias"):
        load_saved_model(directory)


def test_a_saved_model_that_was_cut_short_is_refused(saved: Any) -> None:
    _, directory = saved("bert")
    path = directory / "model.safetensors"
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(CheckpointError, match="damaged or incomplete"):
        load_saved_model(directory)


def test_a_model_of_no_task_is_refused(saved: Any) -> None:
    _, directory = saved("bert")
    config = json.loads((directory / "config.json").read_text())
    config["architectures"] = ["BertForNextSentencePrediction"]
    (directory / "config.json").write_text(json.dumps(config))
    with pytest.raises(CheckpointError, match="NextSentencePrediction has no head of a"):
        load_saved_model(directory)


def test_a_place_that_cannot_be_written_is_the_machines_problem(
    make_checkpoint: MakeCheckpoint, tmp_path: Path
) -> None:
    directory = make_checkpoint("bert")
    model = load_pretrained(directory, "sequence_classification", config=LABELS)
    (tmp_path / "file").touch()
    with pytest.raises(EnvironmentProblem, match="file"):
        save_model(model, Processor(load_tokenizer(directory)), tmp_path / "file" / "model")
