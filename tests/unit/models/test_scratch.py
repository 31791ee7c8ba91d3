"""Models from scratch: sizes, seeds, and the LSTM as a transformers model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from pipeline.config.model import ArchitectureConfig
from pipeline.errors import ConfigError
from pipeline.export.graph import export_onnx
from pipeline.export.runtime import OnnxModel
from pipeline.models.recurrence import reverse_within
from pipeline.models.saving import load_saved_model, save_model
from pipeline.models.scratch import build_model
from pipeline.models.vocabulary import train_tokenizer
from pipeline.tasks.base import ExportSpec
from pipeline.tasks.processor import Processor

torch.set_num_threads(1)

LABELS = {"id2label": {0: "a", 1: "b", 2: "c"}, "label2id": {"a": 0, "b": 1, "c": 2}}
AXES = {0: "batch", 1: "length"}
SPEC = ExportSpec(
    ("input_ids", "attention_mask"), ("logits",), {"input_ids": AXES, "attention_mask": AXES}
)
HEADS = ["sequence_classification", "token_classification"]


def tokenizer() -> Any:
    words = [" ".join(f"w{number}" for number in range(30))]
    return train_tokenizer(words, kind="word", vocab_size=30, lowercase=True, special_tokens=True)


def make(kind: Any, head: Any = HEADS[0], *, seed: int = 0, **more: Any) -> Any:
    sizes = {"hidden_size": 8, "num_layers": 2, "num_attention_heads": 2}
    dropout = more.pop("dropout", None)
    max_length = more.pop("max_length", 10)
    torch.manual_seed(seed)
    return build_model(
        ArchitectureConfig(kind=kind, **{**sizes, **more}),
        Processor(tokenizer()),
        head,
        max_length=max_length,
        attention="sdpa",
        dropout=dropout,
        config=LABELS,
    )


def padded() -> tuple[torch.Tensor, torch.Tensor]:
    ids = torch.tensor([[5, 6, 7, 8, 9], [10, 11, 0, 0, 0], [12, 13, 14, 0, 0]])
    return ids, (ids > 0).long()


@pytest.mark.parametrize("kind", ["bert", "gpt2", "lstm"])
@pytest.mark.parametrize("head", HEADS)
def test_sizes_are_those_asked_for(kind: str, head: str) -> None:
    model = make(kind, head)
    ids, mask = padded()
    shape = (3, 3) if head == HEADS[0] else (3, 5, 3)
    assert model(input_ids=ids, attention_mask=mask).logits.shape == shape
    assert model.config.vocab_size == 30
    assert model.config.num_hidden_layers == 2
    assert model.config.pad_token_id == 0
    assert model.config.id2label == LABELS["id2label"]
    assert not model.training


@pytest.mark.parametrize("kind", ["bert", "gpt2", "lstm"])
def test_the_seed_alone_makes_the_weights(kind: str) -> None:
    first, again, other = (make(kind, seed=seed).state_dict() for seed in (1, 1, 2))
    assert all(torch.equal(again[name], tensor) for name, tensor in first.items())
    assert not all(torch.equal(other[name], tensor) for name, tensor in first.items())


@pytest.mark.parametrize("kind", ["bert", "gpt2"])
def test_a_batch_padded_beyond_max_length_has_positions(kind: str) -> None:
    model = make(kind, max_length=10)
    ids = torch.full((1, 16), 5)
    assert model(input_ids=ids, attention_mask=torch.ones_like(ids)).logits.shape == (1, 3)


@pytest.mark.parametrize("kind", ["bert", "gpt2", "lstm"])
def test_dropout_is_the_one_asked_for(kind: str) -> None:
    model = make(kind, dropout=0.4).train()
    modules = [m for m in model.modules() if isinstance(m, torch.nn.Dropout)]
    assert modules
    assert {module.p for module in modules} == {0.4}


def test_heads_that_do_not_divide_the_width_are_refused() -> None:
    with pytest.raises(
        ConfigError, match=r"model\.architecture\.hidden_size: 10 is not a multiple"
    ):
        make("bert", hidden_size=10, num_attention_heads=4)


@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("head", HEADS)
@torch.no_grad()
def test_padding_never_reaches_an_lstms_logits(head: str, bidirectional: bool) -> None:
    model = make("lstm", head, bidirectional=bidirectional)
    ids, mask = padded()
    batch = model(input_ids=ids, attention_mask=mask).logits
    for row, length in enumerate(mask.sum(1).tolist()):
        alone = model(input_ids=ids[row : row + 1, :length]).logits[0]
        found = batch[row] if head == HEADS[0] else batch[row, :length]
        torch.testing.assert_close(found, alone)


@torch.no_grad()
def test_an_lstm_is_torchs_own() -> None:
    model = make("lstm", num_layers=1, bidirectional=True, hidden_size=4, embedding_size=6)
    ids, _ = padded()
    reference = torch.nn.LSTM(6, 4, batch_first=True, bidirectional=True)
    layer = model.lstm.layers[0]
    for name, tensor in layer.forwards.named_parameters():
        getattr(reference, name).copy_(tensor)
    for name, tensor in layer.backwards.named_parameters():
        getattr(reference, f"{name}_reverse").copy_(tensor)
    states = reference(model.lstm.embeddings(ids[:1]))[0]
    torch.testing.assert_close(model.lstm(ids[:1]).last_hidden_state, states)
    final = torch.cat([states[:, -1, :4], states[:, 0, 4:]], dim=-1)
    torch.testing.assert_close(model(ids[:1]).logits, model.classifier(final))


def test_an_lstms_forget_gates_start_open() -> None:
    model = make("lstm", hidden_size=4)
    for layer in model.lstm.layers:
        bias = layer.forwards.bias_ih_l0 + layer.forwards.bias_hh_l0
        assert bias.tolist() == [0.0] * 4 + [1.0] * 4 + [0.0] * 8


def test_reversing_twice_changes_nothing() -> None:
    values = torch.arange(12.0).reshape(2, 3, 2)
    lengths = torch.tensor([3, 2])
    once = reverse_within(values, lengths)
    assert once[0].tolist() == values[0].flip(0).tolist()
    assert once[1].tolist() == [values[1, 1].tolist(), values[1, 0].tolist(), values[1, 2].tolist()]
    assert torch.equal(reverse_within(once, lengths), values)


@pytest.mark.parametrize("head", HEADS)
@torch.no_grad()
def test_an_exported_lstm_gives_the_logits_of_torch(tmp_path: Path, head: str) -> None:
    model = make("lstm", head, bidirectional=True)
    export_onnx(model, SPEC, tmp_path / "model.onnx", opset=18)
    exported = OnnxModel(tmp_path / "model.onnx", num_threads=1)
    ids, mask = padded()
    for rows, length in ((3, 5), (1, 2), (2, 4)):
        part, part_mask = ids[:rows, :length], mask[:rows, :length]
        arrays = {"input_ids": part.numpy(), "attention_mask": part_mask.numpy()}
        found = exported.run(arrays)["logits"]
        expected = model(input_ids=part, attention_mask=part_mask).logits
        np.testing.assert_allclose(found, expected.numpy(), atol=1e-5)


@pytest.mark.parametrize("head", HEADS)
def test_a_saved_lstm_loads_whole(tmp_path: Path, head: str) -> None:
    model = make("lstm", head)
    save_model(model, Processor(tokenizer()), tmp_path / "model")
    loaded = load_saved_model(tmp_path / "model")
    assert type(loaded) is type(model)
    ids, mask = padded()
    logits = (m(input_ids=ids, attention_mask=mask).logits for m in (model, loaded))
    assert torch.equal(*logits)
