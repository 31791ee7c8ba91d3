"""A model that was trained with one head begins another task: its body stays, its head is new."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from pipeline.config.model import ArchitectureConfig
from pipeline.errors import CheckpointError
from pipeline.models.pretrained import load_pretrained
from pipeline.models.saving import save_model
from pipeline.models.scratch import build_model
from pipeline.models.vocabulary import train_tokenizer
from pipeline.tasks.base import Head
from pipeline.tasks.processor import Processor

torch.set_num_threads(1)

LABELS = {"id2label": {0: "a", 1: "b", 2: "c"}, "label2id": {"a": 0, "b": 1, "c": 2}}


@pytest.fixture
def processor() -> Processor:
    return Processor(
        train_tokenizer(
            ["a b c d e f g h"], kind="word", vocab_size=20, lowercase=True, special_tokens=True
        )
    )


def saved(kind: Any, head: Head, processor: Processor, directory: Path) -> Any:
    sizes = ArchitectureConfig(kind=kind, hidden_size=8, num_layers=2, num_attention_heads=2)
    config: dict[str, Any] = {} if head.endswith("_lm") else LABELS
    model = build_model(
        sizes, processor, head, max_length=16, attention="sdpa", dropout=None, config=config
    )
    save_model(model, processor, directory)
    return model


@pytest.mark.parametrize(
    ("kind", "before", "after"),
    [
        ("bert", "masked_lm", "sequence_classification"),
        ("bert", "masked_lm", "token_classification"),
        ("bert", "token_classification", "masked_lm"),
        ("bert", "sequence_classification", "token_classification"),
        ("gpt2", "causal_lm", "sequence_classification"),
        ("gpt2", "causal_lm", "token_classification"),
        ("gpt2", "sequence_classification", "causal_lm"),
        ("lstm", "sequence_classification", "token_classification"),
        ("lstm", "token_classification", "sequence_classification"),
    ],
)
def test_the_body_is_taken_over_and_the_head_is_new(
    processor: Processor, tmp_path: Path, kind: str, before: Head, after: Head
) -> None:
    old = saved(kind, before, processor, tmp_path / "old")
    entries: dict[str, Any] = {} if after.endswith("_lm") else LABELS
    new = load_pretrained(tmp_path / "old", after, pad_token_id=0, config=entries)
    body, expected = new.base_model.state_dict(), old.base_model.state_dict()
    shared = body.keys() & expected.keys()
    assert shared
    assert all("pooler" in name for name in body.keys() ^ expected.keys())
    for name in shared:
        assert torch.equal(body[name], expected[name]), name


def test_more_labels_than_before_make_a_new_head(processor: Processor, tmp_path: Path) -> None:
    old = saved("bert", "sequence_classification", processor, tmp_path / "old")
    names = {number: str(number) for number in range(5)}
    new: Any = load_pretrained(
        tmp_path / "old", "sequence_classification", config={"id2label": names}
    )
    assert new.classifier.out_features == 5
    assert torch.equal(
        new.base_model.embeddings.word_embeddings.weight,
        old.base_model.embeddings.word_embeddings.weight,
    )


def test_a_body_of_another_size_is_refused(processor: Processor, tmp_path: Path) -> None:
    saved("bert", "masked_lm", processor, tmp_path / "old")
    with pytest.raises(CheckpointError, match="do not fit its config"):
        load_pretrained(tmp_path / "old", "masked_lm", config={"intermediate_size": 64})
