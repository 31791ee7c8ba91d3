from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

import pytest
import torch

from pipeline.config.model import ArchitectureConfig
from pipeline.models.scratch import build_model
from pipeline.models.vocabulary import train_tokenizer
from pipeline.tasks.processor import Processor

TEXTS = ["A man's dog, old (and wet).", "Ein nasser, alter Hund.", "一条湿漉漉的老狗。", "ペンの犬"]


def train(**more: Any) -> Any:
    options: dict[str, Any] = {"vocab_size": 160, "lowercase": False, "special_tokens": "end"}
    return train_tokenizer(TEXTS * 3, kind="bpe", **{**options, **more})


@pytest.mark.parametrize("text", [*TEXTS, "A dog  of 狗 and Hund!", "old老 old 。"])
def test_texts_are_put_together_again(text: str) -> None:
    tokenizer = train()
    known = "".join(one for one in text if one in "".join(TEXTS) + " ")
    ids = tokenizer(known).input_ids
    assert ids[-1] == tokenizer.eos_token_id
    assert tokenizer.unk_token_id not in ids
    assert tokenizer.decode(ids, skip_special_tokens=True).strip() == known.strip()


def test_chinese_is_read_by_character_and_punctuation_stands_alone() -> None:
    tokenizer = train(vocab_size=400)
    assert tokenizer.tokenize("老狗。 dog, old") == ["▁", "老", "狗", "。", "▁dog", ",", "▁old"]


def test_the_rarest_characters_of_a_small_vocabulary_are_unknown() -> None:
    tokenizer = train(vocab_size=20)
    assert len(tokenizer) <= 20
    assert tokenizer.unk_token_id in tokenizer("ペンの犬").input_ids


def test_every_process_learns_the_same() -> None:
    code = (
        "from tests.unit.models.test_subwords import train\n"
        "print(train().backend_tokenizer.to_str())"
    )
    found = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": "."},
            check=True,
            capture_output=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(found) == 1


def test_the_scratch_architecture_reads_and_writes_with_one_embedding() -> None:
    tokenizer = train()
    sizes = ArchitectureConfig(kind="seq2seq", hidden_size=32, num_layers=2, num_attention_heads=2)
    torch.manual_seed(0)
    model: Any = build_model(
        sizes,
        Processor(tokenizer),
        "seq2seq_lm",
        max_length=20,
        attention="sdpa",
        dropout=0.3,
        config={},
    )
    assert model.config.dropout == 0.3
    assert model.config.max_position_embeddings == 64
    embeddings = model.get_input_embeddings().weight
    assert embeddings.shape == (len(tokenizer), 32)
    assert model.lm_head.weight is embeddings
    assert model.get_decoder().embed_tokens.weight is embeddings
    assert len(model.get_encoder().layers) == len(model.get_decoder().layers) == 2
    ids = torch.tensor([tokenizer("Ein nasser Hund.").input_ids])
    logits = model(input_ids=ids, decoder_input_ids=ids).logits
    assert logits.shape == (*ids.shape, len(tokenizer))
    assert logits.std() < 3
