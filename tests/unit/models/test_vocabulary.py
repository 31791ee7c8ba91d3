"""Vocabularies are a pure function of the texts."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

from pipeline.models.vocabulary import SPECIAL_TOKENS, train_tokenizer

TEXTS = ["low lower lowest", "low new newer", "Low 新球赛", "wide low"]


def train(kind: Any, **more: Any) -> Any:
    options: dict[str, Any] = {"vocab_size": 60, "lowercase": True, "special_tokens": True}
    return train_tokenizer(TEXTS, kind=kind, **{**options, **more})


def tokens(tokenizer: Any, text: str) -> list[str]:
    result: list[str] = tokenizer.convert_ids_to_tokens(tokenizer(text)["input_ids"])
    return result


def test_words_are_ranked_by_frequency_then_by_their_characters() -> None:
    tokenizer = train("word", vocab_size=9)
    ranked = ["low", "lower", "lowest", "new"]
    assert tokenizer.convert_ids_to_tokens(list(range(9))) == [*SPECIAL_TOKENS, *ranked]
    assert len(tokenizer) == 9


@pytest.mark.parametrize("kind", ["word", "character", "wordpiece"])
def test_a_vocabulary_is_never_larger_than_asked_for(kind: str) -> None:
    for size in (8, 20, 40):
        tokenizer = train(kind, vocab_size=size)
        assert len(tokenizer) <= size
        ids = tokenizer(TEXTS)["input_ids"]
        assert max(max(row) for row in ids) < len(tokenizer)


def test_case_is_kept_where_asked() -> None:
    assert "Low" in train("word", lowercase=False).get_vocab()
    assert "Low" not in train("word").get_vocab()
    assert tokens(train("word"), "LOW")[1:-1] == ["low"]


def test_characters_are_read_one_by_one_without_white_space() -> None:
    assert tokens(train("character"), "新球 low") == [
        *("[CLS]", "新", "球", "l", "o", "w", "[SEP]"),
    ]


def test_word_pieces_make_up_unheard_words() -> None:
    found = tokens(train("wordpiece"), "weld")
    assert found[0] == "[CLS]"
    assert "[UNK]" not in found
    assert len(found) > 3
    assert train("wordpiece").decode(train("wordpiece")("lower")["input_ids"][1:-1]) == "lower"


@pytest.mark.parametrize("kind", ["word", "character", "wordpiece", "byte_bpe"])
def test_texts_are_framed_only_where_asked(kind: str) -> None:
    framed, bare = train(kind), train(kind, special_tokens=False)
    assert tokens(framed, "low")[1:-1] == tokens(bare, "low")
    assert (framed.pad_token_id, bare.pad_token_id) == (0, 0)
    assert bare.convert_ids_to_tokens(list(range(5))) == list(SPECIAL_TOKENS)


def test_a_pair_of_texts_is_framed_too() -> None:
    ids = train("word")("low", "new")["input_ids"]
    assert train("word").convert_ids_to_tokens(ids) == ["[CLS]", "low", "[SEP]", "new", "[SEP]"]


def test_offsets_point_at_the_text() -> None:
    text = "Low  新球"
    for kind in ("word", "character", "wordpiece"):
        encoding = train(kind)(text, return_offsets_mapping=True)
        pieces = [text[start:end] for start, end in encoding["offset_mapping"]]
        assert "".join(pieces).lower() == "low新球", kind


@pytest.mark.parametrize("kind", ["word", "character", "wordpiece", "byte_bpe"])
def test_processes_agree_on_every_id(kind: str) -> None:
    script = (
        "import json, sys; from pipeline.models.vocabulary import train_tokenizer\n"
        "t = train_tokenizer(json.loads(sys.argv[2]), kind=sys.argv[1], vocab_size=300, "
        "lowercase=True, special_tokens=True)\n"
        "print(json.dumps(t.get_vocab(), sort_keys=True))"
    )
    texts = json.dumps([*TEXTS, "alpha beta gamma delta epsilon zeta eta theta iota kappa"])
    outputs = {
        subprocess.run(
            [sys.executable, "-c", script, kind, texts],
            check=True,
            capture_output=True,
            text=True,
            env={"PYTHONHASHSEED": str(seed), "PATH": ""},
        ).stdout
        for seed in range(3)
    }
    assert len(outputs) == 1


def test_byte_pairs_write_every_text_back_as_it_was() -> None:
    tokenizer = train("byte_bpe", vocab_size=400, lowercase=False, special_tokens=False)
    assert len(tokenizer) <= 400
    for text in ("low lower", "  Neu:\n\tglück 新闻 🙂 ", TEXTS[0]):
        ids = tokenizer(text)["input_ids"]
        assert tokenizer.decode(ids, clean_up_tokenization_spaces=False) == text
        assert tokenizer.unk_token_id not in ids
    assert len(tokenizer("low")["input_ids"]) < 3, "frequent bytes are merged"
