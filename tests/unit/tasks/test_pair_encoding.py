from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast

from pipeline.errors import UserError
from pipeline.models.tokenizer import load_tokenizer
from pipeline.models.vocabulary import train_tokenizer
from pipeline.tasks.pair_encoding import PairTemplate, encode_pairs, longest_first
from tests.checkpoints import MakeCheckpoint

FIRST = ["home team won", "last 球赛", "", "the match was won by the home team", "unseen home"]
SECOND = ["the match", "in the last minute by home team", "team", "新闻 in the match", ""]


def roberta_like() -> PreTrainedTokenizerFast:
    words = ["<pad>", "<unk>", "<s>", "</s>", "home", "team", "match"]
    backend = Tokenizer(models.WordLevel({word: i for i, word in enumerate(words)}, "<unk>"))
    backend.pre_tokenizer = pre_tokenizers.Whitespace()
    backend.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>",
        pair="<s> $A </s> </s> $B </s>",
        special_tokens=[("<s>", 2), ("</s>", 3)],
    )
    return PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=backend,
        unk_token="<unk>",
        pad_token="<pad>",
        model_input_names=["input_ids", "attention_mask"],
    )


@pytest.mark.parametrize("max_length", [4, 5, 6, 7, 9, 10, 31, 100])
@pytest.mark.parametrize("kind", ["bert", "ernie", "distilbert", "gpt2", "roberta", "trained"])
def test_ids_and_types_equal_those_of_the_tokenizer_itself(
    make_checkpoint: MakeCheckpoint, tmp_path: Path, kind: str, max_length: int
) -> None:
    if kind == "roberta":
        tokenizer = roberta_like()
    elif kind == "trained":
        tokenizer = train_tokenizer(
            FIRST + SECOND,
            kind="word",
            vocab_size=100,
            lowercase=True,
            special_tokens=True,
            token_types=True,
        )
        tokenizer.save_pretrained(tmp_path / "saved")
        tokenizer = load_tokenizer(tmp_path / "saved")
    else:
        tokenizer = load_tokenizer(make_checkpoint(kind))
    expected = tokenizer(
        FIRST, SECOND, truncation=True, max_length=max_length, return_token_type_ids=True
    )
    whole = tokenizer(FIRST, SECOND)["input_ids"]

    if max_length <= tokenizer.num_special_tokens_to_add(pair=True):
        with pytest.raises(UserError, match="special tokens to a pair"):
            encode_pairs(tokenizer, pa.array(FIRST), pa.array(SECOND), max_length=max_length)
        return
    table = encode_pairs(tokenizer, pa.array(FIRST), pa.array(SECOND), max_length=max_length)

    assert table["input_ids"].to_pylist() == expected["input_ids"]
    assert table["length"].to_pylist() == [len(ids) for ids in expected["input_ids"]]
    assert table["num_tokens"].to_pylist() == [len(ids) for ids in whole]
    unknown = tokenizer.unk_token_id if kind != "gpt2" else -1
    assert table["num_unknown"].to_pylist() == [ids.count(unknown) for ids in whole]
    typed = "token_type_ids" in tokenizer.model_input_names and kind != "gpt2"
    assert typed == (kind not in {"gpt2", "roberta"})
    assert ("token_type_ids" in table.column_names) == typed
    if typed:
        assert table["token_type_ids"].to_pylist() == expected["token_type_ids"]


def test_a_tokenizer_without_special_tokens_joins_the_texts() -> None:
    tokenizer = train_tokenizer(
        ["a b c"], kind="word", vocab_size=20, lowercase=True, special_tokens=False
    )
    table = encode_pairs(tokenizer, pa.array(["a b"]), pa.array(["c"]), max_length=9)
    assert table["input_ids"].to_pylist() == tokenizer(["a b"], ["c"])["input_ids"]


def test_each_different_text_is_tokenised_once(monkeypatch: pytest.MonkeyPatch) -> None:
    tokenizer = roberta_like()
    backend: Any = tokenizer.backend_tokenizer
    seen: list[int] = []

    class Backend:
        def __getattr__(self, name: str) -> Any:
            return getattr(backend, name)

        def encode_batch_fast(self, texts: list[str], **options: bool) -> Any:
            seen.append(len(texts))
            return backend.encode_batch_fast(texts, **options)

    monkeypatch.setattr(PreTrainedTokenizerFast, "backend_tokenizer", property(lambda _: Backend()))
    texts = pa.chunked_array([["home team"] * 3, ["match"] * 2])
    items = pa.array(["home", "match", "team", "home", "match"])
    table = encode_pairs(tokenizer, texts, items, max_length=20)
    assert seen == [2, 3]
    assert table["input_ids"].to_pylist()[3] == [2, 6, 3, 3, 4, 3]


def test_the_longer_text_gives_way_first() -> None:
    first, second = np.array([10, 2, 10, 3, 9, 5]), np.array([2, 10, 10, 3, 10, 5])
    kept = longest_first(first, second, 7)
    assert np.stack(kept).T.tolist() == [[5, 2], [2, 5], [3, 4], [3, 3], [3, 4], [3, 4]]


def test_no_pairs_give_no_rows(make_checkpoint: MakeCheckpoint) -> None:
    nothing = pa.array([], pa.string())
    table = encode_pairs(load_tokenizer(make_checkpoint("bert")), nothing, nothing, max_length=8)
    assert table.num_rows == 0
    assert table.schema.field("token_type_ids").type == pa.list_(pa.int8())


def test_special_tokens_inside_a_text_are_refused() -> None:
    tokenizer = roberta_like()
    tokenizer.backend_tokenizer.post_processor = processors.TemplateProcessing(
        single="$A", pair="$B <s> $A", special_tokens=[("<s>", 2)]
    )
    with pytest.raises(UserError, match="does not frame two texts"):
        PairTemplate.of(tokenizer, "home")
