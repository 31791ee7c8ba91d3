"""The way from the section `model` to a model."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import pytest
import torch

from pipeline.artifacts import file_sha256
from pipeline.config.model import ArchitectureConfig, CheckpointConfig, ModelConfig, TokenizerConfig
from pipeline.errors import CheckpointError, UserError
from pipeline.models.checkpoint import open_checkpoint
from pipeline.models.processor import save_processor
from pipeline.models.tokenizer import make_tokenizer
from pipeline.tasks.processor import Processor
from tests.checkpoints import MakeCheckpoint

torch.set_num_threads(1)

LABELS = {"id2label": {0: "no", 1: "yes"}, "label2id": {"no": 0, "yes": 1}}


def directory_model(directory: Path, **checkpoint: Any) -> ModelConfig:
    return ModelConfig(
        checkpoint=CheckpointConfig(source="directory", location=str(directory), **checkpoint),
        max_length=32,
        dropout=0.25,
        attention="eager",
    )


def prepared(model: ModelConfig, tmp_path: Path) -> Path:
    tokenizer = make_tokenizer(model, root=tmp_path, train_texts=["the home team won"])
    save_processor(Processor(tokenizer), tmp_path / "dataset" / "processor")
    return tmp_path / "dataset"


def test_a_pretrained_model_follows_its_section(
    make_checkpoint: MakeCheckpoint, tmp_path: Path
) -> None:
    section = directory_model(make_checkpoint("gpt2"))
    checkpoint = open_checkpoint(section, root=tmp_path, dataset_dir=prepared(section, tmp_path))
    model: Any = checkpoint.load_model("sequence_classification", **LABELS)
    assert checkpoint.description.startswith("directory ")
    assert model.config.pad_token_id == 256
    assert model.config._attn_implementation == "eager"
    assert model.config.resid_pdrop == 0.25
    assert model.config.id2label == LABELS["id2label"]


def test_a_pretrained_model_needs_no_dataset(
    make_checkpoint: MakeCheckpoint, tmp_path: Path
) -> None:
    section = directory_model(make_checkpoint("bert"))
    checkpoint = open_checkpoint(section, root=tmp_path, dataset_dir=None)
    assert checkpoint.processor is None
    assert checkpoint.load_model("token_classification", **LABELS).config.num_labels == 2


def test_a_model_from_scratch_follows_its_section(tmp_path: Path) -> None:
    section = ModelConfig(
        architecture=ArchitectureConfig(kind="gpt2", hidden_size=8),
        tokenizer=TokenizerConfig(kind="word"),
        max_length=10,
    )
    checkpoint = open_checkpoint(section, root=tmp_path, dataset_dir=prepared(section, tmp_path))
    model: Any = checkpoint.load_model("sequence_classification", **LABELS)
    assert checkpoint.description == "from scratch: gpt2, 9 tokens"
    assert (model.config.vocab_size, model.config.pad_token_id) == (9, 0)
    assert (model.config.bos_token_id, model.config.eos_token_id) == (2, 3)


def test_from_scratch_without_a_dataset_prepare_is_asked_for(tmp_path: Path) -> None:
    section = ModelConfig(
        architecture=ArchitectureConfig(kind="bert"), tokenizer=TokenizerConfig(kind="word")
    )
    with pytest.raises(UserError, match="python -m pipeline prepare"):
        open_checkpoint(section, root=tmp_path, dataset_dir=None)


def test_damaged_weights_are_found_before_a_model_is_built(
    make_checkpoint: MakeCheckpoint, tmp_path: Path
) -> None:
    directory = make_checkpoint("bert")
    path = directory / "model.safetensors"
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(CheckpointError, match=r"damaged or incomplete \(1000 bytes\)"):
        open_checkpoint(directory_model(directory), root=tmp_path, dataset_dir=None)


def test_a_pickle_is_refused_unopened(make_checkpoint: MakeCheckpoint, tmp_path: Path) -> None:
    directory = make_checkpoint("bert")
    (directory / "model.safetensors").unlink()
    (directory / "pytorch_model.bin").write_bytes(pickle.dumps(Trap(str(tmp_path / "ran"))))
    with pytest.raises(CheckpointError, match="is a pickle, which can run code"):
        open_checkpoint(directory_model(directory), root=tmp_path, dataset_dir=None)
    assert not (tmp_path / "ran").exists()


class Trap:
    """Writes a file when it is unpickled."""

    def __init__(self, path: str) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, tuple[str, str]]:
        return open, (self.path, "w")


def test_other_content_than_pinned_is_refused(
    make_checkpoint: MakeCheckpoint, tmp_path: Path
) -> None:
    directory = make_checkpoint("bert")
    right = file_sha256(directory / "model.safetensors")
    for digest, refused in ((right, False), ("0" * 64, True)):
        section = directory_model(directory, sha256={"model.safetensors": digest})
        if refused:
            with pytest.raises(CheckpointError, match="is not the pinned file"):
                open_checkpoint(section, root=tmp_path, dataset_dir=None)
        else:
            found = open_checkpoint(section, root=tmp_path, dataset_dir=None)
            assert found.directory == directory
