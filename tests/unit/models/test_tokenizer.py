"""Tokenizers of checkpoints and of the train split."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from pipeline.config.model import ArchitectureConfig, CheckpointConfig, ModelConfig, TokenizerConfig
from pipeline.errors import CheckpointError, ConfigError, DataError
from pipeline.models.tokenizer import load_tokenizer, make_tokenizer
from tests.checkpoints import BERT_VOCABULARY, MakeCheckpoint

TEXTS = ["The home team won", "the 球赛 was won", "last"]


def pretrained(directory: Path, **more: Any) -> ModelConfig:
    checkpoint = CheckpointConfig(source="directory", location=str(directory))
    return ModelConfig(**{"checkpoint": checkpoint, "max_length": 32, **more})


def scratch(**tokenizer: Any) -> ModelConfig:
    return ModelConfig(
        architecture=ArchitectureConfig(kind="bert"),
        tokenizer=TokenizerConfig(**{"kind": "word", **tokenizer}),
        max_length=9,
    )


@pytest.mark.parametrize("kind", ["bert", "ernie", "distilbert"])
def test_a_vocabulary_file_is_enough(make_checkpoint: MakeCheckpoint, kind: str) -> None:
    tokenizer = make_tokenizer(pretrained(make_checkpoint(kind)), root=Path(), train_texts=())
    ids = tokenizer("The 球 nobody")["input_ids"]
    tokens = ["[CLS]", "the", "球", "[UNK]", "[SEP]"]
    assert ids == [BERT_VOCABULARY.index(token) for token in tokens]
    assert tokenizer.model_max_length == 32
    assert tokenizer.pad_token_id == 0


def test_gpt2_pads_with_its_end_of_text_on_the_right(make_checkpoint: MakeCheckpoint) -> None:
    tokenizer = make_tokenizer(pretrained(make_checkpoint("gpt2")), root=Path(), train_texts=())
    assert tokenizer.pad_token == tokenizer.eos_token == "<|endoftext|>"
    batch = tokenizer(["ab", "abcd"], padding=True)
    assert batch["input_ids"][0][2:] == [256, 256]
    assert batch["attention_mask"][0] == [1, 1, 0, 0]


@pytest.mark.parametrize("kind", ["bert", "gpt2", "marian"])
def test_a_saved_tokenizer_reads_alike_without_torch(
    make_checkpoint: MakeCheckpoint, tmp_path: Path, kind: str
) -> None:
    tokenizer = make_tokenizer(pretrained(make_checkpoint(kind)), root=Path(), train_texts=())
    tokenizer.save_pretrained(tmp_path / "saved")
    script = (
        "import json, sys; from pathlib import Path\n"
        "from pipeline.models.tokenizer import load_tokenizer\n"
        "tokenizer = load_tokenizer(Path(sys.argv[1]))\n"
        "assert 'torch' not in sys.modules\n"
        "print(json.dumps([tokenizer(json.loads(sys.argv[2]))['input_ids'], "
        "tokenizer.pad_token_id, tokenizer.model_max_length]))"
    )
    command = [sys.executable, "-c", script, str(tmp_path / "saved"), json.dumps(TEXTS)]
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    expected = [tokenizer(TEXTS)["input_ids"], tokenizer.pad_token_id, 32]
    assert json.loads(output.splitlines()[-1]) == expected


def test_more_length_than_positions_is_refused(make_checkpoint: MakeCheckpoint) -> None:
    model = pretrained(make_checkpoint("bert"), max_length=33)
    with pytest.raises(ConfigError, match=r"model\.max_length: 33 is more than the 32 positions"):
        make_tokenizer(model, root=Path(), train_texts=())


def test_more_tokens_than_embeddings_are_refused(make_checkpoint: MakeCheckpoint) -> None:
    directory = make_checkpoint("bert")
    with (directory / "vocab.txt").open("a", encoding="utf-8") as file:
        file.write("another\n")
    with pytest.raises(CheckpointError, match=r"20 tokens, but config\.json says vocab_size 19"):
        make_tokenizer(pretrained(directory), root=Path(), train_texts=())


def test_a_new_vocabulary_on_pretrained_weights_is_refused(
    make_checkpoint: MakeCheckpoint,
) -> None:
    model = pretrained(make_checkpoint("bert"), tokenizer=TokenizerConfig(kind="word"))
    with pytest.raises(ConfigError, match="mean nothing to the pretrained weights"):
        make_tokenizer(model, root=Path(), train_texts=TEXTS)


@pytest.mark.parametrize("kind", ["bert", "gpt2"])
def test_a_directory_without_vocabulary_is_refused(
    make_checkpoint: MakeCheckpoint, kind: str
) -> None:
    directory = make_checkpoint(kind)
    for name in ("vocab.txt", "vocab.json", "merges.txt"):
        (directory / name).unlink(missing_ok=True)
    with pytest.raises(CheckpointError, match=r"has no tokenizer: tokenizer\.json and vocab\."):
        load_tokenizer(directory)


@pytest.mark.parametrize("content", ["{", "[]", '{"model": {"type": "Nothing"}}'])
def test_a_damaged_tokenizer_is_refused(make_checkpoint: MakeCheckpoint, content: str) -> None:
    directory = make_checkpoint("bert")
    (directory / "tokenizer.json").write_text(content)
    with pytest.raises(CheckpointError, match="cannot be read"):
        load_tokenizer(directory)


def test_from_scratch_a_vocabulary_is_made_of_the_train_split() -> None:
    tokenizer = make_tokenizer(scratch(), root=Path(), train_texts=TEXTS)
    assert tokenizer.convert_ids_to_tokens(list(range(7))) == [
        *("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"),
        *("the", "won"),
    ]
    assert tokenizer.model_max_length == 9
    ids = tokenizer("the unheard won")["input_ids"]
    assert tokenizer.convert_ids_to_tokens(ids) == ["[CLS]", "the", "[UNK]", "won", "[SEP]"]


def test_from_scratch_without_a_word_there_is_no_vocabulary() -> None:
    with pytest.raises(DataError, match="no word"):
        make_tokenizer(scratch(), root=Path(), train_texts=["", "  "])


@pytest.mark.parametrize("kind", ["bert", "gpt2", "lstm"])
def test_from_scratch_types_of_tokens_go_to_a_model_that_knows_them(kind: str) -> None:
    architecture = ArchitectureConfig.model_validate({"kind": kind})
    model = scratch().model_copy(update={"architecture": architecture})
    tokenizer = make_tokenizer(model, root=Path(), train_texts=TEXTS)
    types = tokenizer(TEXTS[0], TEXTS[0], return_token_type_ids=True)["token_type_ids"]
    assert types[0] == 0
    assert types[-1] == 1
    assert ("token_type_ids" in tokenizer.model_input_names) == (kind == "bert")
